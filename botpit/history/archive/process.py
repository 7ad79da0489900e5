"""The archivist as a process: beside a running exchange until that stops, or once over a finished journal."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from time import monotonic

from botpit.history.archive.follower import Archivist
from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import DamageError
from botpit.history.journal.records import OtherFormat
from botpit.io.exit_codes import ExitCode
from botpit.io.lock import Lock
from botpit.io.log import fields
from botpit.io.run import is_child, until_told_to_stop

POLL_S = 0.05
"""Time between two looks for new records."""
RECORDS_AT_A_TIME, PAUSE_S = 10, 0.001
"""It rests after so many records: a scheduler might let it run for milliseconds while an order waits."""
HURRY_RECORDS = 2_000
"""It stops resting when it has read so many without reaching the end: it is behind."""
PREDECESSOR_S = 60.0
"""So long a child waits for the archivist of an earlier exchange."""
LOCK = "archive-lock"

_log = logging.getLogger(__name__)


async def keep(folder: Path, *, following: bool) -> int:
    """Bring a market's archive up to date, and keep it so while `following`; return the exit code."""
    try:
        lock = Lock(folder / LOCK)
        if not await _have(lock):
            _log.error(
                "another archivist is at work here %s",
                fields(folder=folder, owner=lock.owner()),
            )
            return ExitCode.USAGE
        archivist = Archivist(folder, Disk(), following=following, complain=_log.warning)
        _log.info("keeping %s", fields(folder=folder, from_record=archivist.number + 1))
        await _follow(archivist)
        archivist.close()
    except (DamageError, OtherFormat) as error:
        _log.error("the journal cannot be followed %s", fields(reason=error))
        return ExitCode.DAMAGED
    except OSError as error:
        _log.error("the archive cannot be written %s", fields(folder=folder, reason=error))
        return ExitCode.HALTED
    _log.info(
        "kept %s", fields(until_record=archivist.number, seq=archivist.sequencer.numbers.seq)
    )
    return ExitCode.OK


async def _have(lock: Lock) -> bool:
    """A child waits for its predecessor: the archivist of a killed exchange still writes a last snapshot."""
    stop = asyncio.create_task(until_told_to_stop())
    until_s = monotonic()
    if is_child():
        until_s += PREDECESSOR_S
    while not (has := lock.acquire()) and monotonic() < until_s and not stop.done():
        await asyncio.wait({stop}, timeout=POLL_S)
    stop.cancel()
    return has


async def _follow(archivist: Archivist) -> None:
    stop = asyncio.create_task(until_told_to_stop())
    read = 0
    for record in archivist.news():
        if record is None:
            archivist.flush()
            # records written during the last rest are taken first
            if stop.done() and read == 0:
                break
            await asyncio.wait({stop}, timeout=POLL_S)
            read = 0
            continue
        archivist.apply(record)
        read += 1
        if read % RECORDS_AT_A_TIME == 0:
            in_a_hurry = read >= HURRY_RECORDS or stop.done()
            await asyncio.sleep(0 if in_a_hurry else PAUSE_S)
    stop.cancel()
