"""What the tests of the documentation read off the source: which words it says, for which reasons
it refuses and closes.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache

from message_schemas import MESSAGE_CLASSES
from tests.docs.page import HOUSE

Sources = dict[str, str]
"""Path of each source file -> its text."""
Details = dict[str, set[str]]
"""Reason -> the keys that its details may have."""
SPEAKERS = r"botpit/(wire|venue/gateway|venue/feed)/"
"""The rooms that say something to clients. (The relay, among them, only passes on what it gets.)"""


def sources() -> Sources:
    paths = [*HOUSE.glob("*.py"), *(HOUSE / "botpit").rglob("*.py")]
    return {
        path.relative_to(HOUSE).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(paths)
    }


@cache
def parsed(text: str) -> list[ast.AST]:
    """Every node of a source file."""
    return list(ast.walk(ast.parse(text)))


@cache
def strings(text: str) -> str:
    """All that stands between quotes in a source file."""
    return "\n".join(str(node.value) for node in parsed(text) if isinstance(node, ast.Constant))


def sends(word: str, house: Sources) -> bool:
    """Whether the exchange sends this message anywhere: the message of an event, or one that is
    written by its type.
    """
    if re.search(
        rf"\bwire\.{MESSAGE_CLASSES[word].__name__}\b", house["botpit/wire/channels.py"]
    ):
        return True
    speakers = (
        path
        for path in house
        if re.match(SPEAKERS, path) and path != "botpit/venue/feed/relay.py"
    )
    return any(re.search(rf"\b{word}\b", strings(house[path])) for path in speakers)


def calls(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.Call]]:
    """Every call, by the last word of what is called."""
    for node in nodes:
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).split(".")[-1], node


# ------------------------------------------------------------------------------------------ reasons


def engine_details(house: Sources) -> Details:
    """Of every Refusal made in the engine."""
    found: Details = defaultdict(set)
    for path in (path for path in house if path.startswith("botpit/core/")):
        for name, call in calls(parsed(house[path])):
            if name == "Refusal" and ast.unparse(call.args[0]).startswith("Reason."):
                found[ast.unparse(call.args[0]).removeprefix("Reason.").lower()] |= _keys(
                    call, by_name=False
                )
    return found


def fault_details(house: Sources) -> tuple[Details, list[str]]:
    """Of every Fault made at the border, in the gateway and in the feed; and the places where its
    reason cannot be read.

    A function that hands a parameter on as a Fault's reason is read like Fault itself, at its callers.
    """
    functions = [
        (path, node)
        for path, text in house.items()
        if re.match(SPEAKERS, path)
        for node in parsed(text)
        if isinstance(node, ast.FunctionDef)
    ]
    slots, said, unreadable = {"Fault": 1}, defaultdict[str, set[str]](set), set()
    details_by_name = {function.name for _, function in functions if function.args.kwarg}
    for _ in range(3):  # so often may one hand pass a reason to the next
        for path, function in functions:
            parameters = [each.arg for each in function.args.args if each.arg != "self"]
            for name, call in calls(ast.walk(function)):
                reason = (
                    call.args[slots[name]]
                    if name in slots and len(call.args) > slots[name]
                    else None
                )
                if reason is not None and ast.unparse(reason).startswith("Reason."):
                    word = ast.unparse(reason).removeprefix("Reason.").lower()
                    said[word] |= _keys(call, by_name=name in details_by_name)
                elif isinstance(reason, ast.Name) and reason.id in parameters:
                    slots[function.name] = parameters.index(reason.id)
                elif reason is not None:
                    unreadable.add(f"{path}:{call.lineno}: a reason that is not named")
    return said, sorted(unreadable)


def _keys(call: ast.Call, *, by_name: bool) -> set[str]:
    """The details of one refusal: the keys of a dict among its arguments, and its named arguments
    where those are details.
    """
    keys = [each for arg in call.args if isinstance(arg, ast.Dict) for each in arg.keys]
    named = {each.arg for each in call.keywords if each.arg} if by_name else set()
    return named | {str(each.value) for each in keys if isinstance(each, ast.Constant)}


# --------------------------------------------------------------------- closes, statuses, exit codes


def close_codes(house: Sources) -> set[str]:
    """`1008 slow_consumer` for a reason of one word, else only the code."""
    found = set()
    for path in (
        path for path in house if path.startswith(("botpit/io/", "botpit/venue/server.py"))
    ):
        for _, call in calls(parsed(house[path])):
            first, second, *_ = [
                *(each.value if isinstance(each, ast.Constant) else None for each in call.args),
                None,
                None,
            ]
            if isinstance(first, int) and 1000 <= first <= 4999:
                found.add(
                    f"{first} {second}"
                    if re.fullmatch(r"[a-z]+(_[a-z]+)*", str(second))
                    else f"{first}"
                )
    return {
        each
        for each in found
        if " " in each or not any(other.startswith(f"{each} ") for other in found)
    }


def http_statuses(house: Sources) -> set[str]:
    found = {"101", "400"}  # picows' own: it opens the WebSocket, and refuses what is no HTTP
    for path in (path for path in house if path.startswith("botpit/io/")):
        found |= set(re.findall(r"HTTP/1\.1 (\d{3})", house[path]))
        found |= {
            ast.unparse(call.args[0])
            for name, call in calls(parsed(house[path]))
            if name == "_response"
        }
    return found


def exit_codes(house: Sources) -> set[str]:
    classes = (
        node
        for node in parsed(house["botpit/io/exit_codes.py"])
        if isinstance(node, ast.ClassDef)
    )
    codes = (
        node
        for each in classes
        if each.name == "ExitCode"
        for node in each.body
        if isinstance(node, ast.Assign)
    )
    return {ast.unparse(node.value) for node in codes}
