"""The parts of the monitor's screen: bars and curves, equity and latency over time, and what each
part shows in which room.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import fields

import pytest
from rich.cells import cell_len
from rich.console import Console

from botpit.screen.blocks import bar, curve
from botpit.screen.equity import MAX_SAMPLES, MAX_TRADERS, EquityHistory
from botpit.screen.latency import MAX_SAMPLES as MAX_LATENCIES
from botpit.screen.latency import FeedLatency, Latency
from botpit.screen.monitor import MonitorScreen
from botpit.screen.standings import Standing
from botpit.screen.text import span_text
from botpit.screen.watch import BookSummary, Summary
from tests.docs.page import SPEC, Page, code, differences
from tests.screen.test_monitor import (
    ESCAPE,
    HOSTILE,
    held_chars,
    insurance,
    liquidation,
    position,
    run_main,
    screen,
    snapshot,
    status,
    trade,
    watched,
)

BLOCKS = "▁▂▃▄▅▆▇█"


def told(watch, messages, now_s, wall_ms=1_700_000_000_000):
    watch.received(json.dumps(messages).encode(), now_s, wall_ms)


def battle(traders, seconds=30, now_s=100.0, **of_trade):
    """A watch of so many seconds: the first trader gains one each second, the last one loses one,
    the others stay.
    """
    names = traders if isinstance(traders, list) else [f"trader-{n}" for n in range(traders)]
    watch, number = watched(snapshot(traders=names), now_s=now_s), 0
    for second in range(1, seconds + 1):
        number += 2
        moved = [
            position(names[0], number - 1, equity=20_000 + second),
            position(names[-1], number, equity=5_000 - second),
        ]
        told(watch, [*moved, trade(second, names[0], names[-1], **of_trade)], now_s + second)
    return watch


def coloured(watch, width=80, height=24, now_s=100.0):
    return screen(watch, width, height, now_s, force_terminal=True, color_system="standard")


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# ---------------------------------------------------------------------------------- bars and curves


@pytest.mark.parametrize(
    ("share", "drawn"),
    [
        (1, "██████████"),
        (0.5, "█████"),
        (0.55, "█████▌"),
        (0.9875, "█████████▉"),
        (0.001, "▏"),
        (0, ""),
    ],
)
def test_a_bar_is_as_long_as_its_share_to_the_eighth_of_a_column(share, drawn):
    assert bar(share, 10) == drawn


def test_a_bar_in_ascii_has_whole_columns_and_is_seen_if_there_is_anything():
    assert [bar(share, 10, ascii_only=True) for share in (1, 0.5, 0.001, 0)] == [
        "#" * 10,
        "#####",
        "#",
        "",
    ]


@pytest.mark.parametrize("columns", [1, 7, 40])
def test_no_bar_passes_its_columns(columns):
    assert {len(bar(n / 1_000, columns)) <= columns for n in range(1_001)} == {True}


def test_a_curve_goes_from_the_least_to_the_greatest_value():
    assert curve([1, 2, 3]) == ["▁▄▇"]
    assert curve([-30.5, -10.5, -20.5]) == ["▁▇▄"]


def test_a_curve_of_several_lines_is_the_finer_and_stands_on_full_blocks():
    assert curve([0, 11, 22], lines=3) == ["  ▇", " ▄█", "▁██"]


@pytest.mark.parametrize("lines", [1, 2, 5])
def test_above_the_highest_curve_a_gap_is_left_to_the_next_one(lines):
    assert "█" not in curve(range(100), lines=lines)[0]


@pytest.mark.parametrize(
    "values", [[5, 5, 5], [1, float("inf"), 2], [1, float("nan"), 2], [-1e308, 1e308, 0]]
)
def test_what_cannot_be_compared_is_a_flat_curve(values):
    assert curve(values) == ["▁▁▁"]


def test_a_curve_without_values_is_empty():
    assert curve([]) == [""]


def test_a_curve_in_ascii_has_one_line():
    assert curve([1, 2, 3, 4], lines=3, ascii_only=True) == ["_,+#"]


# --------------------------------------------------------------------------------- equity over time


def history(seconds, start=0, **traders):
    """Each trader's equity is his function of the second."""
    equity = EquityHistory()
    for second in range(start, start + seconds):
        if equity.is_due(second):
            equity.add(second, {name: of(second) for name, of in traders.items()})
    return equity


