"""msgspec reads requests, pydantic explains refusals: both take and refuse the same, and nobody
pays for the one not needed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import message_schemas as wire
from botpit.wire.decode import FEED, TRADING, Fault, Requests, parse
from botpit.wire.explain import Explainer, Refusal
from tests.wire.test_wire_faults import CLASSES, VALID

THOROUGH = settings(deadline=None, database=None, max_examples=1_000)
EXPLAIN = Explainer(wire.TradingRequest | wire.FeedRequest)
FIELDS = sorted(
    {
        "type",
        "spare",
        "Type",
        *(name for cls in CLASSES.values() for name in cls.__struct_fields__),
    }
)

# ------------------------------------------------------------------------------- both read the same

NUMBERS = st.sampled_from([
    "0", "-0", "-0.0", "1", "-1", "1.0", "1e2", "1.5", "1e-7", "1e400", "NaN", "-Infinity", "01", "1.", "9" * 30, "9" * 40,
    str(2**53), str(-(2**53)), str(2**63), str(2**64), "123456789.123456789",
])  # fmt: skip
TEXTS = st.sampled_from([
    "", "BUY", "sell", "Limit", "fok", "GTD", "cancel_BOTH", "trades", "@house", "@house\n", "abc\n", "x" * 65, "x" * 257, "é",
    "a b", "BUYİ", *VALID,
]) | st.text(max_size=3)  # fmt: skip
VALUES = st.recursive(
    NUMBERS | TEXTS.map(json.dumps) | TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False))
    | st.sampled_from(["true", "false", "null", '"\\ud800"', '"\\ud83d\\ude00"']),
    lambda inner: st.lists(inner, max_size=3).map(lambda each: f"[{','.join(each)}]") | inner.map(lambda one: f'{{"a":{one}}}'),
    max_leaves=4,
)  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A valid request with keys put in, repeated, left out or given another value; sometimes with
    bytes changed.
    """
    name = draw(st.sampled_from(sorted(VALID)))
    pairs = [
        ("type", json.dumps(name)),
        *((key, json.dumps(value)) for key, value in VALID[name].items()),
    ]
    own = st.sampled_from([*CLASSES[name].__struct_fields__, "type"])
    for key, value in draw(
        st.lists(st.tuples(own | st.sampled_from(FIELDS), VALUES), max_size=3)
    ):
        pairs.insert(draw(st.integers(0, len(pairs))), (key, value))
    for _ in range(draw(st.integers(0, 1))):
        pairs.pop(draw(st.integers(0, len(pairs) - 1)))
    frame = bytearray(
        ("{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}").encode(
            "utf-8", "surrogatepass"
        )
    )
    for spoilt in draw(st.lists(st.binary(max_size=2), max_size=1)):
        at = draw(st.integers(0, len(frame) - 1))
        frame[at : at + 1] = spoilt
    return bytes(frame)


def explained(data: bytes) -> Any:
    """The request as pydantic reads it; None when it refuses."""
    try:
        return EXPLAIN.read(data)
    except Refusal:
        return None


def taken_at_once(data: bytes) -> bool:
    try:
        return bool(BOTH_PORTS.read(data))
    except ValueError:
        return False


def repeats_a_key(data: bytes) -> bool:
    keys: list[str] = []
    json.loads(data, object_pairs_hook=lambda pairs: keys.extend(key for key, _ in pairs))
    return len(set(keys)) < len(keys)


BOTH_PORTS = Requests(wire.TradingRequest | wire.FeedRequest)


@THOROUGH
@given(requests())
def test_both_take_and_refuse_the_same_and_read_equal_values(data):
    found = parse(data, BOTH_PORTS)
    if isinstance(found, Fault):
        assert (
            explained(data) is None
            or "40 digits" in str(found.details)
            or found.reason == "invalid_json"
        ), (data, found)
    else:
        assert found == explained(data), data
        for name in found.__struct_fields__:
            assert type(getattr(found, name)) is type(getattr(explained(data), name)), (
                data,
                name,
            )
        assert taken_at_once(data) or repeats_a_key(data), data


@pytest.mark.parametrize("name", sorted(VALID))
def test_what_is_right_is_read_without_the_one_that_explains(name):
    """And null is as good as absent."""
    port = FEED if name in ("subscribe", "resume") else TRADING
    absent = dict.fromkeys(set(CLASSES[name].__struct_fields__) - VALID[name].keys())
    whole = json.dumps({"type": name, **absent, **VALID[name]}).encode()
    assert (
        port.read(whole)
        == parse(whole, port)
        == explained(whole)
        == CLASSES[name](**VALID[name])
    )


