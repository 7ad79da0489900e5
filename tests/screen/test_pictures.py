"""The pictures in docs/: each is a terminal of its size, cell by cell, shows the screen as it is
now, and fetches nothing.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from botpit.screen.monitor import MonitorScreen
from docs.make_screenshots import DOCS, PICTURES, leaderboard, svg
from tests.screen.test_monitor import liquidation, screen, snapshot, trade, watched

MONITORS = [picture for picture in PICTURES if picture.name.startswith("monitor")]
LEADERBOARDS = [picture for picture in PICTURES if picture.draw is leaderboard]
LINE_HEIGHT, BASELINE = 24.4, 20.0


def cells(picture):
    """The lines of text in a picture, with every character where its cell is. Fails when text is
    not in cells.
    """
    root = ElementTree.fromstring(picture)
    (matrix,) = (
        group for group in root.findall(".//{*}g") if group.get("class", "").endswith("-matrix")
    )
    pieces = [
        (each, each.text.replace("\N{NO-BREAK SPACE}", " "))
        for each in matrix.findall("{*}text")
    ]
    width = float(pieces[0][0].get("textLength")) / len(pieces[0][1])
    lines = {}
    for piece, text in pieces:
        at, line = (
            float(piece.get("x")) / width,
            (float(piece.get("y")) - BASELINE) / LINE_HEIGHT,
        )
        assert abs(at - round(at)) < 0.01 and abs(line - round(line)) < 0.01, text
        assert float(piece.get("textLength")) == pytest.approx(width * len(text), rel=1e-4), (
            text
        )
        assert (text, piece.get("lengthAdjust")) == (text.strip(), "spacingAndGlyphs"), (
            "no viewer's font or space moves it"
        )
        before = lines.get(round(line), "").ljust(round(at))
        assert len(before) == round(at), "over what is there already"
        lines[round(line)] = before + text
    return [lines.get(line, "") for line in range(max(lines) + 1)]


def committed(picture):
    return (DOCS / f"{picture.name}.svg").read_text(encoding="utf-8")


def titles(lines):
    """Of the panels, without their numbers."""
    return {title for line in lines for title in re.findall(r"╭─ ([a-zA-Z ]+)\b", line)}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_a_terminal_of_its_size(picture):
    lines = cells(committed(picture))
    assert len(lines) <= picture.lines and max(map(len, lines)) <= picture.columns
    root = ElementTree.fromstring(committed(picture))
    *_, width, height = map(float, root.get("viewBox").split())
    assert height == pytest.approx(picture.lines * LINE_HEIGHT + 50, abs=2), (
        "and the window around it"
    )
    assert width == pytest.approx(picture.columns * 12.64 + 18, abs=2)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_fetches_nothing_and_tells_nothing_of_where_it_was_made(picture):
    text = committed(picture)
    assert not re.search(r"@font-face|@import|url\((?!#)|<image|href=|<script", text)
    assert not re.search(r"/(home|root|tmp|Users|var|work)\b", text)


@pytest.mark.parametrize("picture", MONITORS, ids=lambda picture: picture.name)
def test_a_picture_of_the_monitor_shows_the_panels_it_has_now(picture):
    lines = cells(committed(picture))
    now = screen(
        watched(snapshot(), trade(1), liquidation(1)), picture.columns, picture.lines
    ).splitlines()
    assert titles(lines) == titles(now) > {"SIM book", "tape"}
    assert len(lines) == picture.lines and len(lines[3]) == picture.columns
    text = "\n".join(lines)
    assert re.search(
        r" CONNECTED   last event \d+\.\d s ago  latency \d+ ms \(max \d+\)  ws://127\.0\.0\.1:9010",
        lines[0],
    )
    assert re.search(r"equity +last \d+ s", text) and re.search(
        r"[▲▼]\d+\.\d\d +\d+ \w", text
    ), "a market that is alive"
    assert min(len(re.findall(rf"[{blocks}]", text)) for blocks in ("▁▂▃▄▅▆▇", "█")) > 20


def test_the_widest_picture_shows_liquidations():
    (picture,) = (picture for picture in MONITORS if picture.columns == 200)
    text = "\n".join(cells(committed(picture)))
    assert re.search(
        r"\d\d:\d\d:\d\d  [\w-]+ +(liquidation|bankruptcy|deleveraging) +(buy|sell) ", text
    )


def test_there_is_a_picture_of_each_usual_size():
    assert {(picture.columns, picture.lines) for picture in MONITORS} == {
        (80, 24),
        (120, 40),
        (200, 60),
    }


@pytest.mark.parametrize("picture", LEADERBOARDS, ids=lambda picture: picture.name)
def test_a_picture_of_the_leaderboard_shows_who_leads_in_the_columns_that_fit(picture):
    title, _, heading, _, *rows = (line.strip(" ┃│") for line in cells(committed(picture)))
    told = re.fullmatch(
        r"\d+ s: trading, [\d,]+ trades, (\d+) traders, (\S+) leads with \S+", title
    )
    first, *others = (row for row in rows if re.match(r"\d+ ", row))
    assert re.match(rf"1 +│ {re.escape(told[2])} +│", first) and len(others) + 1 == int(told[1])
    assert (
        re.split(r" +┃ +", heading)[:5] == ["rank", "trader", "equity", "gain", "position"]
        or "status" in heading
    )


def test_the_leaderboard_has_a_picture_of_each_usual_size_too():
    assert {(picture.columns, picture.lines) for picture in LEADERBOARDS} == {
        (80, 24),
        (120, 40),
        (200, 60),
    }


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40), (200, 60)])
def test_a_picture_says_what_a_terminal_says(columns, lines):
    watch = watched(
        snapshot(traders=["alice", "<b>&"]), trade(1, "alice", "<b>&"), liquidation(1, "bob")
    )
    shown = cells(svg(MonitorScreen(watch, 100.0), columns, lines, "title"))
    assert [line.rstrip() for line in shown] == [
        line.rstrip() for line in screen(watch, columns, lines).splitlines()
    ]