def test_equity_is_noted_once_a_second_however_often_it_is_told():
    watch = watched(snapshot(traders=["alice"]))
    for tenth in range(1, 51):
        told(watch, position("alice", tenth, equity=10_000 + tenth), 100 + tenth / 10)
    assert watch.equity.curve("alice", 60) == [10_000, 10_010, 10_020, 10_030, 10_040, 10_050]
    assert watch.equity.span_s == 5


@pytest.mark.parametrize("seconds", [1, 60, 121, 122, 1_000, 90_000])
def test_a_long_watch_takes_no_more_room_and_is_kept_from_its_beginning(seconds):
    equity = history(seconds, start=1_000, alice=lambda second: second)
    assert held_chars(equity) < 40 * MAX_SAMPLES
    assert equity.curve("alice", seconds)[0] == 1_000
    assert equity.span_s >= (seconds - 1) * 0.97


@pytest.mark.parametrize("seconds", [1, 2, 9, 10, 11, 59, 119, 500, 5_000])
@pytest.mark.parametrize("columns", [1, 9, 30, 60])
def test_a_curve_fits_its_columns_and_ends_in_the_latest_value(seconds, columns):
    equity = history(seconds, start=997, alice=lambda second: second)
    values = equity.curve("alice", columns)
    assert 0 < len(values) <= columns and len(values) == equity.slots(columns)
    assert values == sorted(values) and values[-1] == 997 + equity.span_s


def test_a_curve_that_moves_on_keeps_what_it_showed():
    """While a slot of time is as long as it was, only the last column may change."""
    for seconds in range(61, 80):
        before, after = (
            history(seconds + more, alice=lambda second: second % 7).curve("alice", 40)
            for more in (0, 1)
        )
        assert after[: len(before) - 1] == before[:-1]


def test_the_curve_of_who_came_later_is_shorter():
    equity = history(10, alice=float)
    equity.add(10, {"alice": 10.0, "bob": 5.0})
    assert (
        len(equity.curve("alice", 60)),
        equity.curve("bob", 60),
        equity.curve("zoe", 60),
    ) == (11, [5.0], [])


def test_of_very_many_traders_the_best_are_remembered():
    equity = EquityHistory()
    equity.add(0, {f"t{n}": float(n) for n in range(1_000)})
    assert equity.curve("t999", 60) and equity.curve(f"t{1_000 - MAX_TRADERS}", 60)
    assert not equity.curve(f"t{999 - MAX_TRADERS}", 60)


def test_another_market_has_another_history_and_the_same_one_goes_on():
    watch = battle(2, seconds=5)
    told(watch, snapshot(traders=["trader-0", "trader-1"], seq=10), 106.0)
    assert len(watch.equity.curve("trader-0", 60)) == 7
    told(watch, snapshot(traders=["trader-0", "trader-1"], market_id="m2"), 107.0)
    assert watch.equity.curve("trader-0", 60) == [10_000.0]


def test_a_span_is_told_in_few_characters():
    spans = {0: "0 s", 99: "99 s", 100: "1 m", 5_999: "99 m", 6_000: "1 h", 200_000: "55 h"}
    assert {seconds: span_text(seconds) for seconds in spans} == spans


# ----------------------------------------------------------------------------- how late the feed is


def test_latency_is_of_the_last_ten_seconds():
    latency = FeedLatency()
    assert latency.recent(0.0) is None
    latency.note(0.0, 900)
    for n in range(1, 6):
        latency.note(5.0 + n, n)
    assert latency.recent(9.9) == Latency(p50=3, max=900)
    assert latency.recent(10.0) == Latency(p50=3, max=5)
    assert latency.recent(20.0) is None


