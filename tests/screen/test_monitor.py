"""The monitor: what its screen shows at which size, and how the process behaves with and without
terminal, relay and market.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from botpit.cli import monitor as monitor_client
from botpit.io.exit_codes import ProgramError
from botpit.io.run import refused
from botpit.screen.monitor import MonitorScreen
from botpit.screen.rates import SlidingRate
from botpit.screen.text import decimals_of, foreign, money_text
from botpit.screen.watch import UnknownSymbol, Watch
from message_schemas import InstrumentInfo
from tests.processes.fake_port import fake_port
from tests.socketless import told as messages
from tests.socketless.told import fields_of

ROOT = Path(__file__).resolve().parents[2]
SIZES = [(80, 24), (120, 40), (200, 60), (40, 10), (12, 4)]
HOSTILE = [
    "[red]x[/red]",
    "\x1b[2J\x1b[31mboo",
    "two\nlines",
    "\u202edesrever",
    "a\x07\tb",
    "[link=http://x]y",
]
ESCAPE = "\x1b"
NOW_MS = 1_700_000_000_000


def instrument(symbol, tick=0.01):
    return dict.fromkeys(InstrumentInfo.__struct_fields__, 1) | {"symbol": symbol, "tick": tick}


def position(trader, number, *, symbol="SIM", lots=5, cash=10_000.0, equity=10_050.0):
    money = {"lots": lots, "cash": cash, "equity": equity, "realized_pnl": cash - 10_000}
    at = {"symbol": symbol, "seq": number, "timestamp": NOW_MS}
    return fields_of(messages.position(number, trader, **money, **at))


def trade(
    number, buyer="alice", seller="bob", *, symbol="SIM", price=100.01, qty=7, aggressor="buy"
):
    of = {"symbol": symbol, "price": price, "qty": qty, "buyer": buyer, "seller": seller}
    at = {"seq": number or None, "timestamp": NOW_MS}
    return fields_of(messages.trade(number, aggressor=aggressor, **of, **at))


def liquidation(
    number, trader="bob", reason="bankruptcy", *, symbol="SIM", qty=3, price=99.5, side="sell"
):
    of = {"symbol": symbol, "qty": qty, "price": price, "side": side}
    return fields_of(
        messages.forced(number, reason, trader, seq=number, timestamp=NOW_MS, **of)
    )


def status(number, trader, word):
    return fields_of(messages.account_status(number, trader, word)) | {"seq": number}


def insurance(number, cash):
    return fields_of(messages.insurance(number, cash)) | {"seq": number}


def snapshot(*symbols, market_id="m1", seq=0, levels=10, tick=0.01, traders=(), trades=0):
    bids = [[round(100 - tick * n, 5), 10 * n] for n in range(1, levels + 1)]
    asks = [[round(100 + tick * n, 5), 5 * n] for n in range(1, levels + 1)]
    one = {
        "bids": bids,
        "asks": asks,
        "best_bid": None,
        "best_ask": None,
        "book_seq": 0,
        "last_trade": None,
    }
    symbols = symbols or ("SIM",)
    return {
        "type": "snapshot", "seq": seq, "market_id": market_id, "channel_seq": {"trades": {symbols[0]: trades}},
        "instruments": [instrument(symbol, tick) for symbol in symbols],
        "books": {symbol: one | {"mark_price": 100.0, "status": "open"} for symbol in symbols},
        "positions": [position(trader, 0, equity=10_000.0 - at) for at, trader in enumerate(traders)],
        "timestamp": 1_700_000_000_000,
    }  # fmt: skip


def watched(*messages, symbol=None, connected=True, now_s=100.0, wall_ms=1_700_000_000_000):
    watch = Watch("ws://relay", symbol)
    watch.opening()
    for message in messages:
        watch.received(json.dumps(message).encode(), now_s, wall_ms)
    watch.link_changed(connected, "connected" if connected else "relay went away")
    return watch


def drawn(renderable, width=80, height=24, **console):
    out = io.StringIO()
    Console(file=out, width=width, height=height, markup=True, **console).print(
        renderable, end=""
    )
    return out.getvalue()


def screen(watch, width=80, height=24, now_s=100.0, **console):
    return drawn(MonitorScreen(watch, now_s), width, height, **console)


# --------------------------------------------------------------------------------------- the screen


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("traders", [0, 3, 100])
def test_every_frame_fills_the_terminal_and_never_passes_it(width, height, traders):
    names = [f"a-trader-with-a-rather-long-name-{n}" for n in range(traders)]
    busy = [
        trade(n, buyer=HOSTILE[n % 6] * 9, qty=10**12, price=123_456_789.01)
        for n in range(1, 60)
    ]
    for watch in (
        watched(),
        watched(snapshot(traders=names), *busy),
        watched(snapshot(levels=0), connected=False),
    ):
        lines = screen(watch, width, height).splitlines()
        assert len(lines) == height
        assert {cell_len(line) for line in lines} == {width}


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_liquidation_passes_the_terminal_s_edge(width, height):
    names = [word * 9 for word in HOSTILE]
    fell = [
        liquidation(n, name, qty=10**12, price=123_456_789.01)
        for n, name in enumerate(names, start=1)
    ]
    statuses = [
        status(n, name, "frozen" if n % 2 else "bankrupt")
        for n, name in enumerate(names, start=1)
    ]
    positions = [position(name, n, lots=-(10**9)) for n, name in enumerate(names, start=1)]
    watch = watched(snapshot(), *positions, *fell, *statuses, insurance(7, -(10**14)))
    lines = screen(watch, width, height).splitlines()
    assert len(lines) == height
    assert {cell_len(line) for line in lines} == {width}


@pytest.mark.parametrize(("width", "height"), SIZES[:3])
def test_the_screen_shows_book_tape_and_traders(width, height):
    text = screen(
        watched(
            snapshot(trades=41),
            trade(42),
            position("alice", 1),
            position("bob", 2, equity=-3.0),
        ),
        width,
        height,
    )
    assert " CONNECTED " in text and "ws://relay" in text and "last event 0.0 s ago" in text
    assert "trades 42" in text and "last 100.01" in text and "mark 100.00" in text
    assert "spread 0.02" in text and "mid 100.000" in text
    assert re.search(r"▲100.01 +7 alice +bob", text)
    assert re.search(r"1 +alice +\+5 +10,000.00 +0.00 +\+50.00 +10,050.00", text)
    assert re.search(r"2 +bob .* -10,003.00 +-3.00", text), "by equity"


def test_the_book_meets_at_the_spread_with_a_bar_per_level():
    lines = screen(watched(snapshot(levels=3)), 80, 24).splitlines()
    levels = [
        line[2:30].split() for line in lines if "100.0" in line[:10] or "99.9" in line[:10]
    ]
    prices = [(level[0], level[1]) for level in levels]
    asks, bids = (
        [("100.03", "15"), ("100.02", "10"), ("100.01", "5")],
        [("99.99", "10"), ("99.98", "20"), ("99.97", "30")],
    )
    assert prices == asks + bids
    bars = {level[0]: len(level[2]) for level in levels}
    assert bars["99.97"] == 2 * bars["100.03"] > 2 * bars["100.01"]


def test_a_lost_relay_is_said_with_its_reason_and_the_age_of_what_is_shown():
    text = screen(watched(snapshot(), trade(1), connected=False, now_s=100.0), now_s=107.25)
    assert " DISCONNECTED   relay went away  last event 7.2 s ago" in text
    assert " CONNECTED " not in text


def test_before_the_first_snapshot_it_says_so():
    text = screen(watched())
    assert "waiting for the first snapshot" in text and "nobody liquidated" not in text


def test_a_hole_is_shown_until_the_fresh_snapshot():
    watch = watched(snapshot(), trade(1), trade(3))
    assert "waiting for a fresh snapshot" in screen(watch, 120)
    watch.received(json.dumps(snapshot(seq=3, trades=3)).encode(), 100.0, 1_700_000_000_000)
    text = screen(watch, 120)
    assert "waiting for a fresh snapshot" not in text and "holes 1" in text


def test_the_aggressor_gives_the_colour():
    bought = screen(
        watched(snapshot(), trade(1, aggressor="buy")),
        force_terminal=True,
        color_system="standard",
    )
    sold = screen(
        watched(snapshot(), trade(1, aggressor="sell")),
        force_terminal=True,
        color_system="standard",
    )
    assert f"{ESCAPE}[32m▲100.01" in bought and f"{ESCAPE}[32malice" in bought
    assert f"{ESCAPE}[31m▼100.01" in sold and f"{ESCAPE}[31mbob" in sold


def test_without_colours_nothing_is_coloured(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = screen(watched(snapshot(), trade(1)), force_terminal=True, color_system="standard")
    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|4[0-7])m", text)


@pytest.mark.parametrize("word", HOSTILE)
def test_foreign_words_are_shown_and_cannot_style_the_screen(word):
    hostile = [trade(1, buyer=word), position(word, 1)]
    told = [
        status(1, word, "frozen"),
        liquidation(1, word),
        {"type": "error", "reason": word, "timestamp": 1},
    ]
    watch = watched(snapshot(word), *(message | {"symbol": word} for message in hostile), *told)
    watch.link_changed(False, word)
    text = screen(watch, 200, 60, force_terminal=True, color_system=None)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert shown.count(foreign(word)) >= 6
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert len(shown.splitlines()) == 60
    assert foreign(word) in watch.plain_line(100.0) and watch.plain_line(100.0).isprintable()


@pytest.mark.parametrize(("width", "height"), SIZES[:3])
def test_frozen_and_bankrupt_traders_stand_out_whatever_their_names(width, height):
    names = [f"{word}-trader-with-a-rather-long-name" for word in ("frozen", "bankrupt")]
    told = [position(names[0], 1, lots=-5), position(names[1], 2, lots=0), position("alice", 3)]
    statuses = [status(1, names[0], "frozen"), status(2, names[1], "bankrupt")]
    text = screen(watched(snapshot(), *told, *statuses), width, height)
    assert re.search(r"│ +\d +frozen-t\S+ +frozen -5 +10,000.00 ", text)
    assert re.search(r"│ +\d +bankrupt\S+ +bankrupt +10,000.00 ", text)
    assert re.search(r"│ +\d +alice +\+5 +10,000.00 ", text)


def test_a_trader_who_is_active_again_is_no_longer_marked():
    watch = watched(
        snapshot(), position("bob", 1), status(1, "bob", "frozen"), status(2, "bob", "active")
    )
    assert not re.search("frozen|active", screen(watch))


def test_a_liquidation_is_on_the_tape_with_the_trades():
    text = screen(watched(snapshot(), trade(1), liquidation(3, "bob")), 80, 24)
    assert re.search(r"!99.50 +3 bankruptcy +bob", text)
    assert text.index("!99.50") < text.index("▲100.01"), "newest first"


REASONS = {
    "maintenance_margin_breach": "liquidation",
    "bankruptcy": "bankruptcy",
    "auto_deleverage": "deleveraging",
}


@pytest.mark.parametrize(("width", "shown"), [(80, 1), (120, 2), (200, 3)])
def test_the_newest_liquidations_are_told_below_the_market(width, shown):
    fell = [
        liquidation(n, f"trader-{n}", reason, qty=n, side="buy")
        for n, reason in enumerate(REASONS, start=1)
    ]
    line = screen(watched(snapshot(), *fell), width, 24).splitlines()[2]
    lines = [
        f"22:13:20 trader-{n} {word} buy {n} at 99.50"
        for n, word in enumerate(REASONS.values(), start=1)
    ]
    assert line.rstrip() == "  ".join(lines[::-1][:shown])


def test_what_happened_before_the_monitor_came_is_not_said_to_be_nothing():
    watch = watched(snapshot() | {"channel_seq": {"liquidations": {"SIM": 4}}})
    assert screen(watch).splitlines()[2].rstrip() == "4 liquidations unseen"
    watch.received(json.dumps(liquidation(5)).encode(), 100.0, 1_700_000_000_000)
    assert (
        screen(watch, 120).splitlines()[2].rstrip()
        == "22:13:20 bob bankruptcy sell 3 at 99.50  4 liquidations unseen"
    )


def test_of_several_instruments_a_liquidation_names_its_own():
    market = snapshot("SIM", "ALT", tick=0.001)
    line = screen(watched(market, liquidation(1, symbol="ALT"), symbol="SIM")).splitlines()[2]
    assert line.rstrip() == "22:13:20 bob bankruptcy sell 3 ALT at 99.500"


@pytest.mark.parametrize(("width", "height"), SIZES[:3])
def test_the_house_s_part_is_told_with_the_traders(width, height):
    first = (
        liquidation(1),
        liquidation(2, reason="maintenance_margin_breach"),
        liquidation(3, reason="auto_deleverage"),
    )
    text = screen(
        watched(snapshot(traders=["alice"]), *first, insurance(1, -12.5)), width, height
    )
    assert " 2 liquidations  1 deleveraging  insurance -12.50 ─" in text
    calm = screen(watched(snapshot(traders=["alice"])), width, height)
    assert "nobody liquidated" in calm and "insurance" not in calm


def test_more_traders_than_lines_are_counted_instead_of_shown():
    text = screen(watched(snapshot(traders=[f"t{n}" for n in range(100)])))
    shown = len(re.findall(r"│ +\d+ +t\d+ ", text))
    assert shown > 3
    assert "traders: 100" in text and f"│ and {100 - shown} more " in text


def test_nine_traders_and_three_levels_a_side_fit_the_smallest_usual_terminal():
    text = screen(watched(snapshot(traders=[f"t{n}" for n in range(9)])), 80, 24)
    assert len(re.findall(r"│ +\d +t\d ", text)) == 9 and "more" not in text
    assert "100.03" in text and "99.97" in text


def test_one_of_several_instruments_is_chosen():
    market = snapshot("SIM", "ALT")
    alt = [trade(1, symbol="ALT", price=55.5), position("alice", 1, symbol="ALT", lots=-9)]
    assert "SIM book" in screen(watched(market, *alt)) and "55.50" not in screen(
        watched(market, *alt)
    )
    chosen = screen(watched(market, *alt, symbol="ALT"))
    assert "ALT book" in chosen and "▲55.50" in chosen and re.search(r"alice +-9 ", chosen)


def test_positions_are_of_the_shown_instrument_and_money_of_the_whole_account_as_last_told():
    earlier = position("alice", 1, lots=5, cash=9_990.0, equity=9_995.0)
    later = position("alice", 1, symbol="ALT", lots=2, cash=10_020.0, equity=10_050.0)
    text = screen(watched(snapshot("SIM", "ALT"), earlier, later))
    assert re.search(r"alice +\+5 +10,020.00 +\+10.00 +\+30.00 +10,050.00", text)


def test_a_refusal_of_the_relay_is_shown():
    refusal = {"type": "error", "reason": "server_busy", "details": {}, "timestamp": 1}
    assert "refused: server_busy" in screen(watched(snapshot(), refusal), 120)


def test_an_instrument_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(
        UnknownSymbol, match="NOPE is not traded at ws://relay; there are: ALT, SIM"
    ):
        watched(snapshot("SIM", "ALT"), symbol="NOPE")


def test_a_terminal_without_unicode_gets_ascii():
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    Console(file=out, width=80, height=24).print(
        MonitorScreen(watched(snapshot(), trade(1)), 0.0)
    )
    out.flush()
    text = out.buffer.getvalue().decode("ascii")
    assert "+100.01" in text and "###" in text and "?" not in text


# -------------------------------------------------------------------------------------------- words


def test_rates_slide_with_the_time_handed_in():
    rate = SlidingRate(window_s=5.0, slots=20)
    assert rate.per_second(0.0) == 0.0
    for tenth in range(100):
        rate.note(tenth / 10)
    assert rate.per_second(9.9) == pytest.approx(10.0, abs=0.6)
    assert rate.per_second(12.4) == pytest.approx(5.0, abs=0.6)
    assert rate.per_second(15.0) == 0.0


def held_chars(thing: object) -> int:
    """All that it holds, as text."""
    return len(repr(vars(thing)))


def test_a_rate_needs_no_more_memory_for_more_events():
    rate = SlidingRate(window_s=5.0, slots=20)
    for thousandth in range(20_000):
        rate.note(thousandth / 1_000)
    assert held_chars(rate) < 500


def test_the_first_second_is_not_blown_up():
    rate = SlidingRate()
    rate.note(10.0, 3)
    assert rate.per_second(10.001) == 3.0


@pytest.mark.parametrize(
    ("tick", "decimals"),
    [(0.01, 2), (0.25, 2), (1.0, 0), (5.0, 0), (1e-05, 5), (0.1, 1), (100.0, 0)],
)
def test_prices_have_the_decimals_of_their_tick(tick, decimals):
    assert decimals_of(tick) == decimals


def test_money_is_written_with_its_sign_but_zero_has_none():
    assert [money_text(amount, signed=True) for amount in (1_234.5, -0.004, -2)] == [
        "+1,234.50",
        "0.00",
        "-2.00",
    ]


# -------------------------------------------------------------------------------------- the process


@asynccontextmanager
async def relay(*frames, deaf_to=0):
    """A relay that greets with `frames`, says what it was asked, and answers with a fresh snapshot
    but the first `deaf_to`.
    """
    asked, count = asyncio.Queue(), itertools.count(1)

    async def talk(socket):
        for frame in frames:
            await socket.send(frame if isinstance(frame, str) else json.dumps(frame))
        async for text in socket:
            asked.put_nowait(json.loads(text))
            if next(count) > deaf_to:
                await socket.send(json.dumps([snapshot(seq=1_000, trades=1_000)]))

    async with fake_port(talk) as uri:
        yield uri, asked


async def main_of(*flags):
    try:
        return await monitor_client.watch(monitor_client.arguments(flags))
    except ProgramError as error:
        return refused(error)


def run_main(*flags, frames):
    """The monitor's main against such a relay; its exit code."""

    async def both():
        async with relay(*frames) as (uri, _):
            return await main_of("--uri", uri, *flags)

    return asyncio.run(both())


