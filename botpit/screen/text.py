"""How a screen writes numbers and foreign words.

Words from the wire are never markup and never reach the terminal raw: a character that could move the cursor,
hide itself or reverse the line is shown as its escape (`\\x1b`), and an endless word is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TypeVar

from rich.console import JustifyMethod
from rich.text import Text

from botpit.io.log import printable

MAX_FOREIGN_CHARS = 256
"""A foreign word is cut here before anything else looks at it."""
NOTHING = "-"
T = TypeVar("T")


def foreign(word: str) -> str:
    """`word`, cut, with every unprintable character written as its escape."""
    return printable(word[:MAX_FOREIGN_CHARS])


def cell(word: str, style: str = "", *, right: bool = False) -> Text:
    """One piece of a line, unwrapped and without markup."""
    justify: JustifyMethod = "right" if right else "left"
    return Text(foreign(word), style, no_wrap=True, overflow="ellipsis", justify=justify)


def sized(text: Text, columns: int) -> Text:
    """The same piece in exactly this width: cut with an ellipsis, or padded on the side that is free."""
    columns = max(columns, 0)
    text.truncate(columns, overflow="ellipsis")
    missing = columns - text.cell_len
    if text.justify == "right":
        text.pad_left(missing)
    else:
        text.pad_right(missing)
    return text


def in_line(parts: Iterable[Text], columns: int, gap: int = 2) -> Text:
    """The parts that fit, `gap` spaces apart, up to the first that does not; a first part too long is cut."""
    line = Text(no_wrap=True, overflow="ellipsis")
    for part in parts:
        if not line:
            line = line + part
            continue
        if line.cell_len + gap + part.cell_len > columns:
            break
        line = line + Text(" " * gap) + part
    line.truncate(columns, overflow="ellipsis")
    line.no_wrap = True
    return line


def decimals_of(tick: float) -> int:
    """How many decimals a price on this tick has: 2 for 0.01 and 0.25, 0 for 1.0 and 5.0."""
    exponent = Decimal(repr(tick)).normalize().as_tuple().exponent
    if not isinstance(exponent, int):  # an infinite tick, or none
        return 0
    return max(0, -exponent)


def optional(value: T | None, text: Callable[[T], str]) -> str:
    """The value as `text` writes it, `-` when there is none."""
    if value is None:
        return NOTHING
    return text(value)


def price_text(price: float | None, decimals: int) -> str:
    return optional(price, f"{{:,.{decimals}f}}".format)


def money_text(amount: float, *, signed: bool = False) -> str:
    """Two decimals; `signed` shows a plus too. Zero has no sign."""
    cents = round(amount, 2) + 0.0
    if signed and cents:
        return f"{cents:+,.2f}"
    return f"{cents:,.2f}"


def signed_text(lots: int) -> str:
    """`+5`, `-3`, `0`."""
    if lots == 0:
        return "0"
    return f"{lots:+,}"


def counted(number: int, word: str) -> str:
    """`1 trade`, `1,024 trades`."""
    if number == 1:
        return f"1 {word}"
    return f"{number:,} {word}s"


def gain_style(amount: float) -> str:
    if amount == 0:
        return ""
    return "green" if amount > 0 else "red"


def clock_text(timestamp_ms: int) -> str:
    """Time of day in UTC, to the second."""
    minutes, second = divmod(timestamp_ms // 1000 % 86_400, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}"


def span_text(seconds: int) -> str:
    """Two digits and a unit while they suffice: `45 s`, `12 m`, `3 h`."""
    minutes = seconds // 60
    if seconds < 100:
        return f"{seconds} s"
    if minutes < 100:
        return f"{minutes} m"
    return f"{minutes // 60} h"