def test_latency_needs_no_more_memory_for_more_frames():
    latency = FeedLatency()
    for n in range(10_000):
        latency.note(1.0, n)
    assert held_chars(latency) < 20 * MAX_LATENCIES
    assert latency.recent(1.0).max == 9_999


def test_the_newest_event_of_a_frame_gives_its_latency():
    watch = watched(snapshot())
    told(
        watch,
        [trade(1) | {"timestamp": 1_000}, trade(2) | {"timestamp": 1_040}],
        100.0,
        wall_ms=1_047,
    )
    assert watch.summary(100.0).feed_latency_ms == Latency(7, 7)


def test_what_is_no_event_says_nothing_of_the_latency():
    heartbeat, refusal = (
        {"type": "heartbeat", "seq": 0, "timestamp": 1},
        {"type": "error", "reason": "no", "timestamp": 1},
    )
    watch = watched(snapshot(), heartbeat, refusal)
    assert watch.summary(100.0).feed_latency_ms is None
    assert json.loads(watch.json_line(100.0))["feed_latency_ms"] is None
    assert "latency" not in screen(watch)


def test_the_header_and_the_json_line_tell_the_latency():
    watch = watched(snapshot())
    for number, late_ms in enumerate((2, 3, 1_250), start=1):
        told(watch, trade(number), 100.0, wall_ms=1_700_000_000_000 + late_ms)
    assert " latency 3 ms (max 1,250) " in screen(watch)
    assert json.loads(watch.json_line(100.0))["feed_latency_ms"] == {"p50": 3, "max": 1_250}
    assert f"{ESCAPE}[33mlatency" not in coloured(watch)


def test_a_late_feed_is_told_in_yellow():
    watch = watched(snapshot(), trade(1), wall_ms=1_700_000_002_000)
    assert f"{ESCAPE}[33mlatency 2,000 ms (max 2,000){ESCAPE}[0m" in coloured(watch)


def test_an_event_from_the_future_tells_of_the_clocks_and_not_of_the_way():
    watch = watched(snapshot(), trade(1), wall_ms=1_699_999_998_766)
    text = coloured(watch, 120)
    assert (
        f"{ESCAPE}[33mthe exchange's clock is 1,234 ms ahead{ESCAPE}[0m" in text
        and "latency" not in text
    )
    assert json.loads(watch.json_line(100.0))["feed_latency_ms"] == {
        "p50": -1_234,
        "max": -1_234,
    }


def test_the_monitor_measures_against_the_wall_clock(capsys):
    assert (
        run_main(
            "--once",
            "--json",
            frames=[json.dumps([snapshot(), trade(1) | {"timestamp": 1_000}])],
        )
        == 0
    )
    latency = json.loads(capsys.readouterr().out)["feed_latency_ms"]
    assert latency["p50"] == latency["max"] > 50 * 365 * 24 * 3_600_000, (
        "milliseconds since a second after 1970 began"
    )


def test_the_page_names_every_field_of_a_json_line():
    rows = Page(SPEC.read_text(encoding="utf-8")).rows("The monitor's JSON lines")
    shapes = {"feed_latency_ms": Latency, "books": BookSummary, "traders": Standing}
    listed, of = {"a line": []}, "a line"
    for first in (next(iter(row.values())) for row in rows):
        if first.startswith("field of "):
            of, listed[code(first)[0]] = code(first)[0], []
        else:
            listed[of] += code(first)
    for what, shape in {"a line": Summary, **shapes}.items():
        assert (
            list(differences(what, listed[what], {each.name for each in fields(shape)})) == []
        )


# ----------------------------------------------------------------------------------------- the book


