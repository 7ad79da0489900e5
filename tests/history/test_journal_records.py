"""A command as a line and back; and what is no such line is told from it, whatever it is."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args
from zlib import crc32

import msgspec
import pytest

from botpit.core import commands as cmd
from botpit.core.commands import Command, Open, Order
from botpit.core.instrument import LARGEST_EXACT
from botpit.history.journal.records import (
    FORMAT,
    MAX_LINE_BYTES,
    Damaged,
    OtherFormat,
    Record,
    checked,
    read_note,
    seed_of,
    written_note,
)
from botpit.history.vocabulary import EXCHANGE
from botpit.settings import Settings
from tests.kept_market import stream_of
from tests.laws.streams import opening

SEED = seed_of("a market")
RULES = EXCHANGE.rules_version
LARGEST_ASKED = 10**40 - 1
"""The largest number that passes the border: the engine is asked it, and refuses it."""


def read(line: bytes, seed: int = SEED) -> Record:
    return EXCHANGE.decoded(*checked(line, seed))


def assert_damaged(line: bytes) -> None:
    with pytest.raises(ValueError) as refused:
        read(line)
    assert not isinstance(refused.value, OtherFormat)


def sealed(body: str, seed: int = SEED) -> bytes:
    """A line with the right checksum, whatever it says."""
    return f"{body}{crc32(body.encode(), seed):08x}".encode()


COMMANDS: list[Command] = [
    Order("a:1", "A/B", -1, 5, None, cmd.TimeInForce.GTD, "c@1", True, True, cmd.SelfTradePrevention.CANCEL_BOTH, 7, 3),
    Order("alice", "SIM", 1, LARGEST_ASKED, -LARGEST_ASKED, expires_at_ns=2**53 * 10**6),
    Order("alice", "SIM", 1, 5, cmd.OffTick("-1e+300")),
    cmd.Cancel("alice", 2**53 - 1, "x"), cmd.Cancel("alice", None, "x"), cmd.CancelAll("alice", None, 0),
    cmd.Replace("alice", 1, None, 5, None), cmd.Replace("alice", 1, None, cmd.OffTick("0.005"), 5),
    cmd.Login("alice", True), cmd.Logout("alice", 3), cmd.SessionLost("alice", 3),
    cmd.Tick(), cmd.Halt("SIM"), cmd.Resume("SIM"), cmd.Close("SIM"), cmd.SetMark("SIM", 0), cmd.Freeze("alice"),
    cmd.Unfreeze("alice"), cmd.CancelTrader("alice"), cmd.Deposit("alice", -(10**30)),
    cmd.Reconfigure(opening().rules, opening().instruments),
]  # fmt: skip


def test_there_is_a_line_for_every_kind_of_command():
    assert {type(command) for command in COMMANDS} == {*get_args(Command)} - {Open}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_a_command_is_read_as_it_was(command):
    line = EXCHANGE.written(12, 34, command, SEED)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert read(line[:-1]) == Record(12, 34, command)
    assert read(line[:-1]).command.__class__ is command.__class__


def test_words_are_enums_again():
    order = read(EXCHANGE.written(1, 1, COMMANDS[0], SEED)[:-1]).command
    assert isinstance(order.time_in_force, cmd.TimeInForce) and isinstance(
        order.self_trade_prevention, cmd.SelfTradePrevention
    )


def test_whatever_a_stream_of_commands_holds_is_read_as_it_was():
    _, commands = stream_of(3, 3_000)
    for number, (command, now_ns) in enumerate(commands):
        line = EXCHANGE.written(number, now_ns, command, SEED)
        assert (line.count(b" "), line.count(b"#")) == (4, 0)
        assert read(line[:-1]) == Record(number, now_ns, command)


def test_the_form_of_a_line():
    """What others may read, and what later versions must go on reading."""
    order = Order("alice", "SIM", 1, 5, 9_900, client_order_id="c1")
    body = '7 8 Order ["alice","SIM",1,5,9900,"gtc","c1",false,false,null,null,"",0] '
    assert (
        EXCHANGE.written(7, 8, order, seed_of("m"))
        == f"{body}{crc32(b'm' + body.encode()):08x}\n".encode()
    )


@pytest.mark.parametrize(("command", "body"), [
    (
        Order("alice", "SIM", 1, 5, cmd.OffTick("99.005"), session=3),
        'Order ["alice","SIM",1,5,0,"gtc",null,false,false,null,null,"99.005",3]',
    ),
    (Order("alice", "SIM", 1, 5, 0), 'Order ["alice","SIM",1,5,0,"gtc",null,false,false,null,null,"",0]'),
    (cmd.Replace("alice", 7, None, cmd.OffTick("-1e+300")), 'Replace ["alice",7,null,0,null,"-1e+300"]'),
    (cmd.Replace("alice", 7, None, 9_900, 5), 'Replace ["alice",7,null,9900,5,""]'),
], ids=["off-tick order", "order at 0", "off-tick replace", "replace"])  # fmt: skip
def test_a_price_that_no_order_can_have_stands_apart_in_its_line(command, body):
    """As it did before it was a value of its own: earlier versions read these lines, and this one
    reads theirs.
    """
    assert EXCHANGE.written(7, 8, command, SEED)[:-9] == f"7 8 {body} ".encode()
    assert read(sealed(f"7 8 {body} ")).command == command


def test_an_off_tick_price_beside_ticks_is_one_as_earlier_versions_took_it():
    line = '7 8 Order ["alice","SIM",1,5,9900,"gtc",null,false,false,null,null,"99.005",3] '
    assert read(sealed(line)).command.price == cmd.OffTick("99.005")


def test_the_opening_is_read_as_it_was():
    begun = opening(4)
    assert EXCHANGE.read_opening(EXCHANGE.written_opening(begun)[:-1]) == (
        begun,
        seed_of(begun.market_id),
    )


def test_the_longest_opening_there_can_be_is_no_line_too_long():
    largest = {"reference_price": 1, "max_price": LARGEST_EXACT // 10**9, "tick": 1, "lot": 1}
    settings = Settings.model_validate({
        "instruments": [{"symbol": f"{'X' * 60}{number:04d}"} | largest for number in range(1_000)],
    })  # fmt: skip
    instruments = tuple(
        replace(
            each,
            max_order_notional=LARGEST_EXACT,
            max_position=10**12,
            max_price=LARGEST_EXACT,
            lot="0." + "1" * 28,
        )
        for each in settings.engine_instruments()
    )
    assert (
        len(EXCHANGE.written_opening(Open("m" * 64, settings.rules(), instruments)))
        < MAX_LINE_BYTES // 2
    )


# -------------------------------------------------------------------------------- what is no record


@pytest.mark.parametrize("command", [COMMANDS[0], cmd.Tick()], ids=["Order", "Tick"])
def test_not_one_bit_of_a_line_can_change(command):
    line = EXCHANGE.written(12, 34, command, SEED)[:-1]
    for bit in range(8 * len(line)):
        flipped = bytearray(line)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Damaged):
            read(bytes(flipped))


@pytest.mark.parametrize("length", range(20))
def test_a_piece_of_a_line_is_no_line(length):
    line = EXCHANGE.written(1, 1, cmd.Tick(), SEED)[:-1]
    with pytest.raises(Damaged):
        read(line[:length])


def test_a_line_of_another_market_is_told_from_one_of_this():
    with pytest.raises(Damaged, match="checksum"):
        read(EXCHANGE.written(1, 1, cmd.Tick(), seed_of("another market"))[:-1])


TICK, HALT = "1 1 Tick", '1 1 Halt ["SIM"]'
ORDER = '["alice","SIM",1,5,9900,"gtc","c1",false,false,null,null,"",0]'
FORGED = [
    "", " ", "    ", "1 1 Tick []", "1 1  Tick [] ", "1 1 Tick [] [] ", "1 1 Tick [] x",
    "1_0 1 Tick [] ", "+1 1 Tick [] ", "-1 1 Tick [] ", "1 0x1 Tick [] ", "1 1.0 Tick [] ", "1\t 1 Tick [] ", "\u0661 1 Tick [] ",
    "1 1 Tick [1] ", "1 1 Tick {} ", "1 1 Tick null ", "1 1 Tick [ ", "1 1 Halt [] ", '1 1 Halt ["SIM","SIM"] ', "1 1 Halt [1] ",
    "1 1 Halt [null] ", '1 1 Login ["alice",1] ', '1 1 Logout ["alice",1.0] ', '1 1 Logout ["alice",1e0] ',
    '1 1 Logout ["alice","1"] ', '1 1 Logout ["alice",true] ', '1 1 Logout ["alice",NaN] ',
    f"1 1 Order {ORDER.replace('gtc', 'gtx')} ", f"1 1 Order {ORDER.replace('9900', '9900.5')} ",
    f"1 1 Order {ORDER.replace('null,null', 'null')} ", f"1 1 Order {ORDER.replace('false,false', '0,0')} ",
    '1 1 Reconfigure [{},[]] ', "1 1 Halt " + "[" * 100_000 + " ",
]  # fmt: skip


@pytest.mark.parametrize("body", FORGED, ids=lambda body: repr(body)[:40])
def test_a_line_that_says_nothing_known_is_damaged_even_with_a_right_checksum(body):
    assert_damaged(sealed(body))


def test_a_line_that_is_no_text_is_damaged_even_with_a_right_checksum():
    for body in (b"\xff\xfe 1 Tick [] ", b'1 1 Halt ["\xff"] ', b"1 1 \x00 [] "):
        with pytest.raises((Damaged, OtherFormat)):
            read(body + b"%08x" % crc32(body, SEED))


def test_a_kind_of_command_that_is_not_known_is_named():
    with pytest.raises(
        OtherFormat, match=r"record 3 .* b'Split', which this program does not know"
    ):
        read(sealed('3 1 Split ["SIM",2] '))


# ---------------------------------------------------------------------------------- another version


def other_opening(file_format: object, rules_version: object, *more: object) -> bytes:
    values = msgspec.json.encode([file_format, rules_version, *more]).decode()
    return sealed(f"0 0 Open {values} ", 0)


@pytest.mark.parametrize(
    "values", [(FORMAT + 1, RULES), (FORMAT, RULES + 1), (FORMAT + 1, 0, {"a": 1})]
)
def test_another_version_is_named_whatever_else_is_different_in_it(values):
    known = f"this program knows {FORMAT} and {RULES}"
    with pytest.raises(
        OtherFormat,
        match=f"its format and rules are version {values[0]} and {values[1]}, {known}",
    ):
        EXCHANGE.read_opening(other_opening(*values))


def reopened(number_and_time: str) -> bytes:
    return sealed(
        f"{number_and_time} Open {msgspec.json.encode(EXCHANGE.opening_values(opening())).decode()} ",
        0,
    )


@pytest.mark.parametrize("line", [
    b"", sealed("0 0 Open [] ", 0), sealed("0 0 Open 5 ", 0), sealed("0 0 Open {} ", 0), other_opening(FORMAT, RULES),
    other_opening(FORMAT, RULES, 5, {}, []), other_opening(FORMAT, RULES, "m", {}, []),
    sealed("0 0 Tick [] ", 0), reopened("1 0"), reopened("0 1"), EXCHANGE.written_opening(opening())[:-2],
    sealed(f"0 0 Open {msgspec.json.encode(EXCHANGE.opening_values(opening())).decode()} ", SEED),
], ids=lambda line: repr(line)[:40])  # fmt: skip
def test_what_opens_no_market_is_damaged(line):
    with pytest.raises(Damaged):
        EXCHANGE.read_opening(line)


# -------------------------------------------------------------------------------------------- notes


def test_a_note_is_read_as_it_was():
    assert read_note(written_note("synced", 5, seed=SEED)[:-1], SEED) == ("synced", 5, "")
    assert read_note(written_note("segment", 6, "batch", seed=SEED)[:-1], SEED) == (
        "segment",
        6,
        "batch",
    )


@pytest.mark.parametrize(
    "body",
    [
        "#synced [] ",
        "#synced [1.5] ",
        '#synced ["a"] ',
        "#segment [1] ",
        "#other [1] ",
        "# [1] ",
        "#",
        "",
    ],
)
def test_what_is_no_note_is_damaged(body):
    with pytest.raises(Damaged):
        read_note(sealed(body), SEED)
