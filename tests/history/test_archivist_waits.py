"""An archivist as a child waits for the one that a killed exchange has left, which still writes its
last snapshot.
"""

import asyncio

import pytest

from botpit.core.commands import Open
from botpit.history.archive import process as keep
from botpit.history.journal.disk import Disk
from botpit.history.journal.segments import begin_market
from botpit.history.vocabulary import EXCHANGE
from botpit.io.exit_codes import ExitCode
from botpit.io.lock import Lock
from botpit.settings import Settings


@pytest.fixture
def market(tmp_path):
    """The folder of an empty market, and its archive's lock, which another one holds."""
    folder, settings = tmp_path / "market", Settings()
    begin_market(
        folder, Disk(), EXCHANGE, Open("m", settings.rules(), settings.engine_instruments())
    )
    lock = Lock(folder / keep.LOCK)
    assert lock.acquire()
    return folder, lock


def test_a_child_waits_until_the_folder_is_free(market, monkeypatch):
    folder, other = market
    monkeypatch.setattr(keep, "is_child", lambda: True)

    async def waits() -> int:
        keeping = asyncio.create_task(keep.keep(folder, following=False))
        await asyncio.sleep(2 * keep.POLL_S)
        assert not keeping.done()
        other.release()
        return await keeping

    assert asyncio.run(waits()) == ExitCode.OK


def test_anybody_else_is_refused_at_once(market, caplog):
    folder, other = market
    assert asyncio.run(keep.keep(folder, following=False)) == ExitCode.USAGE
    assert "another archivist is at work here" in caplog.text
    other.release()
