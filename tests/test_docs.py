"""The documentation against the code: nothing left out, nothing invented. (Its conversations:
tests/docs/test_conversations.py.)

A check gives sentences, one for each fault. The pages are to give none; then each check is shown a
planted fault, in a page or in the source, and has to name it.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from botpit.clients.mirror import Mirror
from botpit.core.events import CancelReason, Reason
from botpit.runs.export.rows import HEADERS
from botpit.settings import InstrumentSettings, MarketSettings, ServerSettings
from message_schemas import parse_messages
from tests.docs.page import HOUSE, SPEC, Page, code, differences, key
from tests.docs.shapes import message_faults, variants
from tests.docs.source import (
    Sources,
    close_codes,
    engine_details,
    exit_codes,
    fault_details,
    http_statuses,
    sources,
)

ARCHITECTURE = HOUSE / "docs/ARCHITECTURE.md"
DECISIONS = sorted((HOUSE / "docs/decisions").glob("*.md"))
PROGRAMS = {
    **{
        f"{name}.py": [f"{name}.py"]
        for name in ("exchange_server", "market_data_server", "bot_client", "bot_battle_runner")
    },
    **{f"{name}.py": [f"{name}.py"] for name in ("monitor_client", "exporter")},
    "botpit demo": ["-m", "botpit", "demo"],
    "botpit check": ["-m", "botpit", "check"],
}
DEADLINE_S = 20.0


# ------------------------------------------------------------------------------------------ reasons


def reason_faults(page: Page, house: Sources) -> Iterator[str]:
    said, unreadable = fault_details(house)
    yield from unreadable
    engine, rows = engine_details(house), page.rows("Reasons of refusals")
    yield from differences("reasons of refusals", map(key, rows), {*said, *Reason, *engine})
    for row in rows:
        keys = said.get(key(row), set()) | engine.get(key(row), set())
        yield from differences(f"details of {key(row)}", code(row["details"]), keys)
        if not row["what to do"]:
            yield f"reason {key(row)}: nothing to do is named"
    if [key(row) for row in rows if key(row) in set(Reason)] != list(Reason):
        yield "reasons of refusals: the engine checks in another order"
    yield from differences(
        "reasons of cancels", map(key, page.rows("Reasons of cancels")), CancelReason
    )


def close_faults(page: Page, house: Sources) -> Iterator[str]:
    closes = (" ".join([row["code"], *code(row["reason"])]) for row in page.rows("Close codes"))
    yield from differences("close codes", closes, close_codes(house))
    yield from differences(
        "HTTP answers", map(key, page.rows("HTTP answers")), http_statuses(house)
    )
    yield from differences("exit codes", map(key, page.rows("11. Programs")), exit_codes(house))


# --------------------------------------------------------------------------------- settings, limits


def settings_faults(page: Page, house: Sources) -> Iterator[str]:
    for heading, model in {
        "[market]": MarketSettings,
        "[server]": ServerSettings,
        "[[instruments]]": InstrumentSettings,
    }.items():
        schema, rows = model.model_json_schema(), page.rows(heading)
        yield from differences(heading, map(key, rows), model.model_fields)
        for row in (row for row in rows if key(row) in model.model_fields):
            default = default_text(key(row), model.model_fields[key(row)].default)
            if row["default"] != default:
                yield f"{heading} {key(row)}: the default is {default}"
            allowed = range_text(list(variants(schema["properties"][key(row)], schema)))
            if allowed and row["allowed"] != allowed:
                yield f"{heading} {key(row)}: allowed is {allowed}"


def default_text(name: str, default: object) -> str:
    if default is None:
        return "[market]" if name in MarketSettings.model_fields else "one tick"
    return f'"{default}"' if isinstance(default, str) else f"{default}"


def range_text(types: list[Any]) -> str:
    for each in types:
        if "enum" in each:
            return ", ".join(f"`{word}`" for word in each["enum"])
        if "maximum" in each:
            low = (
                f"> {each['exclusiveMinimum']:.0f}"
                if "exclusiveMinimum" in each
                else f"{each['minimum']:.0f}"
            )
            return f"{low} … {each['maximum']:.0f}"
    return ""


def limit_faults(page: Page, house: Sources) -> Iterator[str]:
    """The table of limits; and large numbers in sentences must be in it, so that none is forgotten
    when a limit moves.
    """
    rows = page.rows("9. Limits")
    for row in rows:
        module, _, name = code(row["source"])[0].rpartition(".")
        value = getattr(importlib.import_module(module), name, None)
        if row["value"] != str(value):
            yield f"limits: {module}.{name} is {value}"
    for number in re.findall(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?![\d,])", page.prose):
        if number.replace(",", "") not in {row["value"] for row in rows}:
            yield f"{number} is none of the limits"


# ----------------------------------------------------------------------------------- words, example


def invention_faults(page: Page, house: Sources) -> Iterator[str]:
    """Words written as code that the code does not know."""
    known = set(re.findall(r"\w+", " ".join(house.values())))
    for word in code(page.prose):
        if re.fullmatch(r"[a-z][a-z0-9_]*", word) and word not in known:
            yield f"`{word}` is nowhere in the code"


def checksum_faults(page: Page, house: Sources) -> Iterator[str]:
    """The worked example: right by itself, the last delta of the pasted conversation, and believed
    by a mirror.
    """
    example = next(
        (match for block in page.blocks if (match := re.fullmatch(r"(\S+) -> (\d+)\n", block))),
        None,
    )
    if example is None or crc32(example[1].encode()) != int(example[2]):
        yield "checksum: the worked example is missing or wrong"
        return
    told, mirror = page.messages("feed"), Mirror()
    for message in parse_messages(json.dumps(told)):
        mirror.fold(message)
    last = [message for message in told if message["type"] == "book_delta"][-1]
    if last["checksum"] != int(example[2]):
        yield f"checksum: the last delta of the conversation has {last['checksum']}"
    if mirror.checksum_failures or mirror.books["SIM"].book_seq != last["book_seq"]:
        yield "checksum: a mirror does not believe the conversation"


CHECKS: list[Callable[[Page, Sources], Iterator[str]]] = [
    message_faults, reason_faults, close_faults, settings_faults, limit_faults, invention_faults, checksum_faults,
]  # fmt: skip


def faults(spec: str, house: Sources) -> list[str]:
    page = Page(spec)
    return [fault for check in CHECKS for fault in check(page, house)]


def test_the_protocol_page_says_what_the_code_says() -> None:
    assert faults(SPEC.read_text(encoding="utf-8"), sources()) == []


PLANTED_IN_THE_PAGE = [
    ("#### Request `ping`", "#### Request `hello`", "Request headings: ping is not documented"),
    (
        "#### Request `ping`",
        "#### Request `hello`",
        "Request headings: hello is documented and does not exist",
    ),
    (
        "#### Object `LastTrade`",
        "#### Object `Last`",
        "Object headings: LastTrade is not documented",
    ),
    (
        "| `queue_ahead` | int",
        "| `ahead` | int",
        "Message order_accepted: queue_ahead is not documented",
    ),
    (
        "| `queue_ahead` | int",
        "| `ahead` | int",
        "Message order_accepted: ahead is documented and does not exist",
    ),
    (
        "| `expires_at` | integer |",
        "| `expires_at` | string |",
        "Request order.expires_at: type string, in the code ['integer']",
    ),
    (
        "| `fee` | number |",
        "| `fee` | number or null |",
        "Message fill.fee: type number or null, in the code ['number']",
    ),
    (
        "| `trade_id` | integer or null |",
        "| `trade_id` | integer |",
        "Message fill.trade_id: type integer, in the code",
    ),
    (
        "| `from_seq` | integer | yes |",
        "| `from_seq` | integer | no |",
        "Request resume.from_seq: needed no is wrong",
    ),
    (
        "| `count` | integer | always |",
        "| `count` | integer | |",
        "Message all_cancelled.count: does not say when it is there",
    ),
    (
        "boolean | if true |",
        "boolean | always |",
        "Message order_accepted.repeated: is not always there",
    ),
    ("only `buy` or only `sell`", "only one", "Request cancel_all.side: `buy` is not named"),
    (
        "array of RestingOrder",
        "array of orders",
        "Object BookState.orders: RestingOrder is not named",
    ),
    (
        "Two orders met.",
        "Not sent by this version.",
        "Message trade: is sent, and marked as not sent",
    ),
    (
        "| `no_liquidity` | |",
        "| `no_market` | |",
        "reasons of refusals: no_liquidity is not documented",
    ),
    (
        "| `no_liquidity` | |",
        "| `frozen` | |",
        "reasons of refusals: frozen is documented and does not exist",
    ),
    (
        "| `no_liquidity` | |",
        "| `no_liquidity` | `qty` |",
        "details of no_liquidity: qty is documented and does not exist",
    ),
    (
        "`max_position`, `would_reach`",
        "`max_position`",
        "details of position_limit: would_reach is not documented",
    ),
    (
        "| send it again after so many milliseconds |",
        "| |",
        "reason rate_limited: nothing to do is named",
    ),
    (
        "| `order_too_large` | `max_order_qty` |",
        "| `price_band` | |",
        "reasons of refusals: price_band is there twice",
    ),
    (
        "| `unknown_order` | |",
        "| `unknown_symbol` | |",
        "reasons of refusals: the engine checks in another order",
    ),
    (
        "| `expired` | `exp",
        "| `too_late` | `exp",
        "reasons of cancels: expired is not documented",
    ),
    (
        "| 1008 | `ping_timeout` |",
        "| 1008 | `silence` |",
        "close codes: 1008 ping_timeout is not documented",
    ),
    ("| 1003 | |", "| 1004 | |", "close codes: 1003 is not documented"),
    ("| 503 |", "| 500 |", "HTTP answers: 503 is not documented"),
    ("| 3 | a strategy crashed", "| 4 | a strategy crashed", "exit codes: 3 is not documented"),
    ("| `tick_ms` | 100 |", "| `tick_ms` | 50 |", "[market] tick_ms: the default is 100"),
    ("| `ping_s` | 5 | > 0", "| `ping_s` | 5 | 0", "[server] ping_s: allowed is > 0 … 3600"),
    ("| `lot` | 1 |", "| `lots` | 1 |", "[[instruments]]: lot is not documented"),
    (
        "| depth of nesting | 64 |",
        "| depth of nesting | 65 |",
        "limits: botpit.wire.decode.MAX_DEPTH is 64",
    ),
    ("the last 100,000 events", "the last 200,000 events", "200,000 is none of the limits"),
    ("and `timestamp` are", "and `time_stamp` are", "`time_stamp` is nowhere in the code"),
    (
        "9999:5|9998:2|10001:3 ->",
        "9999:5|10001:3 ->",
        "checksum: the worked example is missing or wrong",
    ),
    (
        '"asks":[[100.01,3]],"checksum"',
        '"asks":[[100.01,4]],"checksum"',
        "checksum: a mirror does not believe the conversation",
    ),
    (
        '"checksum":2026602697',
        '"checksum":2026602698',
        "checksum: the last delta of the conversation has 2026602698",
    ),
]
"""What is changed, into what, and the sentence (or its beginning) that names it."""


@pytest.mark.parametrize(
    ("old", "new", "sentence"), PLANTED_IN_THE_PAGE, ids=lambda text: text[:40]
)
def test_a_fault_planted_in_the_page_is_found(old: str, new: str, sentence: str) -> None:
    spec = SPEC.read_text(encoding="utf-8")
    assert old in spec
    assert any(
        fault.startswith(sentence) for fault in faults(spec.replace(old, new, 1), sources())
    )


GATEWAY, SUBSCRIPTIONS = "botpit/venue/gateway/gateway.py", "botpit/venue/feed/subscriptions.py"
RISK_CHECKS, SERVER = "botpit/core/risk/checks.py", "botpit/venue/server.py"
PLANTED_IN_THE_CODE = [
    (
        GATEWAY,
        "def f(r): return refuse(r, Reason.BUSY, 0, load=1)",
        "reasons of refusals: busy is not",
    ),
    (
        GATEWAY,
        "def f(r): return refuse(r, Reason.RATE_LIMITED, 0, per_s=1)",
        "details of rate_limited: per_s is not",
    ),
    (
        GATEWAY,
        "def say(why): return Fault('error', why, {})\ndef f(): say(Reason.WHY_SO)",
        "reasons of refusals: why_so is",
    ),
    (
        SUBSCRIPTIONS,
        "def f(r): return _error(r, 'closed_' + r.type, {})",
        "botpit/venue/feed/subscriptions.py:",
    ),
    (
        RISK_CHECKS,
        "X = Refusal(Reason.NO_LIQUIDITY, {'spread': 1})",
        "details of no_liquidity: spread is not",
    ),
    (
        SERVER,
        "def f(c): c.close(1013, 'try_again_later')",
        "close codes: 1013 try_again_later is not documented",
    ),
    (
        "botpit/io/handshake.py",
        "def f(): return _response(404, '')",
        "HTTP answers: 404 is not documented",
    ),
    ("botpit/io/exit_codes.py", "class ExitCode: OTHER = 9", "exit codes: 9 is not documented"),
]


@pytest.mark.parametrize(
    ("path", "lines", "sentence"), PLANTED_IN_THE_CODE, ids=lambda text: text[:40]
)
def test_something_new_in_the_code_is_found(path: str, lines: str, sentence: str) -> None:
    house = sources()
    changed = house | {path: f"{house[path]}\n{lines}\n"}
    assert any(
        fault.startswith(sentence)
        for fault in faults(SPEC.read_text(encoding="utf-8"), changed)
    )


def test_what_the_exchange_no_longer_says_is_found() -> None:
    channels = "botpit/wire/channels.py"
    silent = sources() | {
        channels: sources()[channels].replace("wire.InsuranceUpdate", "wire.Update")
    }
    assert "Message insurance_update: is not sent, and not marked so" in faults(
        SPEC.read_text(encoding="utf-8"), silent
    )


# ------------------------------------------------------------------------------------ files of rows


def file_faults(page: Page) -> Iterator[str]:
    told = {key(row): code(row["columns"])[0] for row in page.rows("The exporter's files")}
    real = {name: header.rstrip("\n") for name, header in HEADERS.items()}
    yield from differences("files", told, real)
    yield from (
        f"{name}: the columns are {real[name]}"
        for name in told.keys() & real.keys()
        if told[name] != real[name]
    )


def test_the_exporter_s_files_are_documented_with_their_columns() -> None:
    spec = SPEC.read_text(encoding="utf-8")
    assert list(file_faults(Page(spec))) == []
    faulty = spec.replace("`timestamp,cash`", "`cash`").replace(
        "| `trades.csv` |", "| `trade.csv` |"
    )
    assert set(file_faults(Page(faulty))) == {
        "insurance.csv: the columns are timestamp,cash", "files: trades.csv is not documented",
        "files: trade.csv is documented and does not exist",
    }  # fmt: skip


# -------------------------------------------------------------------------------------------- flags

Flags = dict[str, dict[str, str]]
"""Program -> flag -> its default, as `--help` says it."""


def flags_told() -> Flags:
    environment = os.environ | {"COLUMNS": "300", "NO_COLOR": "1"}
    running = {
        name: subprocess.Popen(
            [sys.executable, *argv, "--help"],
            cwd=HOUSE,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, argv in PROGRAMS.items()
    }
    return {
        name: flags_in(process.communicate(timeout=DEADLINE_S)[0])
        for name, process in running.items()
    }


def flags_in(help_text: str) -> dict[str, str]:
    found = {}
    for option in re.split(r"\n  (?=-)", help_text)[1:]:
        default = re.search(r"default: ([^;)]+)", " ".join(option.split()))
        found[re.findall(r"--[\w-]+", option)[0]] = default[1] if default else ""
    return {
        flag: default for flag, default in found.items() if flag not in ("--help", "--version")
    }


def flag_faults(page: Page, flags: Flags) -> Iterator[str]:
    tables = {name: rows for name, rows in page.named("").items() if "flag" in rows[0]}
    yield from differences("programs", tables, flags)
    for name in tables.keys() & flags.keys():
        yield from differences(name, map(key, tables[name]), flags[name])
        for row in tables[name]:
            default = flags[name].get(key(row), row["default"])
            if row["default"] != default:
                yield f"{name} {key(row)}: the default is {default}"


def test_every_flag_is_documented_with_its_default() -> None:
    page, flags = Page(SPEC.read_text(encoding="utf-8")), flags_told()
    assert list(flag_faults(page, flags)) == []
    flags["exporter.py"] |= {"--new": "5", "--flush-ms": "1"}
    flags["other.py"] = {}
    del flags["monitor_client.py"]["--once"]
    assert set(flag_faults(page, flags)) == {
        "programs: other.py is not documented", "exporter.py: --new is not documented",
        "exporter.py --flush-ms: the default is 1", "monitor_client.py: --once is documented and does not exist",
    }  # fmt: skip


# -------------------------------------------------------------------------- architecture, decisions


def architecture_faults(text: str, house: Sources) -> Iterator[str]:
    if text.count("\n") > 200:
        yield f"ARCHITECTURE: {text.count(chr(10))} lines, of at most 200"
    rooms = {
        "/".join(path.split("/")[:2]) + ("/" if path.count("/") > 1 else "") for path in house
    }
    yield from (
        f"ARCHITECTURE: {room} is not named" for room in rooms if f"`{room}`" not in text
    )
    yield from missing_files("ARCHITECTURE", text)


def decision_faults(name: str, text: str) -> Iterator[str]:
    if text.count("\n") > 25:
        yield f"{name}: {text.count(chr(10))} lines, of at most 25"
    yield from (
        f"{name}: no **{word}.**"
        for word in ("Context", "Decision", "Consequence")
        if f"**{word}.**" not in text
    )
    yield from missing_files(name, text)


def missing_files(name: str, text: str) -> Iterator[str]:
    """A path must be there; a file's bare name may be that of any file of the house."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    paths = {word for word in code(prose) if re.fullmatch(r"[\w./-]+(\.(py|md)|/)", word)}
    paths |= {f"docs/{link}" for link in re.findall(r"\]\(([\w./-]+)\)", prose)}
    bare = {Path(path).name for path in sources()}
    yield from (
        f"{name}: there is no {path}"
        for path in sorted(paths)
        if path not in bare and not (HOUSE / path).exists()
    )