def test_totals_add_up_from_the_best_price():
    text = screen(watched(snapshot(levels=3)), 120, 40)
    assert re.search(r"price +lots +total", text)
    asks, bids = (
        re.findall(r"│ (100\.\d\d) +(\d+) +(\d+) ", text),
        re.findall(r"│ +(99\.\d\d) +(\d+) +(\d+) ", text),
    )
    assert asks == [("100.03", "15", "30"), ("100.02", "10", "15"), ("100.01", "5", "5")]
    assert bids == [("99.99", "10", "10"), ("99.98", "20", "30"), ("99.97", "30", "60")]


def test_without_room_for_titles_there_are_no_totals_to_be_taken_for_something_else():
    text = screen(watched(snapshot(levels=3, traders=[f"t{n}" for n in range(9)])), 80, 24)
    assert re.search(r"│ 100\.03 15 █", text) and "total" not in text


def test_the_best_price_of_each_side_is_bold_and_the_bars_are_dim():
    text = coloured(watched(snapshot()))
    bold = re.findall(r"\x1b\[1;(\d\d)m *(\d+\.\d\d) ", text)
    assert bold == [("31", "100.01"), ("32", "99.99")]
    bars = re.findall(r"\x1b\[([\d;]*)m█", text)
    assert set(bars) == {"2;31", "2;32"}


def test_a_side_without_orders_says_so():
    one_sided = snapshot(levels=2)
    one_sided["books"]["SIM"]["asks"] = []
    lines = [line[2:10].strip() for line in screen(watched(one_sided)).splitlines()]
    at = lines.index("no asks")
    assert lines[at + 1] == "spread -" and lines[at + 2].startswith("99.99")
    text = screen(watched(snapshot(levels=0)), 120, 40)
    assert "no asks" in text and "no bids" in text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60)])
def test_the_longest_bar_is_the_deepest_level_of_both_sides(width, height):
    text = screen(watched(snapshot()), width, height)
    levels = [line for line in text.splitlines() if re.match(r"│ +(99|100)\.\d\d ", line)]
    bars = {line.split()[1]: sum(map(line.count, "█▏▎▍▌▋▊▉")) for line in levels}
    deepest = min(bars, key=lambda price: float(price))
    assert bars[deepest] == max(bars.values()) > bars["99.99"] >= bars["100.01"] > 0


# ----------------------------------------------------------------------------------------- the tape


def test_price_lots_and_the_aggressor_have_his_colour_and_the_other_has_none():
    line = next(
        line
        for line in coloured(watched(snapshot(), trade(1, qty=7))).splitlines()
        if "▲" in line
    )
    assert re.search(
        r"\x1b\[32m▲100.01\x1b\[0m +\x1b\[32m +7\x1b\[0m +\x1b\[32malice +\x1b\[0m +bob", line
    )
    line = next(
        line
        for line in coloured(watched(snapshot(), trade(1, aggressor="sell"))).splitlines()
        if "▼" in line
    )
    assert re.search(r"alice +\x1b\[31mbob", line)


def test_a_liquidation_stands_out_on_the_tape():
    text = coloured(watched(snapshot(), trade(1), liquidation(1, "bob")))
    cells = [rf"\x1b\[1;35m *{cell} *\x1b\[0m" for cell in ("!99.50", "3", "bankruptcy", "bob")]
    assert re.search(" ".join(cells), text)


def test_a_narrow_tape_names_the_aggressor_only():
    both = trade(1), trade(2, "carol", "dave", aggressor="sell"), liquidation(3, "erin")
    text = screen(watched(snapshot(), *both), 60, 20)
    assert re.search(r"price lots aggressor", text) and "time UTC" not in text
    assert re.search(r"!99.50 +3 erin .*\n.*▼100.01 +7 dave .*\n.*▲100.01 +7 alice ", text)
    assert "carol" not in text and "bob" not in text


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_a_number_without_room_is_left_out_and_never_cut(width):
    watch = watched(snapshot(), trade(1, price=12_345_678_901_234_567_890.0, qty=10**12))
    (line,) = (line for line in screen(watch, width, 24).splitlines() if "▲" in line)
    shown = line.split("│")[3].split()
    price, lots = next(n for n, word in enumerate(shown) if "▲" in word), "1,000,000,000,000"
    assert shown[price] == "▲12,345,678,901,234,567,168.00"
    assert shown[price + 1 : price + 2] in ([], [lots])


