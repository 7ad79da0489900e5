"""Makes the pictures of docs/: what the screens show of real markets, as SVG in three sizes.

For each battle exchange, relay and runner are started as their own processes, and watched through
the relay until there is something to see. A subject is a function from what was seen to something
that rich can draw. A picture fetches nothing, and tells nothing of where it was made.

    python docs/make_screenshots.py
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.layout import Layout
from rich.terminal_theme import TerminalTheme

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from botpit.battle.results import Latency, TraderResult
from botpit.cli.monitor import Monitor
from botpit.screen.leaderboard import Leaderboard
from botpit.screen.monitor import MonitorScreen
from botpit.screen.text import counted, money_text
from botpit.screen.watch import Watch
from proofs.harness.terminals import terminals

DOCS = HOME / "docs"
URI = "ws://127.0.0.1:9010"
"""What is shown instead of the port that happened to be free."""
ATTEMPTS, PATIENCE_S = 8, 20.0
"""A market that is too thin when its time has come, and for so long after, is not waited for but
played again.
"""
LEAST_LEVELS, LEAST_TRADES = 2, 50
"""A market is alive with so many levels on either side of its book, and after so many trades."""
POLL_S = 0.1

FONTS = 'Menlo, "DejaVu Sans Mono", "Cascadia Mono", Consolas, "Liberation Mono", monospace'
RICH_FONT_PX, FONT_PX = 20, 21
"""Box-drawing characters of the latter are a little higher than the lines that rich draws for the
former: so lines join.
"""
CELL_PX = 0.602 * FONT_PX
"""The width that most monospace fonts have by themselves."""
SPACE = "&#160;"
PIECE = re.compile(
    rf'x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" textLength="(?P<length>[\d.]+)">'
    rf"(?P<before>(?:{SPACE})*)(?P<text>.*?)(?P<after>(?:{SPACE})*)</text>"
)
THEME = TerminalTheme(
    (13, 17, 23), (201, 209, 217),
    [
        (1, 4, 9), (248, 81, 73), (63, 185, 80), (210, 153, 34),
        (88, 166, 255), (188, 140, 255), (57, 197, 207), (201, 209, 217),
    ],
)  # fmt: skip


@dataclass(frozen=True)
class Battle:
    """A config, how long its market is watched before anybody looks, and how many liquidations
    there are to be.
    """

    config: str
    seconds: float
    liquidations: int = 0


@dataclass(frozen=True)
class Scene:
    """A market as it was seen for `watched_s` seconds, until `now_s` (monotonic); the results of
    the battle that ended then.
    """

    watch: Watch
    now_s: float
    watched_s: float
    results: dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """A file of docs/, without its ending, and what is drawn in it, below a window's title."""

    name: str
    battle: Battle
    columns: int
    lines: int
    title: str
    draw: Callable[[Scene], RenderableType]


CALM, STRESS = (
    Battle("bots_config.json", 45.0),
    Battle("bots_config_stress.json", 15.0, liquidations=5),
)
TWENTY = Battle("bots_config_twenty.json", 30.0)


def monitor(scene: Scene) -> RenderableType:
    return MonitorScreen(scene.watch, scene.now_s)


def leaderboard(scene: Scene) -> RenderableType:
    """As it stood in the battle's last moment."""
    latest = scene.results["rounds"][-1]
    rows = [
        TraderResult(**row | {"latency_us": Latency(**row["latency_us"])})
        for row in latest["standings"]
    ]
    counts = f"{counted(latest['market']['trades'], 'trade')}, {counted(len(rows), 'trader')}"
    leads = f"{rows[0].trader_id} leads with {money_text(rows[0].gain, signed=True)}"
    return Layout(Leaderboard(f"{scene.watched_s:.0f} s: trading, {counts}, {leads}", rows))


PICTURES = [
    Picture("leaderboard-80x24", CALM, 80, 24, "python bot_battle_runner.py", leaderboard),
    Picture("leaderboard-120x40", TWENTY, 120, 40, "python bot_battle_runner.py", leaderboard),
    Picture("leaderboard-200x60", STRESS, 200, 60, "python bot_battle_runner.py", leaderboard),
    Picture("monitor-80x24", CALM, 80, 24, "python monitor_client.py", monitor),
    Picture("monitor-120x40", CALM, 120, 40, "python monitor_client.py", monitor),
    Picture("monitor-200x60", STRESS, 200, 60, "python monitor_client.py", monitor),
    Picture("monitor", CALM, 120, 40, "python monitor_client.py", monitor),
]


# --------------------------------------------------------------------------------------- the market