def test_once_prints_one_frame_without_escape_codes(capsys):
    assert run_main("--once", frames=[snapshot(trades=41, traders=["alice"])]) == 0
    out = capsys.readouterr().out
    assert " CONNECTED " in out and "alice" in out and "SIM book" in out
    assert ESCAPE not in out


def test_once_json_prints_one_line_for_scripts(capsys):
    assert (
        run_main("--once", "--json", frames=[snapshot(trades=41, traders=["alice"], levels=1)])
        == 0
    )
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["connected"], told["market_id"], told["trade_count"]) == (True, "m1", 41)
    assert told["books"][0] == {
        "symbol": "SIM", "status": "open", "best_bid": 99.99, "best_ask": 100.01, "spread": 0.02, "mid_price": 100.0,
        "mark_price": 100.0, "last_trade": None,
    }  # fmt: skip
    assert told["traders"][0] == {
        "trader_id": "alice", "positions": {"SIM": 5}, "cash": 10_000.0, "realized_pnl": 0.0, "unrealized_pnl": 0.0,
        "total_equity": 10_000.0, "trades": 0, "status": "active", "liquidations": 0, "deleveragings": 0,
    }  # fmt: skip


def test_scripts_and_lines_are_told_of_liquidations_and_the_fund():
    before = snapshot(traders=["alice"]) | {"channel_seq": {"liquidations": {"SIM": 4, "": 9}}}
    watch = watched(
        before,
        position("bob", 1),
        liquidation(5),
        liquidation(6),
        liquidation(7, "alice", "auto_deleverage"),
    )
    assert " trades 0 (0.0/s) 2 liquidations 1 deleveraging traders 2 " in watch.plain_line(
        100.0
    )
    watch.received(
        json.dumps([status(10, "bob", "bankrupt"), insurance(11, 250.0)]).encode(),
        100.0,
        1_700_000_000_000,
    )
    told = json.loads(watch.json_line(100.0))
    names = ("liquidations", "deleveragings", "unseen_liquidations", "insurance_cash")
    assert [told[name] for name in names] == [2, 1, 4, 250.0]
    rows = {
        row["trader_id"]: (row["status"], row["liquidations"], row["deleveragings"])
        for row in told["traders"]
    }
    assert rows == {"bob": ("bankrupt", 2, 0), "alice": ("active", 0, 1)}
    assert " 1 deleveraging insurance 250.00 traders 2 " in watch.plain_line(100.0)