# -------------------------------------------------------------------------------------- the traders


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60)])
def test_each_trader_has_a_curve_of_his_equity_in_the_colour_of_its_trend(width, height):
    text = coloured(battle(9), width, height, now_s=130.0)
    assert "last 30 s" in plain(text)
    curves = re.findall(rf"\x1b\[(3[12]|2)m([ {BLOCKS}]+)\x1b", text)
    rising, falling, flat = (
        [drawn for colour, drawn in curves if colour == wanted] for wanted in ("32", "31", "2")
    )
    assert rising and falling and flat
    assert "".join(rising).strip()[-1] in "▇█" and set("".join(flat)) == {" ", "▁"}


def test_before_anything_was_seen_the_room_of_the_curves_is_kept():
    watch = watched(snapshot(traders=["alice", "bob"]))
    at_first = screen(watch).splitlines()
    for second in range(60):
        told(watch, position("alice", second + 1, equity=10_001.0), 101.0 + second)
    later = screen(watch).splitlines()
    titles = [
        next(line for line in lines if " equity last " in line) for lines in (at_first, later)
    ]
    assert [re.search(r"last \d+ .", title)[0] for title in titles] == ["last 0 s", "last 60 s"]
    assert titles[0].index("last") == titles[1].index("last")


def test_curves_line_up_in_the_present_and_begin_below_their_title():
    watch = battle(["alice", "bob"], seconds=10)
    told(
        watch,
        [position("carol", 100, equity=7_000), position("alice", 101, equity=21_000)],
        111.0,
    )
    told(watch, [position("carol", 102, equity=7_001)], 112.0)
    lines = screen(watch, 120, 24, now_s=112.0).splitlines()
    title = next(line.index("last 12 s") for line in lines if "last 12 s" in line)
    found = [
        re.search(rf"[{BLOCKS}]+", line[title:])
        for line in lines
        if re.match(r"│ \d +(alice|bob|carol)", line)
    ]
    assert [match.start() for match in found].count(0) == 2
    assert len({match.end() for match in found}) == 1


def test_in_spare_lines_the_curves_grow():
    for height, least, most in ((24, 1, 1), (60, 2, 5)):
        lines = screen(battle(3), 120, height, now_s=130.0).splitlines()
        curves = [
            line
            for line in lines
            if set(line[70:-2].strip()) & set(BLOCKS) and set(line[70:-2]) <= {" ", *BLOCKS}
        ]
        assert 3 * least <= len(curves) <= 3 * most
        assert all(any(f"trader-{n} " in line for line in lines) for n in range(3))


@pytest.mark.parametrize(
    ("width", "there", "not_there"),
    [
        (80, "position cash realised unrealised equity last", ""),
        (66, "position cash realised unrealised equity", "last"),
        (60, "position realised unrealised equity", "cash"),
        (52, "position unrealised equity", "cash realised"),
        (40, "position equity", "cash unrealised"),
    ],
)
def test_figures_that_others_imply_are_left_out_first(width, there, not_there):
    text = screen(battle(4), width, 24, now_s=130.0)
    titles = next(line for line in text.splitlines() if re.match(r"│ +# +trader", line))
    assert all(word in titles.split() for word in there.split()), titles
    assert not any(word in titles.split() for word in not_there.split()), titles


def test_a_long_name_gives_way_to_the_figures_and_the_curves():
    text = screen(battle(["a-trader-with-a-rather-long-name", "bob"]), 80, 24, now_s=130.0)
    assert re.search(
        rf"1 a-trader-wit\S*… +\+5 +10,000.00 +0.00 +\+10,030.00 20,030.00 [{BLOCKS}]+ ", text
    ), text


