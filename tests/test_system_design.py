"""docs/SYSTEM_DESIGN.md against the engine: what its blocks say is played, and every number on the
page is worked out again.

A check gives sentences, one for each fault. The page is to give none; then faults are planted into
it, and each has to be named.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from fractions import Fraction
from math import ceil, floor
from typing import Any

import pytest
from stories.stage import Person, Stage

from botpit.core.risk.liquidation import bankruptcy_price
from botpit.core.risk.margin import (
    BPS,
    excess_times_bps,
    initial_times_bps,
    maintenance_times_bps,
)
from botpit.settings import MarketSettings
from tests.docs.page import HOUSE, Page, key
from tests.test_docs import missing_files

SYSTEM_DESIGN = HOUSE / "docs/SYSTEM_DESIGN.md"
MOST_LINES = 260

State = dict[str, Fraction]
"""What the page may call by a name (`alice's equity`), in the engine's integers."""


# --------------------------------------------------------------------------------------- arithmetic


def value(expression: str) -> Fraction:
    """The exact value of an expression as the page writes it."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", expression)
    for sign, python in (
        ("·", "*"),
        ("÷", "/"),
        ("⌊", "floor("),
        ("⌋", ")"),
        ("⌈", "ceil("),
        ("⌉", ")"),
    ):
        text = text.replace(sign, python)
    return _worked_out(ast.parse(text.strip(), mode="eval").body)


OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {"floor": floor, "ceil": ceil, "min": min}


def _worked_out(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int(number)):
            return Fraction(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_worked_out(operand)
        case ast.BinOp(left=left, op=by, right=right):
            return OPERATIONS[type(by)](_worked_out(left), _worked_out(right))
        case ast.Call(func=ast.Name(id=name), args=args):
            return Fraction(FUNCTIONS[name](*map(_worked_out, args)))
    raise AssertionError(f"not arithmetic: {ast.unparse(node)}")


HOLDS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "=": lambda one, other: one == other, "<": lambda one, other: one < other, ">": lambda one, other: one > other,
    "<=": lambda one, other: one <= other, ">=": lambda one, other: one >= other,
}  # fmt: skip


def chain_faults(chain: str) -> Iterator[str]:
    """`A = B < C`: each holds of its neighbours."""
    parts = re.split(r" (<=|>=|<|>|=) ", chain)
    for one, relation, other in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
        if not HOLDS[relation](value(one), value(other)):
            yield f"{one} {relation} {other}: it is {value(one)} and {value(other)}"


# ----------------------------------------------------------------------------------------- the play


class Play:
    """One block, line by line. `moments` is the state after each fill of the last deeds, `told`
    what is not yet on the page.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._stage: Any = None
        self._told: list[str] = []
        self._moments: list[State] = []
        self._fills = 0
        self._expected: tuple[str, Fraction] | None = None

    def reads(self, line: str) -> None:
        if line.startswith("> "):
            self.ends()
            self._moments, self._fills = [], 0
            for deed in line[2:].split("; "):
                self._does(deed)
        elif line.startswith("< "):
            self._compare_told(line[2:])
        else:
            self._compare_figure(line.strip())

    def ends(self) -> None:
        self.faults += [f"not on the page: {sentence}" for sentence in self._told]
        self._told = []

    # --------------------------------------------------------------------------------- what is done

    def _does(self, deed: str) -> None:
        fund = re.fullmatch(r"insurance has ([\d,.]+)", deed)
        self._stage = self._stage or opened(
            fund[1].replace(",", "") if fund else "0", self._moments_of
        )
        self._told += [] if fund else perform(self._stage, deed)

    def _moments_of(self, stage: Stage) -> None:
        self._moments.append(state(stage))

    # --------------------------------------------------------------------------------- what is said

    def _compare_told(self, sentence: str) -> None:
        really = self._told.pop(0) if self._told else "nothing"
        if sentence != really:
            self.faults.append(f"{sentence}: told is {really}")
        if re.search(r" (from|to) | auto_deleverage$", sentence):
            self._fills += 2
        if self._expected is not None:
            name, number = self._expected
            said = re.search(
                r" at ([\d.]+)" if name == "price" else r" (?:buys|sells) (\d+) ", sentence
            )
            if said is None or value(said[1].replace(".", "")) != number:
                self.faults.append(f"{name} {number}: next is {sentence}")
            self._expected = None

    def _compare_figure(self, line: str) -> None:
        name, _, chain = line.partition(": ")
        self.faults += chain_faults(chain)
        number = value(re.split(r" [<>=]+ ", chain)[0])
        now = state(self._stage) if not self._told else self._moments[self._fills - 1]
        if name in ("price", "lots"):
            self._expected = (name, number)
        elif name.endswith("'s threshold"):
            self.faults += threshold_faults(
                self._stage, name.removesuffix("'s threshold"), int(number)
            )
        elif name in now and now[name] != number:
            self.faults.append(f"{line}: {name} is {now[name]}")
        elif "'s " in name and name not in now:
            self.faults.append(f"{line}: there is no {name}")


