"""The archivist as a process: beside a running exchange until that is told to stop, or once over a journal that lies still."""

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
"""How long the archivist waits for news when it has read everything."""
RECORDS_AT_A_TIME, PAUSE_S = 10, 0.001
"""After so many records it rests, lest an order wait for its processor: a scheduler may let it run on for milliseconds."""
HURRY_RECORDS = 2_000
"""It rests no more when it has read so many since it last had all there was: it is behind."""
PREDECESSOR_S = 60.0
"""So long a child waits for an archivist that an exchange before its own has left."""
LOCK = "archive-lock"

_log = logging.getLogger(__name__)


async def keep(folder: Path, *, following: bool) -> int:
    """Bring the archive of a market's folder up to date, and keep it so while `following`. Returns the exit code."""
    try:
        lock = Lock(folder / LOCK)
        if not await _have(lock):
            _log.error("another archivist is at work here %s", fields(folder=folder, owner=lock.owner()))
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
    _log.info("kept %s", fields(until_record=archivist.number, seq=archivist.sequencer.numbers.seq))
    return ExitCode.OK


async def _have(lock: Lock) -> bool:
    """A child waits for its predecessor: when an exchange is killed, its archivist still writes a last snapshot."""
    told = asyncio.create_task(until_told_to_stop())
    until_s = monotonic() + (PREDECESSOR_S if is_child() else 0.0)
    while not (has := lock.take()) and monotonic() < until_s and not told.done():
        await asyncio.wait({told}, timeout=POLL_S)
    told.cancel()
    return has


async def _follow(archivist: Archivist) -> None:
    told, read = asyncio.create_task(until_told_to_stop()), 0
    for record in archivist.news():
        if record is not None:
            archivist.take(record)
            read += 1
            if read % RECORDS_AT_A_TIME == 0:
                await asyncio.sleep(PAUSE_S if read < HURRY_RECORDS and not told.done() else 0)
            continue
        archivist.flush()
        if told.done() and read == 0:  # what was written while it rested is taken too
            break
        await asyncio.wait({told}, timeout=POLL_S)
        read = 0
    told.cancel()