def test_once_with_an_unknown_symbol_is_one_line_and_exit_2(capsys):
    assert run_main("--once", "--symbol", "NOPE", frames=[snapshot("SIM", "ALT")]) == 2
    assert re.fullmatch(
        r"error: --symbol: NOPE is not traded at \S+; there are: ALT, SIM\n",
        capsys.readouterr().err,
    )


def test_foreign_words_cannot_style_an_error_either(capsys):
    assert run_main("--once", "--symbol", "NOPE", frames=[snapshot("\x1b[2J")]) == 2
    assert r"there are: \x1b[2J" in capsys.readouterr().err


@pytest.mark.parametrize("frames", [[], ["{no message"]])
def test_once_gives_up_on_a_relay_that_sends_no_snapshot(capsys, frames):
    async def impatient():
        async with relay(*frames, deaf_to=9) as (uri, _):
            monitor = monitor_client.Monitor(uri, None)
            link = asyncio.create_task(monitor.link.run())
            try:
                await monitor_client.show_once(monitor, as_json=False, patience_s=0.2)
            except ProgramError as error:
                return refused(error)
            finally:
                link.cancel()

    assert asyncio.run(impatient()) == 2
    assert re.fullmatch(
        r"error: no snapshot from \S+ within 0.2 s \(.*\); is a relay running there\?\n",
        capsys.readouterr().err,
    )