def opened(fund: str, after_fill: Callable[[Stage], None]) -> Stage:
    """A stage that nobody has money on yet; `after_fill` is called after every fill that is booked,
    also within a Tick.
    """
    stage = Stage(starting_cash="0", insurance_fund=fund)
    book_fill = stage.exchange.book_fill

    def booked(*fill: Any) -> None:
        book_fill(*fill)
        after_fill(stage)

    stage.exchange.book_fill = booked  # type: ignore[method-assign]
    return stage


def state(stage: Stage) -> State:
    exchange = stage.exchange
    found = {
        "the mark": exchange.first_market.mark,
        "insurance's cash": exchange.insurance,
        "paid in": units(stage.paid_in),
    }
    for trader, account in exchange.accounts.items():
        found |= {f"{trader}'s cash": account.cash, f"{trader}'s equity": account.equity()}
        for name, times_bps in (
            ("initial", initial_times_bps), ("maintenance", maintenance_times_bps), ("excess", excess_times_bps),
        ):  # fmt: skip
            found[f"{trader}'s {name}"] = Fraction(times_bps(account), BPS)
        for position in account.held_positions():
            found[f"{trader}'s b"] = bankruptcy_price(position)
    return {name: Fraction(number) for name, number in found.items()}


def units(money: str) -> int:
    return int(money.replace(",", "").replace(".", ""))


def threshold_faults(stage: Stage, trader: str, threshold: int) -> Iterator[str]:
    """A threshold is crossed at its price, and not one tick before."""
    for price, crossed in ((threshold, True), (threshold + 1, False)):
        again = deepcopy(stage)
        again.settles()
        again.operator.marks(again.price(price, again.symbol))
        if (trader in again.due_for_check) is not crossed:
            yield f"{trader}'s threshold: at {price} it is {'not ' if crossed else ''}crossed"


# ----------------------------------------------------------------------------------- what people do


def perform(stage: Stage, deed: str) -> list[str]:
    """Do it, and return what was told of it and is not its plain success."""
    stage.events = []
    for pattern, act in DEEDS.items():
        match = re.fullmatch(pattern, deed)
        if match:
            act(stage, *match.groups())
            break
    else:
        raise AssertionError(f"nobody knows how to do this: {deed}")
    of_course = (r".* accepted", r".* is open: mark", r".* logged in", rf"{deed}")
    return [
        sentence
        for sentence in stage.told
        if not any(re.fullmatch(each, sentence) for each in of_course)
    ]


def bring(stage: Stage, names: str, money: str) -> None:
    for name in names.split(", "):
        person(stage, name).brings(money.replace(",", ""))


def trade(stage: Stage, buyer: str, qty: str, seller: str, price: str) -> None:
    person(stage, buyer).buys_from(person(stage, seller), int(qty), price)


def order(stage: Stage, name: str, verb: str, qty: str, price: str, fok: str | None) -> None:
    sign = 1 if verb in ("buys", "bids") else -1
    person(stage, name).trades(int(qty), sign, price, tif="fok" if fok else "")


def pass_time(stage: Stage, seconds: str) -> None:
    stage.now_ms += 1_000 * int(seconds)


def person(stage: Stage, name: str) -> Person:
    found = getattr(stage, name)
    assert isinstance(found, Person), name
    return found


DEEDS: dict[str, Callable[..., Any]] = {
    r"([\w, ]+) brings? ([\d,.]+)": bring,
    r"(\w+) buys (\d+) from (\w+) at ([\d.]+)": trade,
    r"(\w+) (buys|sells|bids|asks) (\d+) at ([\d.]+)( fok)?": order,
    r"the mark is ([\d.]+)": lambda stage, price: stage.operator.marks(price),
    r"tick": lambda stage: stage.ticks(),
    r"(\d+) s pass": pass_time,
    r"the instrument closes": lambda stage: stage.operator.closes(),
}


# ----------------------------------------------------------------------------------------- the page


def block_faults(page: Page) -> Iterator[str]:
    for block in page.blocks:
        play = Play()
        for line in block.splitlines():
            play.reads(line)
        play.ends()
        yield from play.faults


def setting_faults(page: Page) -> Iterator[str]:
    for row in page.rows("How the market works"):
        default = MarketSettings.model_fields[key(row)].default
        if row["default"] != str(default):
            yield f"{key(row)}: the default is {default}"


def prose_faults(page: Page) -> Iterator[str]:
    """A number in a sentence is one of those that are checked: in a block, or a setting."""
    checked = {plain(number) for block in page.blocks for number in numbers(block)}
    sentences = re.sub(r"`[^`]*`|\[[^]]*\]\([^)]*\)", "", "\n".join(page.under.values()))
    checked |= {row["default"] for row in page.rows("How the market works")} | {"1"}
    yield from (
        f"{number} is in no block"
        for number in numbers(sentences)
        if plain(number) not in checked
    )


def numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", text)


def plain(number: str) -> str:
    return number.replace(",", "")


def faults(text: str) -> list[str]:
    page = Page(text)
    found = [
        *block_faults(page),
        *setting_faults(page),
        *prose_faults(page),
        *missing_files("SYSTEM_DESIGN", text),
    ]
    if text.count("\n") > MOST_LINES:
        found.append(f"{text.count(chr(10))} lines, of at most {MOST_LINES}")
    return found


def test_the_page_is_true() -> None:
    assert faults(SYSTEM_DESIGN.read_text(encoding="utf-8")) == []


PLANTED = [
    ("= 36,833 <", "= 36,834 <", "38,125 - 9 · 100 - ⌈9 · 8,700 · 50 ÷ 10,000⌉ = 36,834: it is 36833 and 36834"),
    ("= 36,833 <", "= 36,833 >", "36,833 > 21 · 8,800 · 20 ÷ 100: it is 36833 and 36960"),
    ("alice's equity: 40,000 - 20 · (8,800 - 8,750) - 875 = 38,125", "alice's equity: 40,000 - 1,876 = 38,124",
     "alice's equity: 40,000 - 1,876 = 38,124: alice's equity is 38125"),
    ("= 7,530", "= 7,530 = 7,531", "7,530 = 7,531: it is 7530 and 7531"),
    ("alice's b: 8,800 - ⌊38,125 ÷ 30⌋ = 7,530", "alice's b: 7,531", "alice's b: 7,531: alice's b is 7530"),
    ("alice's maintenance: 50 ·", "alice's leverage: 50 ·", "alice's leverage: 50 · 8,800 · 10 ÷ 100 = 44,000: there is no"),
    ("< alice sells 10 to dave at 87.00", "< alice sells 9 to dave at 87.00", "lots 10: next is alice sells 9 to dave at 87.00"),
    ("< alice sells 10 to dave at 87.00", "< alice sells 9 to dave at 87.00",
     "alice sells 9 to dave at 87.00: told is alice sells 10 to dave at 87.00"),
    ("< insurance 13.10\n", "", "not on the page: insurance 13.10"),
    ("< insurance 13.10\n", "< insurance 13.10\n< bob is frozen\n", "bob is frozen: told is nothing"),
    ("carol bids 20 at 87.50", "carol bids 21 at 87.50", "alice sells 20 to carol at 87.50: told is alice sells 21 to carol"),
    ("= 8,889\n", "= 8,889 = 8,888 + 1\n  alice's threshold: 8,888\n", "alice's threshold: at 8889 it is crossed"),
    ("= 8,889\n", "= 8,889\n  alice's threshold: 8,890\n", "alice's threshold: at 8890 it is not crossed"),
    ("price: 7,900 + ⌈(5,000 - 3,000) ÷ 50⌉ = 7,940", "price: 7,939", "price 7939: next is alice sells 50 at 79.40: bankruptcy"),
    ("the mark: 10,100 +", "the mark: 1 + 10,100 +", "the mark is 10201"),
    ("paid in: 0 + 1,103,000 + 0 = 100,000 + 1,000,000 + 3,000", "paid in: 1,102,999", "paid in is 1103000"),
    ("| `liquidation_fee_bps` | 50 |", "| `liquidation_fee_bps` | 40 |", "liquidation_fee_bps: the default is 50"),
    ("short 30 since 65.00", "short 30 since 66.00", "66.00 is in no block"),
    ("each of three gained 42,000", "each of three gained 43,000", "43,000 is in no block"),
    ("`tests/laws/slow_engine.py`", "`tests/laws/fast_engine.py`", "SYSTEM_DESIGN: there is no tests/laws/fast_engine.py"),
    ("## 9. How it is proven\n", "## 9. How it is proven\n" + 9 * "\n", "lines, of at most 260"),
]  # fmt: skip


@pytest.mark.parametrize(("true", "false", "named"), PLANTED)
def test_a_fault_on_the_page_is_named(true: str, false: str, named: str) -> None:
    text = SYSTEM_DESIGN.read_text(encoding="utf-8")
    assert text.count(true) == 1, true
    assert any(named in fault for fault in faults(text.replace(true, false))), faults(
        text.replace(true, false)
    )


def test_the_page_would_notice_another_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One in which positions are closed a tick too cheap."""
    monkeypatch.setattr(
        "botpit.core.risk.liquidation.bankruptcy_price",
        lambda position: bankruptcy_price(position) - 1,
    )
    named = faults(SYSTEM_DESIGN.read_text(encoding="utf-8"))
    assert (
        "alice sells 50 at 79.40: bankruptcy: told is alice sells 50 at 79.39: bankruptcy"
        in named
    )
