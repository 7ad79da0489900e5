"""The message tables of docs/API_SPEC.md against `message_schemas`: every field, its type, whether
it must or may be there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, get_args

from msgspec import Struct
from pydantic import TypeAdapter

import message_schemas
from botpit.wire.explain import twin
from tests.docs.page import Page, Row, differences, key
from tests.docs.source import Sources, sends

Schema = dict[str, Any]


def message_faults(page: Page, house: Sources) -> Iterator[str]:
    requests = [
        *get_args(message_schemas.TradingRequest),
        *get_args(message_schemas.FeedRequest),
    ]
    classes = {
        "Request ": {cls.type: cls for cls in requests},
        "Message ": message_schemas.MESSAGE_CLASSES,
        "Object ": {
            cls.__name__: cls for cls in nested(message_schemas.MESSAGE_CLASSES.values())
        },
    }
    for kind, named in classes.items():
        tables = page.named(kind)
        yield from differences(f"{kind}headings", tables, named)
        for name in tables.keys() & named.keys():
            yield from table_faults(f"{kind}{name}", tables[name], schema_of(named[name]))
    for name in message_schemas.MESSAGE_CLASSES:
        marked = "Not sent by this version" in page.under.get(f"Message `{name}`", "")
        if marked == sends(name, house):
            yield f"Message {name}: {'is sent, and marked as not sent' if marked else 'is not sent, and not marked so'}"
    for message in page.messages():
        yield from absence_faults(message, page.named("Message ").get(message["type"], []))


def nested(classes: Iterable[type]) -> set[type]:
    """The structs inside these."""
    names = {name for cls in classes for name in schema_of(cls).get("$defs", {})}
    return {
        cls
        for cls in vars(message_schemas).values()
        if is_struct(cls) and cls.__name__ in names
    }


def is_struct(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Struct)


def table_faults(what: str, rows: list[Row], schema: Schema) -> Iterator[str]:
    fields = {name: field for name, field in schema["properties"].items() if name != "type"}
    yield from differences(what, map(key, rows), fields)
    for row in rows:
        if key(row) in fields:
            required = key(row) in schema.get("required", ())
            yield from (
                f"{what}.{key(row)}: {fault}"
                for fault in field_faults(row, fields[key(row)], schema, required)
            )


def field_faults(row: Row, field: Any, schema: Schema, required: bool) -> Iterator[str]:
    """A request's row says whether the field is needed, a message's when it is there."""
    is_request = "needed" in row
    told, real = told_types(row["type"]), {each["type"] for each in variants(field, schema)}
    if is_request or not required:
        real -= {"null"} - told
    if told != real:
        yield f"type {row['type']}, in the code {sorted(real)}"
    if is_request and row["needed"] != ("yes" if required else "no"):
        yield f"needed {row['needed']} is wrong"
    if not is_request and not row["there"]:
        yield "does not say when it is there"
    text = " ".join(row.values())
    yield from (
        f"{word} is not named"
        for word in fixed_words(field, schema) | inner_classes(field)
        if word not in text
    )


def absence_faults(message: dict[str, Any], rows: list[Row]) -> Iterator[str]:
    """What is said to be there always, and is not there in a pasted message."""
    for row in rows:
        if row["there"] == "always" and key(row) not in message:
            yield f"Message {message['type']}.{key(row)}: is not always there"


def told_types(cell: str) -> set[str]:
    """`array of string` is an array, `LastTrade object or null` an object or null."""
    return set(
        re.findall(
            r"\b(?:integer|number|string|boolean|array|object|null)\b",
            re.sub(r" of \w+", "", cell),
        )
    )


@cache
def schema_of(cls: type) -> Schema:
    return TypeAdapter(twin(cls)).json_schema()


def variants(field: Any, schema: Schema) -> Iterator[Any]:
    """The JSON types that a field may have."""
    if "$ref" in field:
        yield from variants(schema["$defs"][field["$ref"].split("/")[-1]], schema)
    elif "anyOf" in field:
        yield from (variant for each in field["anyOf"] for variant in variants(each, schema))
    else:
        yield field


def fixed_words(field: Any, schema: Schema) -> set[str]:
    """The words that the field, or what is in its list, may hold."""
    items = [item for each in variants(field, schema) for item in (each, each.get("items", {}))]
    return {f"`{word}`" for item in items for word in item.get("enum", ())}


def inner_classes(field: Any) -> set[str]:
    names = re.findall(r"#/\$defs/(\w+)", json.dumps(field))
    return {name for name in names if is_struct(getattr(message_schemas, name))}