def test_the_architecture_page_names_every_room_and_no_file_that_is_not_there() -> None:
    text, house = ARCHITECTURE.read_text(encoding="utf-8"), sources()
    assert list(architecture_faults(text, house)) == []
    assert list(architecture_faults(text, house | {"botpit/doors/rest.py": ""})) == [
        "ARCHITECTURE: botpit/doors/ is not named"
    ]
    assert list(architecture_faults(f"{text} `botpit/cellar.py`", house)) == [
        "ARCHITECTURE: there is no botpit/cellar.py"
    ]
    assert list(architecture_faults(f"{text} [plan](PLAN.md)", house)) == [
        "ARCHITECTURE: there is no docs/PLAN.md"
    ]
    assert "ARCHITECTURE: 250 lines, of at most 200" in architecture_faults("\n" * 250, house)


def test_the_decisions_are_short_and_whole() -> None:
    assert len(DECISIONS) >= 4
    for path in DECISIONS:
        assert list(decision_faults(path.name, path.read_text(encoding="utf-8"))) == []
    assert list(decision_faults("x", "**Context.** a\n**Decision.** `botpit/nowhere.py`\n" + "\n" * 30)) == [
        "x: 32 lines, of at most 25", "x: no **Consequence.**", "x: there is no botpit/nowhere.py",
    ]  # fmt: skip


def test_every_page_that_the_code_names_is_there() -> None:
    named = {
        (path, page)
        for path, text in sources().items()
        for page in re.findall(r"\b([A-Z_]+\.md)\b", text)
    }
    assert len(named) > 10
    assert [
        (path, page)
        for path, page in sorted(named)
        if not list(HOUSE.glob(page)) + list(HOUSE.glob(f"docs/{page}"))
    ] == []
