"""Makes docs/monitor.svg, the README's picture: the monitor as it looks after watching a running market for a while.

    python -m docs.make_monitor_svg --uri ws://127.0.0.1:9010 --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import io
import re
import time
from pathlib import Path

from rich.console import Console

from botpit.screen.monitor import MonitorScreen
from botpit.screen.watch import Watch
from monitor_client import Monitor

COLUMNS, LINES = 110, 34
WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


async def watch_for(seconds: float, uri: str) -> Watch:
    """Watch a market; raises SystemExit when there is none."""
    monitor = Monitor(uri, None)
    link = asyncio.create_task(monitor.link.run())
    await asyncio.sleep(seconds)
    link.cancel()
    await asyncio.wait([link])
    if not monitor.watch.ready:
        raise SystemExit(f"error: no market at {uri} ({monitor.watch.reason})")
    monitor.watch.link_changed(True, "connected")
    return monitor.watch


def picture(watch: Watch, now_s: float) -> str:
    """The screen as SVG that fetches nothing: the viewer's own monospace font will do."""
    console = Console(record=True, width=COLUMNS, height=LINES, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(MonitorScreen(watch, now_s), height=LINES, end="")
    return WEB_FONT.sub("", console.export_svg(title="python monitor_client.py", unique_id="monitor"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", default="ws://127.0.0.1:9010")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("monitor.svg"))
    options = parser.parse_args()
    watch = asyncio.run(watch_for(options.seconds, options.uri))
    options.out.write_text(picture(watch, time.monotonic()), encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
