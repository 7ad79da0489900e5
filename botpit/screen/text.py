"""How numbers and foreign words are written on a screen.

Words from the wire are never markup and never reach the terminal raw: whatever could move a cursor, hide itself or turn the line
around is shown as its escape (`\\x1b`), and is cut where it would not end.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from rich.text import Text

MAX_FOREIGN_CHARS = 256
"""A foreign word is cut here before anything else looks at it."""
NOTHING = "-"


def foreign(word: str) -> str:
    """`word` with every unprintable character written as its escape."""
    word = word[:MAX_FOREIGN_CHARS]
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in word)


def cell(word: str, style: str = "", *, right: bool = False) -> Text:
    """One unwrapped, unstyled-from-within piece of a line."""
    return Text(foreign(word), style, no_wrap=True, overflow="ellipsis", justify="right" if right else "left")


def sized(text: Text, columns: int) -> Text:
    """The same piece, exactly so wide: cut with an ellipsis, or filled up on the side that its justification leaves free."""
    text.truncate(max(columns, 0), overflow="ellipsis")
    missing = max(columns, 0) - text.cell_len
    text.pad_left(missing) if text.justify == "right" else text.pad_right(missing)
    return text


def in_line(parts: Iterable[Text], columns: int, gap: int = 2) -> Text:
    """The parts up to the first that does not fit, `gap` spaces apart; the first one is cut if it alone is too long."""
    line = Text(no_wrap=True, overflow="ellipsis")
    for part in parts:
        if line and line.cell_len + gap + part.cell_len > columns:
            break
        line = line + Text(" " * gap) + part if line else line + part
    line.truncate(columns, overflow="ellipsis")
    line.no_wrap = True
    return line


def decimals_of(tick: float) -> int:
    """How many decimals a price on this tick has: 2 for 0.01 and 0.25, 0 for 1.0 and 5.0."""
    exponent = Decimal(repr(tick)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def price_text(price: float | None, decimals: int) -> str:
    return NOTHING if price is None else f"{price:,.{decimals}f}"


def money_text(amount: float, *, signed: bool = False) -> str:
    """Two decimals; `signed` shows a plus too. Zero has no sign."""
    cents = round(amount, 2) + 0.0
    return f"{cents:+,.2f}" if signed and cents else f"{cents:,.2f}"


def counted(number: int, word: str) -> str:
    """`1 trade`, `1,024 trades`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def gain_style(amount: float) -> str:
    if amount == 0:
        return ""
    return "green" if amount > 0 else "red"


def clock_text(timestamp_ms: int) -> str:
    """Time of day in UTC, to the second."""
    seconds = timestamp_ms // 1000 % 86_400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def span_text(seconds: int) -> str:
    """Two digits and a unit, as far as that goes: `45 s`, `12 m`, `3 h`."""
    if seconds < 100:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} m" if minutes < 100 else f"{minutes // 60} h"