def test_a_uri_that_is_none_is_refused(capsys):
    assert asyncio.run(main_of("--uri", "localhost:9010")) == 2
    assert capsys.readouterr().err.startswith(
        "error: --uri: 'localhost:9010' is not a WebSocket address"
    )


@pytest.mark.parametrize("value", ["0", "-1", "61", "nan", "fast"])
def test_a_refresh_rate_out_of_bounds_is_refused(value, capsys):
    with pytest.raises(SystemExit) as stopped:
        monitor_client.arguments(["--refresh-hz", value])
    assert stopped.value.code == 2
    assert "--refresh-hz" in capsys.readouterr().err


SUBSCRIBE = {
    "type": "subscribe",
    "channels": ["trades", "book", "positions", "liquidations", "status"],
    "batch": True,
}


def asks_of(relay_deaf_to, form, until):
    """What a monitor asks such a relay that shows it a hole, while `form` runs, and its session in the end."""

    async def story():
        async with relay(snapshot(), trade(1), trade(3), deaf_to=relay_deaf_to) as (uri, asked):
            monitor = monitor_client.Monitor(uri, None)
            tasks = [
                asyncio.create_task(monitor.link.run()),
                asyncio.create_task(form(monitor)),
            ]
            requests = [await asked.get() for _ in range(until)]
            while monitor.watch.statistics.trade_count != 1_000:
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return requests, monitor.watch.session

    return asyncio.run(asyncio.wait_for(story(), 10))


