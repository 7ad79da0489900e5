"""The exchange's vocabulary: what a journal is handed, so that it keeps the exchange's commands and gives its
state back."""

from __future__ import annotations

from typing import Final

from botpit.core import commands as cmd
from botpit.core.exchange import Exchange
from botpit.core.state import capture, opening_of, restore
from botpit.history.journal.records import Vocabulary

EXCHANGE: Final[Vocabulary[Exchange]] = Vocabulary(
    opening=cmd.Open,
    kinds=(
        cmd.Order,
        cmd.Cancel,
        cmd.CancelAll,
        cmd.Replace,
        cmd.Login,
        cmd.Logout,
        cmd.SessionLost,
        cmd.Tick,
        cmd.Halt,
        cmd.Resume,
        cmd.Close,
        cmd.SetMark,
        cmd.Freeze,
        cmd.Unfreeze,
        cmd.CancelTrader,
        cmd.Deposit,
        cmd.Reconfigure,
    ),
    rules_version=1,
    start=Exchange,
    capture=capture,
    restore=restore,
    opening_of=opening_of,
)