def test_an_order_is_read_in_a_process_that_never_imports_pydantic():
    script = (
        "import sys; from botpit.wire.decode import parse, Fault\n"
        'assert parse(b\'{"type":"order","side":"buy","qty":1,"price":100.5}\').price == 100.5\n'
        "assert 'pydantic' not in sys.modules\n"
        "assert isinstance(parse(b'{}'), Fault) and 'pydantic' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# ---------------------------------------------------------------------------------------- the traps


@pytest.mark.parametrize("field", ["trader_id", "client_order_id", "symbol"])
@pytest.mark.parametrize("ending", ["\n", "\r", " ", "\u2028"])
def test_an_id_ends_where_its_text_ends(field, ending):
    found = parse(
        json.dumps({"type": "order", **VALID["order"], field: f"abc{ending}"}).encode()
    )
    pattern = "^[A-Za-z0-9_.:/\\-][A-Za-z0-9_.:/@\\-]{0,63}$"
    assert found.details == {"error": f"{field}: String should match pattern '{pattern}'"}
    assert (
        parse(json.dumps({"type": "login", "trader_id": f"@house{ending}"}).encode()).reason
        == "invalid_message"
    )


@pytest.mark.parametrize(
    "where",
    ['"spare":"{}"', '"spare":["{}"]', '"sp{}are":1', '"request_id":"{}"', '"symbol":"{}"'],
)
@pytest.mark.parametrize(
    "spoilt", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5\x80\x80\x80"]
)
def test_bytes_that_are_no_utf8_are_refused_wherever_they_are(where, spoilt):
    start = b'{"type":"order","side":"buy","qty":1,"price":100,'
    assert parse(start + where.encode().replace(b"{}", spoilt) + b"}").reason == "invalid_json"


def test_a_level_has_two_numbers_and_no_more():
    book = {"type": "book_update", "best_bid": 1, "best_ask": None, "asks": [], "timestamp": 1}
    assert wire.parse_messages(json.dumps({**book, "bids": [[1, 2]]}))[0].bids == [(1.0, 2)]
    for level in ([1], [1, 2, 3], [1, 2.5], [True, 1]):
        with pytest.raises(ValueError):
            wire.parse_messages(json.dumps({**book, "bids": [level]}))


@pytest.mark.parametrize(("raw", "told"), [
    ("9" * 41, "a number of more than 40 digits"), ("1.0", "Input should be a valid integer"),
    ("1e2", "Input should be a valid integer"), ('"1"', "Input should be a valid integer"),
    ("true", "Input should be a valid integer"), ("null", "Input should be a valid integer"),
])  # fmt: skip
def test_a_quantity_that_is_none_is_explained(raw, told):
    found = parse(
        f'{{"type":"order","trader_id":"alice","side":"buy","qty":{raw},"price":1}}'.encode()
    )
    assert found.details == {"error": f"qty: {told}"}
    assert (found.answer, found.trader_id) == ("order_rejected", "alice")


@pytest.mark.parametrize("raw", ["9" * 30, str(2**64), str(-(2**63) - 1)])
def test_integers_of_any_size_up_to_40_digits_are_exact(raw):
    found = parse(f'{{"type":"order","side":"buy","qty":{raw},"price":{raw}}}'.encode())
    assert (found.qty, found.price) == (int(raw), float(raw))
    assert type(found.price) is float


def test_an_earlier_value_of_a_repeated_key_does_no_harm():
    data = b'{"type":"ping","type":"order","side":7,"side":"BUY","qty":"1","qty":1,"price":1,"spare":1}'
    with pytest.raises(ValueError):
        TRADING.read(data)
    assert parse(data) == wire.OrderRequest(side=wire.Side.BUY, qty=1, price=1.0)


# ----------------------------------------------------------------------------------- the vocabulary


def test_every_class_says_its_type_as_its_tag():
    for name, cls in {**CLASSES, **wire.MESSAGE_CLASSES}.items():
        assert (cls.type, cls.__struct_config__.tag) == (name, name)
        with pytest.raises(TypeError):
            cls(type=name)


def test_a_request_is_written_with_its_type_and_read_back():
    order = wire.OrderRequest(
        trader_id="alice",
        side=wire.Side.BUY,
        qty=3,
        order_type=wire.OrderType.LIMIT,
        price=100.5,
        client_order_id="c",
    )
    assert order.type == "order"
    assert parse(msgspec.json.encode(order)) == order


def test_a_token_is_in_no_repr():
    assert "secret" not in repr(wire.LoginRequest(trader_id="alice", token="secret"))


def test_messages_of_unknown_types_are_left_out_and_ill_formed_ones_raise():
    pong, later = (
        {"type": "pong", "timestamp": 1, "spare": [1]},
        {"type": "of_a_later_version", "timestamp": {}},
    )
    assert wire.parse_messages(json.dumps([later, pong, later])) == [wire.Pong(timestamp=1)]
    assert wire.parse_messages(" \n" + json.dumps(later)) == wire.parse_messages("[]") == []
    half = f'[{json.dumps(later)},{{"type":"pong"}}]'
    wrong = (
        "{",
        "5",
        "[5]",
        "{}",
        '{"type":5}',
        '{"type":"pong"}',
        '{"type":"pong","timestamp":"x"}',
        "[[]]",
        "[" * 9_999,
        half,
    )
    for text in wrong:
        for frame in (text, text.encode()):
            with pytest.raises(ValueError):
                wire.parse_messages(frame)