def test_a_hole_makes_it_ask_for_a_fresh_snapshot_at_once(monkeypatch):
    monkeypatch.setattr(monitor_client, "LINE_S", 0.0)
    requests, session = asks_of(1, lambda monitor: monitor.changed.wait(), until=2)
    assert requests == [SUBSCRIBE, SUBSCRIBE], "one greeting, one question"
    assert (session.holes, session.waiting) == (1, False)


@pytest.mark.parametrize("form", [monitor_client.show_json, monitor_client.show_lines])
def test_a_question_that_went_unanswered_is_asked_again(monkeypatch, form):
    monkeypatch.setattr(monitor_client, "LINE_S", 0.01)
    requests, session = asks_of(4, form, until=5)
    assert requests == [SUBSCRIBE] * 5
    assert (session.holes, session.waiting) == (1, False)


def test_an_unreadable_frame_is_counted_and_survived(capsys):
    assert run_main("--once", "--json", frames=["{no message", "[]", snapshot()]) == 0
    assert json.loads(capsys.readouterr().out)["unreadable_frames"] == 1


@asynccontextmanager
async def process(uri, *flags, **how):
    argv = [sys.executable, str(ROOT / "monitor_client.py"), "--uri", uri, *flags]
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE} | how
    started = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, **pipes)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


