"""Bad requests at the border: each kind is refused with its reason and the name of its field, and
touches nothing.
"""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import message_schemas as wire
from tests.socketless.market import START_MS
from tests.socketless.requests import order
from tests.socketless.rules import TWO_MARKETS
from tests.socketless.venue import SocketlessVenue

THOROUGH = settings(deadline=None, database=None, max_examples=300)
TRADER = {"trader_id": "alice"}
IDS = {"order_id": 7, "client_order_id": "c-1"}

# ---------------------------------------------------------------------------------- what is refused

VALID: dict[str, dict[str, Any]] = {
    "login": TRADER,
    "order": {k: v for k, v in order("alice").items() if k != "type"},
    "place_order": {**TRADER, "side": "buy", "quantity": 1, "price": 100},
    "cancel": {**TRADER, "order_id": 1},
    "cancel_all": TRADER,
    "replace": {**TRADER, "order_id": 1, "qty": 2},
    "order_status": {**TRADER, "order_id": 1},
    "open_orders": TRADER,
    "account": TRADER,
    "logout": {},
    "ping": {},
    "close": {},
    "reopen": {},
    "subscribe": {},
    "resume": {"from_seq": 1},
}
REFUSAL = {
    "order": "order_rejected", "place_order": "order_rejected", "replace": "replace_rejected", "cancel": "cancel_rejected",
    "cancel_all": "cancel_rejected",
}  # fmt: skip
CLASSES = {cls.type: cls for cls in get_args(wire.TradingRequest | wire.FeedRequest)}
NUMBERS = ("Quantity", "Price", "OrderId", "RequestId", "EpochMs", "SequenceNumber")
IGNORES_UNKNOWN_KEYS = {"order", "place_order"}


def annotations_of(cls: type) -> dict[str, str]:
    """As they are written, its base's too."""
    return {
        name: hint
        for each in reversed(cls.__mro__)
        for name, hint in vars(each).get("__annotations__", {}).items()
    }


