"""The exporter as a process: every row once whatever happens to the connection, to the disk or to itself.

What it asks of the feed is in clients/test_feed_session_record.py, what it does with its files in
test_export.py; it is killed in processes/test_exporter_kills.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from botpit.cli import export as exporter
from botpit.io.child import Child
from botpit.io.exit_codes import ExitCode, ProgramError
from botpit.runs.export.disk import Disk
from tests.processes.told_market import Exchange, Feed, feed_of

HOUSE = Path(__file__).resolve().parents[2]
DEADLINE_S = 20.0


async def launch(
    feed: Feed, folder: Path, *flags: str, program: Path = HOUSE / "exporter.py"
) -> Child:
    command = [
        sys.executable,
        str(program),
        "--uri",
        feed.uri,
        "--dir",
        str(folder),
        "--from-seq",
        "1",
        *flags,
    ]
    return await Child.start("exporter", command, folder / "exporter.log")


async def start_exporter(
    feed: Feed, folder: Path, *flags: str, program: Path = HOUSE / "exporter.py"
) -> Child:
    """The exporter, when it is live."""
    child = await launch(feed, folder, *flags, program=program)
    async with asyncio.timeout(DEADLINE_S):
        await feed.resumed.wait()
        feed.resumed.clear()
    return child


async def stopped(child: Child, feed: Feed) -> int:
    """Its exit code, when it was told to stop and the feed then closed, as an exchange does."""
    assert feed.connection is not None
    os.kill(child.pid, signal.SIGTERM)
    await feed.connection.close(1001)
    async with asyncio.timeout(DEADLINE_S):
        return await child.wait()


def rows_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not happened():
            await asyncio.sleep(0.01)


def test_a_told_row_is_on_disk_without_anybody_stopping_the_exporter(tmp_path: Path) -> None:
    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            child = await start_exporter(feed, tmp_path, "--flush-ms", "10")
            try:
                await feed.tell(feed.exchange.trade())
                await until(lambda: len(rows_of(tmp_path / "trades.csv")) == 2)
            finally:
                assert await stopped(child, feed) == 0

    asyncio.run(story())


def test_a_child_writes_everything_the_exchange_said_before_it_closed(tmp_path: Path) -> None:
    """PastMessage to stop first, it still takes what comes until the exchange closes the socket with 1001."""

    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            child = await start_exporter(feed, tmp_path, "--flush-ms", "60000")
            os.kill(child.pid, signal.SIGTERM)
            await until(lambda: "told to stop" in (tmp_path / "exporter.log").read_text())
            for _ in range(50):
                trades = [feed.exchange.trade() for _ in range(20)]
                rest = (
                    feed.exchange.position("alice", 1, 10_000.0),
                    feed.exchange.liquidation(),
                    feed.exchange.insurance(1.0),
                )
                await feed.tell(*trades, *rest)
            assert feed.connection is not None
            await feed.connection.close(1001)
            async with asyncio.timeout(DEADLINE_S):
                assert await child.wait() == 0

    asyncio.run(story())
    assert len(rows_of(tmp_path / "trades.csv")) == 1 + 50 * 20
    assert all(
        len(rows_of(tmp_path / name)) == 1 + 50
        for name in ("performance.csv", "liquidations.csv", "insurance.csv")
    )
    assert "missing_events=0" in (tmp_path / "exporter.log").read_text()


def test_a_lost_connection_neither_loses_nor_doubles_a_row(tmp_path: Path) -> None:
    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            child = await start_exporter(feed, tmp_path)
            for _ in range(3):
                await feed.tell(feed.exchange.trade())
                assert feed.connection is not None
                feed.connection.transport.abort()
                feed.exchange.trade()
                feed.exchange.liquidation()
                async with asyncio.timeout(DEADLINE_S):
                    await feed.resumed.wait()
                feed.resumed.clear()
            await feed.connection.close(1001)
            assert await child.stop(DEADLINE_S) == 0

    asyncio.run(story())
    stamps = [int(row.split(",")[0]) for row in rows_of(tmp_path / "trades.csv")[1:]]
    assert stamps == [1_000, 1_001, 1_003, 1_004, 1_006, 1_007]
    assert [row.split(",")[0] for row in rows_of(tmp_path / "liquidations.csv")[1:]] == [
        "1002",
        "1005",
        "1008",
    ]


def test_rows_that_wait_for_a_slow_disk_are_bounded_and_none_is_lost(tmp_path: Path) -> None:
    program = tmp_path / "small.py"
    program.write_text(f"import sys; sys.path.insert(0, {str(HOUSE)!r}); import botpit.runs.export.sheets, exporter\n"
                       "botpit.runs.export.sheets.MAX_WAITING_ROWS = 10\n"
                       "sys.exit(exporter.main())")  # fmt: skip

    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            child = await start_exporter(feed, tmp_path, "--flush-ms", "50", program=program)
            for _ in range(30):
                await feed.tell(feed.exchange.trade())
            try:
                await until(lambda: len(rows_of(tmp_path / "trades.csv")) == 31)
                assert feed.resumes > 1
            finally:
                assert await stopped(child, feed) == 0

    asyncio.run(story())
    assert [int(row.split(",")[0]) for row in rows_of(tmp_path / "trades.csv")[1:]] == list(
        range(1_000, 1_030)
    )


def test_the_end_of_its_parent_ends_it_with_everything_written(tmp_path: Path) -> None:
    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            flags = [
                "--uri",
                feed.uri,
                "--dir",
                str(tmp_path),
                "--from-seq",
                "1",
                "--flush-ms",
                "60000",
            ]
            command = [sys.executable, "exporter.py", *flags]
            environment = os.environ | {"BOTPIT_LIFELINE": "1"}
            process = await asyncio.create_subprocess_exec(
                *command, cwd=HOUSE, env=environment, stdin=asyncio.subprocess.PIPE
            )
            async with asyncio.timeout(DEADLINE_S):
                await feed.resumed.wait()
                await feed.tell(feed.exchange.trade())
                assert feed.connection is not None and process.stdin is not None
                feed.connection.transport.close()
                process.stdin.close()
                assert await process.wait() == 0

    asyncio.run(story())
    assert len(rows_of(tmp_path / "trades.csv")) == 2


def test_a_failed_write_is_exit_5_and_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "trades.csv").mkdir()

    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            child = await launch(feed, tmp_path, "--flush-ms", "10")
            async with asyncio.timeout(DEADLINE_S):
                assert await child.wait() == 5

    asyncio.run(story())
    (line,) = [
        line for line in (tmp_path / "exporter.log").read_text().splitlines() if "ERROR" in line
    ]
    assert "trades.csv" in line and "Is a directory" in line


def test_a_disk_that_is_full_ends_it_with_exit_5_and_what_was_half_written_is_cut_off_and_written_again(
    tmp_path: Path,
) -> None:
    program = tmp_path / "small.py"
    program.write_text(f"import resource, sys; sys.path.insert(0, {str(HOUSE)!r}); import exporter\n"
                       "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))\n"
                       "sys.exit(exporter.main())")  # fmt: skip

    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            child = await start_exporter(feed, tmp_path, "--flush-ms", "10", program=program)
            await feed.tell(feed.exchange.trade())
            await until(lambda: len(rows_of(tmp_path / "trades.csv")) == 2)
            await feed.tell(*(feed.exchange.trade() for _ in range(100)))
            async with asyncio.timeout(DEADLINE_S):
                assert await child.wait() == 5
            assert (tmp_path / "trades.csv").stat().st_size == 2_000
            async with exporting(feed, tmp_path):
                pass

    asyncio.run(story())
    assert "File too large" in (tmp_path / "exporter.log").read_text()
    assert [int(row.split(",")[0]) for row in rows_of(tmp_path / "trades.csv")[1:]] == list(
        range(1_000, 1_101)
    )


# ------------------------------------------------------------------------------------ run after run


def options(feed: Feed, folder: Path, *flags: str) -> list[str]:
    return [
        "--uri",
        feed.uri,
        "--dir",
        str(folder),
        "--from-seq",
        "1",
        "--flush-ms",
        "60000",
        *flags,
    ]


@asynccontextmanager
async def exporting(feed: Feed, folder: Path) -> AsyncIterator[None]:
    """An exporter inside this process, which has heard all when the context begins, and is
    cancelled in all ways when it ends.
    """
    run = asyncio.create_task(exporter.export(exporter.arguments(options(feed, folder))))
    async with asyncio.timeout(DEADLINE_S):
        await feed.resumed.wait()
        feed.resumed.clear()
    try:
        yield
    finally:
        assert feed.connection is not None
        await (await feed.connection.ping())
        while not run.done():
            run.cancel()
            await asyncio.sleep(0)
        assert run.cancelled()


def test_a_run_that_is_cancelled_has_written_what_it_was_told(tmp_path: Path) -> None:
    async def story() -> None:
        async with feed_of(Exchange()) as feed, exporting(feed, tmp_path):
            await feed.tell(feed.exchange.trade(), feed.exchange.insurance(1.0))

    asyncio.run(story())
    assert rows_of(tmp_path / "trades.csv")[1:] == ["1000,100.0,1,alice,bob"]
    assert rows_of(tmp_path / "insurance.csv")[1:] == ["1001,1.0"]
    assert json.loads((tmp_path / ".export-state.json").read_text())["seq"] == 2


def test_what_comes_during_the_last_flush_is_written_too(tmp_path: Path) -> None:
    class SlowDisk(Disk):
        async def append(self, path: Path, size: int, data: bytes) -> int:
            found = await super().append(path, size, data)
            if b"first" in data:
                flushing.set()
                await ended.wait()
            return found

    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            run = asyncio.create_task(
                exporter.export(
                    exporter.arguments([*options(feed, tmp_path), "--flush-ms", "1"]),
                    SlowDisk(),
                )
            )
            await feed.resumed.wait()
            await feed.tell(feed.exchange.trade("first"))
            await flushing.wait()
            await feed.tell(feed.exchange.trade("last"))
            assert feed.connection is not None
            await (await feed.connection.ping())
            run.cancel()
            ended.set()
            await asyncio.wait([run])

    flushing, ended = asyncio.Event(), asyncio.Event()
    asyncio.run(asyncio.wait_for(story(), DEADLINE_S))
    assert [row.split(",")[3] for row in rows_of(tmp_path / "trades.csv")[1:]] == [
        "first",
        "last",
    ]


def test_the_next_run_goes_on_with_the_next_event_and_another_market_is_appended(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            async with exporting(feed, tmp_path):
                await feed.tell(feed.exchange.trade())
            feed.exchange.trade("while nobody wrote")
            async with exporting(feed, tmp_path):
                await feed.tell(feed.exchange.trade())
        async with feed_of(Exchange(market_id="m2")) as feed:
            feed.exchange.trade("of m2")
            async with exporting(feed, tmp_path):
                await feed.tell(feed.exchange.trade("of m2 too"))

    asyncio.run(story())
    rows = rows_of(tmp_path / "trades.csv")[1:]
    assert [row.split(",")[3] for row in rows] == [
        "alice",
        "while nobody wrote",
        "alice",
        "of m2",
        "of m2 too",
    ]
    markets = json.loads((tmp_path / ".export-state.json").read_text())["markets"]
    began = [(each["market_id"], each["began"].get("trades.csv")) for each in markets]
    assert began == [
        ("m1", None),
        ("m2", (tmp_path / "trades.csv").read_text().index("1000,100.0,1,of m2")),
    ]


def test_a_second_exporter_on_a_folder_is_refused_and_told_why(tmp_path: Path) -> None:
    async def story() -> None:
        async with feed_of(Exchange()) as feed, exporting(feed, tmp_path):
            await exporter.export(exporter.arguments(options(feed, tmp_path)))

    with pytest.raises(ProgramError) as refused:
        asyncio.run(story())
    said = f"another exporter (pid {os.getpid()}) writes to {tmp_path}; stop it, or choose another folder"
    assert (refused.value.problems, refused.value.exit_code) == ((said,), ExitCode.USAGE)


def test_files_that_are_not_what_was_recorded_are_exit_4(tmp_path: Path) -> None:
    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            async with exporting(feed, tmp_path):
                await feed.tell(feed.exchange.trade())
            (tmp_path / "trades.csv").unlink()
            await exporter.export(exporter.arguments(options(feed, tmp_path)))

    with pytest.raises(
        ProgramError, match=f"{tmp_path / 'trades.csv'} has only 0 bytes"
    ) as refused:
        asyncio.run(story())
    assert refused.value.exit_code is ExitCode.DAMAGED


@pytest.mark.parametrize(
    "flags",
    [["--uri", "nowhere"], ["--flush-ms", "0"], ["--dir", "{file}/below"], ["--from-seq", "0"]],
)
def test_a_wrong_flag_is_said_and_exits_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    try:
        code = exporter.main([flag.format(file=tmp_path / "file") for flag in flags])
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert "error: " in capsys.readouterr().err.splitlines()[-1]