def test_without_a_terminal_it_prints_plain_lines_until_stopped():
    async def story():
        async with relay(snapshot(), trade(1)) as (uri, _), process(uri) as monitor:
            lines = []
            while not lines or "SIM" not in lines[-1]:
                lines.append((await monitor.stdout.readline()).decode())
            monitor.send_signal(signal.SIGINT)
            rest, errors = await monitor.communicate()
            return lines, rest.decode(), errors.decode(), monitor.returncode

    lines, rest, errors, code = asyncio.run(asyncio.wait_for(story(), 30))
    assert code == 0
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(
        stamp + r" CONNECTED SIM open bid 99.99 ask 100.01 mark 100.00 trades .*\n", lines[-1]
    )
    assert ESCAPE not in "".join(lines) + rest + errors and "Traceback" not in errors


def test_a_reader_that_goes_away_ends_it_quietly():
    async def story():
        read, write = os.pipe()
        async with (
            relay(snapshot()) as (uri, _),
            process(uri, "--json", stdout=write) as monitor,
        ):
            os.close(write), os.close(read)
            _, errors = await monitor.communicate()
            return monitor.returncode, errors.decode()

    code, errors = asyncio.run(asyncio.wait_for(story(), 30))
    assert (code, "Traceback" in errors, "Broken" in errors) == (0, False, False)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_on_a_terminal_it_draws_and_gives_the_terminal_back(term):
    async def story():
        ours, theirs = os.openpty()
        screen_bytes = bytearray()
        async with relay(snapshot(), trade(1)) as (uri, _):
            how = {
                "stdin": theirs,
                "stdout": theirs,
                "stderr": theirs,
                "env": os.environ | {"TERM": term, "NO_COLOR": ""},
            }
            async with process(uri, "--refresh-hz", "30", **how) as monitor:
                os.close(theirs)
                while b"100.01" not in screen_bytes:
                    screen_bytes += await asyncio.to_thread(os.read, ours, 65_536)
                monitor.send_signal(signal.SIGINT)
                try:
                    while chunk := await asyncio.to_thread(os.read, ours, 65_536):
                        screen_bytes += chunk
                except OSError:
                    pass  # how Linux says that the other end of a terminal is closed
                code = await monitor.wait()
        os.close(ours)
        return code, screen_bytes.decode()

    code, text = asyncio.run(asyncio.wait_for(story(), 30))
    assert code == 0
    if term == "dumb":
        assert ESCAPE not in text and "CONNECTED SIM" in text
    else:
        entered, left = f"{ESCAPE}[?1049h", f"{ESCAPE}[?1049l"
        assert text.count(entered) == text.count(left) == 1 and text.index(
            entered
        ) < text.index(left)
        assert text.rindex(f"{ESCAPE}[?25h") > text.rindex(f"{ESCAPE}[?25l"), (
            "the cursor is shown again"
        )
        assert " INFO " not in text, "no log line tears the screen"