def fields_of(kinds: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """(request, field, annotation) of every field of every request whose annotation names one of the kinds."""
    return [
        (name, field, str(hint)) for name, cls in CLASSES.items() for field, hint in annotations_of(cls).items()
        if any(kind in str(hint) for kind in kinds)
    ]  # fmt: skip


def test_there_is_a_valid_sample_of_every_request():
    assert set(VALID) == set(CLASSES)
    for name in VALID:
        assert answer_to({"type": name, **VALID[name]}).get("reason") not in (
            "invalid_json",
            "invalid_message",
        ), name


def answer_to(frame: Any) -> dict[str, Any]:
    """The one answer of the port that takes such a request."""
    frame = frame if isinstance(frame, str | bytes) else json.dumps(frame)
    if any(f'"type": "{name}"' in str(frame) for name in ("subscribe", "resume")):
        listener = SocketlessVenue().listener()
        listener.takes()
        return listener.sends(frame)[0]
    return SocketlessVenue(TWO_MARKETS).client().asks(frame)


def refused(frame: Any) -> tuple[str, str, str]:
    """(type, reason, details.error) of what refuses the frame, after making sure that it touched nothing."""
    venue = SocketlessVenue(TWO_MARKETS)
    client = venue.client()
    before = venue.state()
    answer = answer_to(frame)
    if answer["type"] != "error":
        assert (
            client.asks(frame if isinstance(frame, str | bytes) else json.dumps(frame))
            == answer
        )
    assert venue.state() == before
    error = answer["details"]["error"]
    assert error.isascii() and error.isprintable(), error
    return answer["type"], answer["reason"], error


def with_raw(name: str, field: str, raw: str) -> str:
    """A valid request in which one field is written as `raw`."""
    fields = json.dumps(
        {"type": name} | {key: value for key, value in VALID[name].items() if key != field}
    )
    return f'{fields[:-1]}, "{field}": {raw}}}'


def assert_names_the_field(name: str, field: str, raw: str) -> None:
    kind, reason, error = refused(with_raw(name, field, raw))
    assert (kind, reason) == (REFUSAL.get(name, "error"), "invalid_message"), (field, raw)
    assert error.partition(":")[0].partition(".")[0] == field, error


@pytest.mark.parametrize(("name", "field", "kind"), fields_of(NUMBERS))
def test_a_number_is_a_number_and_nothing_else(name, field, kind):
    for raw in ("true", "[1]", "{}", *(() if "RequestId" in kind else ('"5"',))):
        assert_names_the_field(name, field, raw)
    for raw in () if "Price" in kind else ("1.0", "1e2", "1.5", "1E0"):
        assert_names_the_field(name, field, raw)


@pytest.mark.parametrize(("name", "field", "kind"), fields_of(NUMBERS))
def test_no_number_overflows_or_has_more_than_40_digits(name, field, kind):
    for raw in (
        "9" * 41,
        "-" + "9" * 41,
        "9" * 5_000,
        "1e999",
        "-1e999",
        "0." + "0" * 40 + "1",
    ):
        assert_names_the_field(name, field, raw)


@pytest.mark.parametrize(
    "raw",
    [
        "1" * 41,
        "0." + "1" * 40,
        "[[" + "1" * 41 + "]]",
        '{"deep":{"er":' + "7" * 60 + "}}",
        "9" * 5_000,
    ],
)
@pytest.mark.parametrize("name", sorted(IGNORES_UNKNOWN_KEYS))
def test_nor_does_one_in_a_key_that_is_ignored(name, raw):
    assert_names_the_field(name, "spare", raw)


@pytest.mark.parametrize(
    "raw",
    [
        "1" * 40,
        "0." + "1" * 39,
        "[1234567890, 1234567890, 1234567890, 1234567890, 1234567890]",
        '"' + "1" * 90 + '"',
    ],
)
def test_forty_digits_and_many_short_numbers_are_none_too_long(raw):
    assert answer_to(with_raw("order", "spare", raw))["type"] == "order_accepted"


@pytest.mark.parametrize(
    "raw",
    [
        "9" * 40,
        "1" + "0" * 39,
        str(2**63),
        str(2**64),
        str(-(2**63)),
        "0",
        "-0",
        "-1",
        "1000001",
    ],
)
def test_a_quantity_out_of_range_is_invalid_qty(raw):
    answer = answer_to(with_raw("order", "qty", raw))
    assert (answer["reason"], answer["details"]) == (
        "invalid_qty",
        {"min_qty": 1, "max_qty": 1_000_000},
    )


@pytest.mark.parametrize(
    "raw",
    [
        "9" * 40,
        "1" + "0" * 39,
        "1e39",
        "1e300",
        str(2**63),
        str(2**64),
        "0",
        "-0",
        "-0.0",
        "-5",
        "1000000.01",
        "1e-300",
    ],
)
def test_a_price_out_of_range_is_invalid_price(raw):
    assert answer_to(with_raw("order", "price", raw))["reason"] == "invalid_price"


def test_the_range_is_exactly_that_of_the_instrument():
    market = "[[instruments]]\nmin_price = 95\nmax_price = 105\nmin_qty = 3\nmax_qty = 50"
    client = SocketlessVenue(market).client()
    for price, reason in (
        (94.99, "invalid_price"),
        (95, None),
        (105, None),
        (105.01, "invalid_price"),
    ):
        assert (
            client.asks(order("alice", "buy" if price < 100 else "sell", 3, price)).get(
                "reason"
            )
            == reason
        ), price
    for qty, reason in ((2, "invalid_qty"), (3, None), (50, None), (51, "invalid_qty")):
        assert client.asks(order("bob", qty=qty, price=95)).get("reason") == reason, qty


@pytest.mark.parametrize("raw", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", ["price", "qty", "spare", "request_id"])
def test_nan_and_infinity_are_no_json(field, raw):
    assert refused(with_raw("order", field, raw))[:2] == ("order_rejected", "invalid_json")
    assert refused(with_raw("order", field, f'[{{"deep": {raw}}}]'))[:2] == (
        "order_rejected",
        "invalid_json",
    )
    assert answer_to(with_raw("order", "spare", f'"{raw}"'))["type"] == "order_accepted", (
        "as text it is text"
    )


@pytest.mark.parametrize("frame", [
    "", " ", "{", "}", "{]", '{"type":"ping",}', '{"type":"ping"} x', '{"type":"ping"}{"type":"ping"}', "{'type':'ping'}",
    '{"type":"ping"', '{type:"ping"}', '{"type":"pi\nng"}', '{"type":"\\x"}', "nul", "01", '\ufeff{"type":"ping"}', "[",
    "[{]", "[1,]",
    '[{"type":"ping"},{"type":}]', "[NaN]", "// hello",
])  # fmt: skip
def test_what_is_no_json_is_invalid_json(frame):
    kind, reason, _ = refused(frame)
    assert (kind, reason) == ("order_rejected", "invalid_json")


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff",
        b'{"type":"ping","request_id":"\xc3"}',
        b'{"type":"\xed\xa0\x80"}',
        b"\x00",
        b"{\x00}",
    ],
)
def test_nor_are_bytes_that_are_no_utf8(frame):
    assert refused(frame)[:2] == ("order_rejected", "invalid_json")