def seen(battle: Battle) -> Scene:
    """The scene of a battle that is worth a picture. Raises SystemExit when none was."""
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryDirectory() as folder, suppress(TimeoutError):
            return asyncio.run(_played(battle, Path(folder)))
    raise SystemExit(f"error: {battle.config}: no market came to life in {ATTEMPTS} attempts")


async def _played(battle: Battle, folder: Path) -> Scene:
    """Start a market and its battle, all files in `folder`, and watch it. Raises TimeoutError if it
    is not as it should be.
    """
    async with terminals(folder) as parts:
        await parts.start_exchange("--no-export")
        await parts.start_relay()
        await parts.start_battle(HOME / battle.config)
        monitor = Monitor(parts.relay, None)
        link, began_s = asyncio.create_task(monitor.link.run()), time.monotonic()
        await asyncio.sleep(battle.seconds)
        async with asyncio.timeout(PATIENCE_S):
            while not _is_alive(monitor.watch, battle):
                await asyncio.sleep(POLL_S)
        now_s = time.monotonic()
        link.cancel()
        await asyncio.wait([link])
        await parts.stop("battle")
    monitor.watch.link_changed(True, "connected")
    monitor.watch.uri = URI
    return Scene(
        monitor.watch,
        now_s,
        now_s - began_s,
        json.loads((folder / "results.json").read_text(encoding="utf-8")),
    )


def _is_alive(watch: Watch, battle: Battle) -> bool:
    seen, book = watch.statistics, watch.book
    two_sided = book is not None and min(len(book.bids), len(book.asks)) >= LEAST_LEVELS
    return (
        two_sided
        and seen.trade_count >= LEAST_TRADES
        and seen.liquidation_count >= battle.liquidations
    )


# -------------------------------------------------------------------------------------- the picture


def svg(drawn: RenderableType, columns: int, lines: int, title: str) -> str:
    """What a terminal of that size shows, in the viewer's own monospace font, whose characters are
    fitted into the cells.
    """
    console = Console(
        record=True,
        width=columns,
        height=lines,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    console.print(drawn, height=lines, end="")
    text = console.export_svg(
        title=title, theme=THEME, unique_id="terminal", font_aspect_ratio=CELL_PX / RICH_FONT_PX
    )
    text = re.sub(r"@font-face \{.*?\}\s*", "", text, flags=re.DOTALL)
    text = re.sub(
        r'<clipPath id="terminal-line-\d+">.*?</clipPath>\s*', "", text, flags=re.DOTALL
    )
    text = re.sub(r' clip-path="url\(#terminal-line-\d+\)"', "", text)
    text = re.sub(r"<text [^>]*>\n</text>", "", text)
    text = PIECE.sub(_without_space_around, text)
    text = text.replace("font-family: Fira Code, monospace;", f"font-family: {FONTS};")
    text = text.replace(f"font-size: {RICH_FONT_PX}px", f"font-size: {FONT_PX}px")
    return text.replace(" textLength=", ' lengthAdjust="spacingAndGlyphs" textLength=')


def _without_space_around(piece: re.Match[str]) -> str:
    """The same piece of text from its first visible character to its last: not every viewer keeps
    the space before it.
    """
    x, y, length = (float(piece[name]) for name in ("x", "y", "length"))
    before, after = (piece[name].count(SPACE) for name in ("before", "after"))
    x, length = x + before * CELL_PX, length - (before + after) * CELL_PX
    return f'x="{x:g}" y="{y:g}" textLength="{length:g}">{piece["text"]}</text>'


def write(picture: Picture, scene: Scene) -> None:
    """Write one file. Raises SystemExit when a path of this machine is in it."""
    text = svg(picture.draw(scene), picture.columns, picture.lines, picture.title)
    for place in (HOME, Path.home(), Path(tempfile.gettempdir())):
        if str(place) in text:
            raise SystemExit(f"error: {picture.name} tells of {place}")
    (DOCS / f"{picture.name}.svg").write_text(text, encoding="utf-8")
    print(f"wrote docs/{picture.name}.svg")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Make the pictures of docs/ from real markets, each watched for under a minute."
    )
    parser.add_argument(
        "names",
        nargs="*",
        help=f"only these (default: all: {', '.join(each.name for each in PICTURES)})",
    )
    names = parser.parse_args().names
    pictures = [picture for picture in PICTURES if not names or picture.name in names]
    if unknown := set(names) - {picture.name for picture in pictures}:
        parser.error(f"there is no picture {', '.join(sorted(unknown))}")
    for battle in dict.fromkeys(picture.battle for picture in pictures):
        scene = seen(battle)
        for picture in pictures:
            if picture.battle == battle:
                write(picture, scene)


if __name__ == "__main__":
    main()
