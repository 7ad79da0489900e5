"""A strategy as the brain asks it, hook by hook: crashes and slow thoughts are counted, never passed on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from bot_strategies import Polled, Strategy
from botpit.bots.counts import Counts
from botpit.bots.notice import Notice, Notify

MAX_CRASHES_IN_A_ROW = 10
"""So many crashes of one hook without a success in between end the bot."""
SLOW_CALLBACK_S = 1.0
"""A hook that takes longer is named in the log: meanwhile the bot hears nothing, neither fills nor prices."""
HOOKS = (
    "on_start",
    "on_book",
    "on_trade",
    "on_fill",
    "on_order",
    "on_timer",
    "on_stop",
    "next_order",
)


class StrategyRunner:
    """`hooks`: those that the strategy has. `failure`: why only `on_stop` is asked any more, None while all
    is well. `thinking`: a hook is running; what is raised in it is a crash of its own.

    `reserve_bytes` are held back (`reserve`) while a hook runs and let go when it has used up all memory:
    without any left nobody could report it, and an interpreter that has none to unwind its stack may hang.
    """

    def __init__(
        self, strategy: Strategy, notify: Notify, counts: Counts, clock_s: Callable[[], float]
    ) -> None:
        self.failure: str | None = None
        self.thinking = False
        self.reserve_bytes = 0
        self.reserve = bytearray()
        self._strategy = strategy
        self._notify = notify
        self._counts = counts
        self._clock_s = clock_s
        self.hooks = frozenset(
            hook
            for hook in HOOKS
            if getattr(type(strategy), hook) is not getattr(Strategy, hook)
        )
        self._crashes: Counter[str] = Counter()

    def ask(self, hook: str, call: Callable[..., None], *arguments: object) -> None:
        """Call one hook, if the strategy has it."""
        if hook not in self.hooks or (self.failure and hook != "on_stop"):
            return
        began_s = self._clock_s()
        try:
            self.reserve = self.reserve or bytearray(self.reserve_bytes)
            self.thinking = True
            call(*arguments)
            self.thinking = False
        except Exception as error:
            self.thinking = False
            self._crashed(hook, error)
        else:
            self._crashes[hook] = 0
        self._note_slow(hook, self._clock_s() - began_s)

    def give_up(self, why: Exception) -> None:
        """The strategy has failed. From a signal's handler this ends the hook that is running, too: `why` is
        raised in it."""
        self.failure = str(why)
        if self.thinking:
            raise why

    def _crashed(self, hook: str, error: Exception) -> None:
        if isinstance(error, MemoryError):
            self.reserve.clear()
        self._notify(Notice("strategy crashed", {"hook": hook}, error=error))
        self._counts.callback_errors += 1
        self._crashes[hook] += 1
        if self._crashes[hook] >= MAX_CRASHES_IN_A_ROW:
            self.failure = self.failure or "the strategy crashed too often in a row"

    def _note_slow(self, hook: str, took_s: float) -> None:
        if took_s > SLOW_CALLBACK_S:
            named: object = self._strategy
            if isinstance(self._strategy, Polled):
                named = self._strategy.plugin
            details = {
                "strategy": type(named).__name__,
                "hook": hook,
                "took_s": round(took_s, 3),
            }
            self._notify(Notice("slow callback", details))
            self._counts.slow_callbacks += 1