@pytest.mark.parametrize("frame", ["5", "null", "true", '"order"', "{}", '{"type":null}', '{"type":5}', '{"type":["order"]}',
                                   '{"type":"nope"}', '{"type":"Order","trader_id":"alice"}', '{"TYPE":"order"}'])  # fmt: skip
def test_what_has_no_known_type_is_an_order_rejected(frame):
    kind, reason, _ = refused(frame)
    assert (kind, reason) == ("order_rejected", "invalid_message")


@pytest.mark.parametrize(
    "name", sorted(set(VALID) - {"logout", "ping", "close", "reopen", "subscribe"})
)
def test_a_missing_field_is_named(name):
    required = [
        key
        for key in VALID[name]
        if key not in ("trader_id", "order_id", "qty", "price") or name == "login"
    ]
    for field in required:
        kind, reason, error = refused(
            {"type": name} | {key: value for key, value in VALID[name].items() if key != field}
        )
        assert (kind, reason, error.partition(":")[0]) == (
            REFUSAL.get(name, "error"),
            "invalid_message",
            field,
        )


@pytest.mark.parametrize("name", sorted(set(VALID) - IGNORES_UNKNOWN_KEYS))
def test_an_unknown_key_is_refused_by_name(name):
    assert_names_the_field(name, "spare", "1")
    assert_names_the_field(name, "Trader_id", '"alice"')


@pytest.mark.parametrize("name", sorted(IGNORES_UNKNOWN_KEYS))
def test_an_unknown_key_is_ignored_on_order(name):
    frame = {
        "type": name,
        **VALID[name],
        "spare": {"any": ["thing", None, True, 1.5]},
        "Qty": "x",
    }
    assert answer_to(frame)["type"] == "order_accepted"


def test_of_a_repeated_key_the_last_wins():
    frame = (
        '{"type":"ping","type":"order","trader_id":"@x","trader_id":"alice","side":"buy",'
        '"qty":"1","qty":1,"price":1,"qty":3,"price":99}'
    )
    answer = answer_to(frame)
    assert (answer["trader_id"], answer["qty"], answer["price"]) == ("alice", 3, 99.0)
    assert refused(frame[:-1] + ',"qty":true}')[2].startswith("qty:")
    refusal = (
        SocketlessVenue()
        .client()
        .asks(frame[:-1] + ',"qty":1,"qty":0,"client_order_id":"a","client_order_id":"b"}')
    )
    assert (refusal["reason"], refusal["client_order_id"]) == ("invalid_qty", "b")
    long_but_lost = frame.replace('"qty":"1"', f'"qty":{"9" * 50}')
    assert answer_to(long_but_lost)["qty"] == 3


# --------------------------------------------------------------------------------------- words, ids


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("side", "hold"),
        ("order_type", "stop"),
        ("time_in_force", "day"),
        ("stp", "none"),
        ("side", ""),
    ],
)
def test_an_unknown_word_is_named(field, word):
    assert_names_the_field("order", field, json.dumps(word))


def test_elsewhere_words_are_lower_case_only():
    assert_names_the_field("cancel_all", "side", '"BUY"')
    assert_names_the_field("subscribe", "channels", '["TRADES"]')
    assert_names_the_field("subscribe", "channels", '["trades", "gossip"]')


ALLOWED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/@-"
FORBIDDEN = [
    "", "@fees", "@insurance", "@", "a b", " a", "a ", "a\n", "\na", "a\0", "a\x1b[2J", "é", "\u0430", "a\u202e", "😀",
    'a"', "a\\", "a%s", "a{}", "a,b", "=1", "+1", "x" * 65, "\u212a",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "field", "kind"),
    [each for each in fields_of(("ClientId",)) if "list" not in each[2]],
)
def test_an_id_is_1_to_64_plain_characters_and_not_the_houses(name, field, kind):
    for text in FORBIDDEN:
        assert_names_the_field(name, field, json.dumps(text))
    for text in (*ALLOWED.replace("@", ""), "x" * 64, "a@b", "-@", ALLOWED[1:64]):
        reason = answer_to(with_raw(name, field, json.dumps(text))).get("reason")
        assert reason not in ("invalid_json", "invalid_message"), text
    assert refused(with_raw(name, field, '"\\ud800"'))[1] in ("invalid_json", "invalid_message")