# --------------------------------------------------------------------------------------- the layout


def test_a_wide_and_tall_screen_lists_the_liquidations():
    fell = [liquidation(n, f"trader-{n}", qty=n, side="buy") for n in range(1, 30)]
    lines = screen(watched(snapshot(), *fell, insurance(1, 2.5)), 200, 60).splitlines()
    assert "trader-29" not in lines[2], "not in the header as well"
    listed = [
        line
        for line in lines
        if re.search(r"22:13:20  trader-\d+ +bankruptcy  buy +\d+  99.50", line)
    ]
    assert len(listed) >= 6 and "trader-29" in listed[0] and "trader-28" in listed[1]
    assert any("29 liquidations  insurance 2.50 ─" in line for line in lines)


def test_a_list_of_liquidations_says_what_it_does_not_show():
    fell = [liquidation(n) for n in range(5, 105)]
    text = screen(
        watched(snapshot() | {"channel_seq": {"liquidations": {"SIM": 4}}}, *fell), 200, 60
    )
    assert re.search(r"22:13:20  bob +bankruptcy", text) and "│ 4 liquidations unseen " in text


def test_a_list_of_liquidations_names_the_instrument_where_there_are_several():
    market = snapshot("SIM", "ALT", tick=0.001)
    text = screen(watched(market, liquidation(1, symbol="ALT"), symbol="SIM"), 200, 60)
    assert re.search(r"bob +bankruptcy +sell +3 +ALT +99\.500", text)
    assert re.search(r"lots  instrument  +price", text)


@pytest.fixture(scope="module")
def states():
    names = [word * 9 for word in HOSTILE]
    fell = [
        liquidation(n, name, qty=10**12, price=123_456_789.01)
        for n, name in enumerate(names, start=1)
    ]
    told = [status(n, name, "frozen") for n, name in enumerate(names, start=1)]
    hostile = [
        position(name, n, lots=-(10**9), equity=1e308) for n, name in enumerate(names, start=1)
    ]
    return [
        watched(), watched(snapshot(levels=0)), battle(3), battle(40, seconds=3, price=12_345_678_901_234_567_890.0, qty=10**12),
        watched(snapshot(), *hostile, *fell, *told, insurance(7, -1e308), connected=False),
    ]  # fmt: skip


@pytest.mark.parametrize("width", [20, 40, 49, 50, 80, 120, 159, 160, 300])
def test_whatever_the_size_every_frame_is_closed_and_nothing_passes_the_edge(width, states):
    for watch in states:
        for height in (5, 6, 9, 12, 24, 29, 30, 60):
            text = screen(watch, width, height)
            assert len(text.splitlines()) == height
            assert {cell_len(line) for line in text.splitlines()} == {width}
            assert len({text.count(corner) for corner in "╭╮╰╯"}) == 1, (width, height, text)


def test_a_small_screen_is_the_book_s():
    text = screen(battle(3), 40, 12)
    assert "SIM book" in text and "tape" not in text and "traders" not in text
    rungs = [line.split()[1] for line in text.splitlines()[4:11]]
    assert rungs == ["100.03", "100.02", "100.01", "spread", "99.99", "99.98", "99.97"]


def test_a_thousand_traders_fill_the_screen_and_no_more():
    text = screen(battle(1_000, seconds=2), 200, 60)
    shown = len(re.findall(r"│ +\d+  trader-\d+ ", text))
    assert shown > 40 and f"and {1_000 - shown} more" in text


def test_a_terminal_without_unicode_gets_bars_and_curves_in_ascii():
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    Console(file=out, width=120, height=40).print(
        MonitorScreen(battle(40, seconds=20), 120.0), end=""
    )
    out.flush()
    text = out.buffer.getvalue().decode("ascii")
    assert "?" not in text
    assert re.search(r"trader-0 .* 20,020.00  [_.,\-=+*#]{10,}", text) and "###" in text
