"""How the tests of the documentation read a page: its tables, its conversations, and what differs
from what is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

HOUSE = Path(__file__).resolve().parent.parent.parent
SPEC = HOUSE / "docs/API_SPEC.md"

Row = dict[str, str]
"""Column -> cell."""


class Page:
    """A page of Markdown: what stands under each heading, and its blocks of plain text."""

    def __init__(self, text: str) -> None:
        self.prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        fences = [("", ""), *re.findall(r"```(\w*)\n(.*?)```", text, flags=re.DOTALL)]
        self._texts = [
            (before, block)
            for (kind, block), before in zip(fences[1:], fences, strict=False)
            if kind == "text"
        ]
        self.blocks = [block for _, block in self._texts]
        parts = re.split(r"^#+ (.*)$", self.prose, flags=re.MULTILINE)
        self.under = dict(zip(parts[1::2], parts[2::2], strict=True))

    def named(self, kind: str) -> dict[str, list[Row]]:
        """The tables under the headings that say ``kind `name` ``, by name."""
        found = (re.fullmatch(rf"{kind}`(.+)`", heading) for heading in self.under)
        return {match[1]: self.rows(match[0]) for match in found if match}

    def rows(self, heading: str) -> list[Row]:
        lines = [
            line for line in self.under.get(heading, "").splitlines() if line.startswith("|")
        ]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]

    def conversations(self) -> list[list[Line]]:
        """Those that are held one after the other in a market with default settings."""
        return [
            lines
            for before, block in self._texts
            if before[0] != "toml" and (lines := lines_of(block))
        ]

    def own_markets(self) -> list[tuple[str, list[Line]]]:
        """The settings of a market of its own, and the conversation that follows them."""
        return [
            (before[1], lines)
            for before, block in self._texts
            if before[0] == "toml" and (lines := lines_of(block))
        ]

    def messages(self, who: str = "") -> list[Any]:
        """Every message that is pasted, or those that one socket received."""
        conversations = [*self.conversations(), *(lines for _, lines in self.own_markets())]
        lines = (line for block in conversations for line in block if who in ("", line.who))
        return [message for line in lines for message in line.messages]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def key(row: Row) -> str:
    """What a row is about: its first cell."""
    first = next(iter(row.values()))
    return code(first)[0] if "`" in first else first


def differences(what: str, documented: Iterable[str], there: Iterable[str]) -> Iterator[str]:
    listed = list(documented)
    yield from (
        f"{what}: {each} is there twice"
        for each in {each for each in listed if listed.count(each) > 1}
    )
    yield from (f"{what}: {each} is not documented" for each in set(there) - set(listed))
    yield from (
        f"{what}: {each} is documented and does not exist" for each in set(listed) - set(there)
    )


# ------------------------------------------------------------------------------------ conversations


class Line:
    """`who > text`, sent, or `who < text`, received. A received `(type)` stands for a message that
    is left out.
    """

    def __init__(self, text: str) -> None:
        parts = re.fullmatch(r"(\w+) +([<>]) (.*)", text)
        assert parts, f"not a line of a conversation: {text}"
        self.who, self.sent, self.text = parts[1], parts[2] == ">", parts[3]

    @property
    def messages(self) -> list[Any]:
        """What was received, as far as it is pasted."""
        return [] if self.sent or self.text.startswith("(") else objects(self.text)

    def agrees_with(self, really: str) -> bool:
        if self.text.startswith("("):
            return [f"({message['type']})" for message in objects(really)] == [self.text]
        return timeless(json.loads(self.text)) == timeless(json.loads(really))


def lines_of(block: str) -> list[Line]:
    """The lines of a conversation; a line that begins with a space goes on with the one before."""
    joined = re.sub(r"\n +", " ", block).splitlines()
    return [Line(line) for line in joined] if re.match(r"\w+ +[<>] ", block) else []


def objects(frame: str) -> list[Any]:
    value = json.loads(frame)
    return value if isinstance(value, list) else [value]


def timeless(value: Any) -> Any:
    """The same for every run: without times, and without the market's random name."""
    if isinstance(value, dict):
        return {
            name: 0 if name in ("timestamp", "market_id") else timeless(each)
            for name, each in value.items()
        }
    return [timeless(each) for each in value] if isinstance(value, list) else value