@pytest.mark.parametrize(("name", "field", "kind"), fields_of(("bool",)))
def test_a_flag_is_true_or_false(name, field, kind):
    for raw in ("1", "0", '"true"', "[]"):
        assert_names_the_field(name, field, raw)


# -------------------------------------------------------------------------- fields that go together


@pytest.mark.parametrize(("change", "named"), [
    ({"price": None}, "price"),
    ({"order_type": "market"}, "price"),
    ({"time_in_force": "gtd"}, "expires_at"),
    ({"expires_at": START_MS}, "expires_at"),
    ({"expires_at": START_MS, "time_in_force": "ioc"}, "expires_at"),
    ({"order_type": "market", "price": None, "time_in_force": "gtd", "expires_at": START_MS}, "expires_at"),
    ({"order_type": "market", "price": None, "expires_at": START_MS}, "expires_at"),
    ({"order_type": "market", "price": None, "post_only": True}, "post_only"),
    ({"time_in_force": "ioc", "post_only": True}, "post_only"),
    ({"time_in_force": "fok", "post_only": True}, "post_only"),
    ({"trader_id": None}, "trader_id"),
])  # fmt: skip
def test_fields_of_an_order_that_do_not_go_together(change, named):
    kind, reason, error = refused({"type": "order", **VALID["order"], **change})
    assert (kind, reason) == ("order_rejected", "invalid_message")
    assert error.startswith(f"{named}:")


@pytest.mark.parametrize("name", ["cancel", "replace", "order_status"])
def test_an_order_is_named_by_one_id_at_least(name):
    kind, reason, error = refused(
        {"type": name, **TRADER, **({"qty": 1} if name == "replace" else {})}
    )
    assert (kind, reason) == (REFUSAL.get(name, "error"), "invalid_message")
    assert "order_id" in error


def test_a_replace_changes_something():
    kind, reason, error = refused({"type": "replace", **TRADER, "order_id": 1})
    assert (kind, reason) == ("replace_rejected", "invalid_message")
    assert "price" in error and "qty" in error


def test_ids_are_echoed_where_they_are_valid_else_null():
    whole = answer_to({"type": "cancel", **TRADER, **IDS, "request_id": "r", "spare": 1})
    assert {
        key: whole[key] for key in ("trader_id", "order_id", "client_order_id", "request_id")
    } == {
        **TRADER,
        **IDS,
        "request_id": "r",
    }
    broken = answer_to(
        {
            "type": "cancel",
            "trader_id": "@fees",
            "order_id": "7",
            "client_order_id": "a b",
            "request_id": "r" * 65,
        }
    )
    assert {
        key: broken[key] for key in ("trader_id", "order_id", "client_order_id")
    } == dict.fromkeys(("trader_id", *IDS))
    assert "request_id" not in broken
    for unreadable in ('{"trader_id":"alice"}', '{"type":"order","trader_id":"alice"'):
        assert answer_to(unreadable)["client_order_id"] is None
    assert answer_to('{"type":"order","trader_id":"alice"')["trader_id"] is None


@pytest.mark.parametrize(
    "frame",
    [
        "5",
        "[]",
        "{",
        '{"type":"order"',
        "nope",
        '{"type":"nope","trader_id":"alice"}',
        '{"trader_id":"alice"}',
    ],
)
def test_what_cannot_be_parsed_or_has_no_known_type_names_no_trader(frame):
    assert answer_to(frame)["trader_id"] is None


# -------------------------------------------------------------------------------------- request ids


@pytest.mark.parametrize(
    "asked", ["r", "", "x" * 64, 'q"\\\n\u202eé😀', 0, -1, 2**53 - 1, -(2**53) + 1]
)
@pytest.mark.parametrize("name", sorted(VALID))
def test_a_request_id_comes_back_in_the_one_answer(name, asked):
    assert answer_to({"type": name, **VALID[name], "request_id": asked})["request_id"] == asked
    spoilt = {
        "type": name,
        **VALID[name],
        "request_id": asked,
        "trader_id": "@",
        "from_seq": "x",
        "channels": 5,
    }
    refusal = answer_to(spoilt)
    assert (refusal["reason"], refusal["request_id"]) == ("invalid_message", asked)


