"""Programs with a fault in them, which a proof has to find: run in place of the exchange or of the exporter.

An exchange takes faulty parts in place of its own (`Parts` in botpit/cli/exchange.py). A fault in the
exporter replaces a part of the program by name. The proofs' tests run with each fault, so that a name which
the product no longer has is noticed: then nothing is planted, and nothing is found.
"""

from __future__ import annotations

from pathlib import Path

from proofs.harness.terminals import HOME

NONE = "none"
IN_THE_EXCHANGE = {
    NONE: "parts = program.Parts()",
    "ack-first": """
from botpit.history.journal.disk import AppendOnly, Disk

class LateFile(AppendOnly):
    kept = b""

    def write(self, data):
        if self.size:
            data, self.kept = self.kept, data
        super().write(data)

    def close(self):
        super().write(self.kept)
        super().close()

class LateDisk(Disk):
    def append_to(self, path):
        return LateFile(path)

parts = program.Parts(disk=LateDisk())
""",
    "skip-fill": """
from botpit.core.commands import Order
from botpit.history.journal import recovery
from botpit.venue.loader import MarketLoader

recovery.good_snapshots = lambda *arguments: iter(())

def without_one_order(records):
    kept = list(records)
    orders = [index for index, record in enumerate(kept) if isinstance(record.command, Order)]
    for index in orders[len(orders) // 2:][:1]:
        del kept[index]
    return kept

class Skipping(MarketLoader):
    def __init__(self, *arguments, track):
        super().__init__(*arguments, track=without_one_order)

parts = program.Parts(loader=Skipping)
""",
    "forget-ids": """
from botpit.venue.loader import MarketLoader

class Forgetful(MarketLoader):
    def first(self, **flags):
        market = super().first(**flags)
        for account in market.live.exchange.accounts.values():
            account.by_client_id.clear()
        return market

parts = program.Parts(loader=Forgetful)
""",
}
"""Answers that leave before the journal is written; a recovery without one order; clients' ids forgotten."""
IN_THE_EXPORTER = {
    NONE: "",
    "no-cut": """
def _cut_back(self):
    for file in self._sizes:
        path = self._folder / file
        self._sizes[file] = path.stat().st_size if path.exists() else 0
Sheets._cut_back = _cut_back
""",
    "record-first": """
whole_flush = Sheets.flush
async def flush(self, checkpoint):
    for part in self._waiting if checkpoint else ():
        await self._prepare(part)
        await self._record(checkpoint)
    await whole_flush(self, checkpoint)
Sheets.flush = flush
""",
    "no-record": """
from pathlib import Path
for path in Path(sys.argv[sys.argv.index("--dir") + 1]).glob(".export-state.json"):
    path.unlink()
""",
}
"""An exporter that cuts nothing back; one that records before it writes; one that forgets its past."""
_EXCHANGE = f"""
import sys
sys.path.insert(0, {str(HOME)!r})
from botpit.cli import exchange as program
{{fault}}
sys.exit(program.main(parts=parts))
"""
_EXPORTER = f"""
import sys
sys.path.insert(0, {str(HOME)!r})
from botpit.cli import export as program
from botpit.runs.export.sheets import Sheets
{{fault}}
sys.exit(program.main())
"""
_OTHER_EXPORTER = """
def other_command(name, *flags):
    if name == "export":
        return [sys.executable, {exporter!r}, *flags]
    return program.command_of(name, *flags)

parts = program.Parts(command_of=other_command)
"""


def exchange_with(fault: str, folder: Path) -> Path:
    """An exchange with one of the faults above."""
    return _written(
        _EXCHANGE.format(fault=IN_THE_EXCHANGE[fault]), folder / "exchange_with_fault.py"
    )


def exporter_with(fault: str, folder: Path) -> Path:
    """An exporter with one of the faults above."""
    return _written(
        _EXPORTER.format(fault=IN_THE_EXPORTER[fault]), folder / "exporter_with_fault.py"
    )


def exchange_whose_exporter_is(exporter: Path, folder: Path) -> Path:
    """An exchange that starts this program wherever it would start its exporter."""
    fault = _OTHER_EXPORTER.format(exporter=str(exporter))
    return _written(_EXCHANGE.format(fault=fault), folder / "exchange_with_other_exporter.py")


def _written(text: str, path: Path) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