@pytest.mark.parametrize(
    "raw", ['"' + "x" * 65 + '"', str(2**53), str(-(2**53)), "1.5", "true", "[]"]
)
def test_other_request_ids_are_refused(raw):
    assert_names_the_field("ping", "request_id", raw)


# ---------------------------------------------------------------------------------- arrays, nesting


@pytest.mark.parametrize("count", [1, 2, 100])
def test_an_array_of_1_to_100_requests_has_as_many_answers_in_order(count):
    answers = (
        SocketlessVenue()
        .client()
        .asks([{"type": "ping", "request_id": n} for n in range(count)])
    )
    assert [(each["type"], each["request_id"]) for each in answers] == [
        ("pong", n) for n in range(count)
    ]


@pytest.mark.parametrize(
    "frame",
    ["[]", " [ ] ", "[" + ",".join(["{}"] * 101) + "]", "[" + ",".join(["1"] * 30_000) + "]"],
)
def test_an_empty_or_longer_one_has_one_answer(frame):
    kind, reason, error = refused(frame)
    assert (kind, reason) == ("order_rejected", "invalid_message")
    assert "1 to 100" in error


def test_each_element_has_its_own_fault():
    ping = {"type": "ping"}
    client = SocketlessVenue().client()
    faulty = [5, [ping], {"type": "nope"}, {"type": "cancel", "trader_id": "a"}]
    answers = client.asks([ping, *faulty, order("alice"), ping])
    expected = [
        "pong",
        "order_rejected",
        "order_rejected",
        "order_rejected",
        "cancel_rejected",
        "order_accepted",
        "pong",
    ]
    assert [each["type"] for each in answers] == expected
    assert {each["reason"] for each in answers if "reason" in each} == {"invalid_message"}


def test_login_and_logout_do_not_go_into_an_array():
    venue = SocketlessVenue()
    client = venue.client()
    answers = client.asks([{"type": "login", "trader_id": "alice"}, {"type": "logout"}])
    assert [each["type"] for each in answers] == ["error", "error"]
    assert not venue.exchange.accounts
    assert client.logs_in("alice")["session"] == 1


def test_an_array_may_begin_with_white_space():
    assert [
        each["type"] for each in SocketlessVenue().client().asks(' \t\r\n[{"type":"ping"}]\n')
    ] == ["pong"]


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_64_levels_are_taken_and_65_are_not(opening, closing):
    def nested(levels: int) -> str:
        return with_raw("order", "spare", opening * levels + "1" + closing * levels)

    assert answer_to(nested(63))["type"] == "order_accepted"
    assert refused(nested(64))[:2] == ("order_rejected", "invalid_json")
    assert refused(nested(10_000))[:2] == ("order_rejected", "invalid_json")
    assert refused(opening * 10_000)[:2] == ("order_rejected", "invalid_json")


def test_brackets_within_text_are_no_nesting():
    assert (
        answer_to(with_raw("order", "spare", json.dumps('["{' * 100 + "\\")))["type"]
        == "order_accepted"
    )


def test_a_deep_element_is_one_refusal_among_its_neighbours_or_of_the_frame():
    deep = with_raw("order", "spare", "[" * 200 + "]" * 200)
    answers = SocketlessVenue().client().asks(f'[{{"type":"ping"}},{deep}]')
    refusal = answers[1] if isinstance(answers, list) else answers
    assert (refusal["type"], refusal["reason"]) == ("order_rejected", "invalid_json")


# --------------------------------------------------------------------------------------- the fuzzer


def mangled(data: st.DataObject) -> bytes:
    """A valid request with some bytes changed, cut out or put in."""
    name = data.draw(st.sampled_from(sorted(VALID)))
    frame = bytearray(json.dumps({"type": name, **VALID[name], "request_id": 5}).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.binary(max_size=2) | st.sampled_from([b'"', b"[", b"{", b"9", b"\\u"])
        )
    return bytes(frame)


@THOROUGH
@given(st.data())
def test_whatever_comes_has_one_answer_and_stops_nothing(data):
    frame = data.draw(st.binary(max_size=200)) if data.draw(st.booleans()) else mangled(data)
    venue = SocketlessVenue()
    client = venue.client()
    answers = client.sends(frame)
    assert len(answers) == 1
    assert client.session.ended or client.sends('{"type":"ping"}')[0]["type"] == "pong"
    listener = venue.listener()
    listener.takes()
    assert [each["type"] for each in listener.sends(frame)][:1] in (
        ["error"],
        ["subscribed"],
        ["resumed"],
    )
