"""The table of requests: each kind has one row, and every refusal bears the id that its request was
asked under, once.
"""

from __future__ import annotations

from typing import get_args

import pytest

import message_schemas as wire
from tests.socketless.requests import order
from tests.socketless.venue import SocketlessVenue

BEGIN_AND_END = {wire.LoginRequest, wire.LogoutRequest}


def test_every_request_has_a_row_but_those_that_begin_and_end_a_session():
    rows = SocketlessVenue().gateway.routes
    assert rows.keys() | BEGIN_AND_END == set(get_args(wire.TradingRequest))
    assert not rows.keys() & BEGIN_AND_END


def test_only_cancels_have_the_rate_of_cancels():
    rows = SocketlessVenue().gateway.routes
    assert {request for request, row in rows.items() if row.rate == "cancels"} == {
        wire.CancelRequest,
        wire.CancelAllRequest,
    }


REFUSED = [
    (order("bob", "buy", 1, 100.0), "unauthorized"),
    (order(None, "buy", 1, 100.001), "invalid_price"),
    (order(None, "buy", 1, 100.0, post_only=True, time_in_force="ioc"), "invalid_message"),
    ({"type": "cancel"}, "invalid_message"),
    ({"type": "order_status"}, "invalid_message"),
    ({"type": "close"}, "unauthorized"),
    ({"type": "login", "trader_id": "alice"}, "unauthorized"),
    ({"type": "nonsense"}, "invalid_message"),
]


@pytest.mark.parametrize(
    ("request_", "reason"), REFUSED, ids=[f"{each['type']}-{why}" for each, why in REFUSED]
)
@pytest.mark.parametrize("in_an_array", [False, True], ids=["alone", "in an array"])
def test_a_refusal_bears_the_id_of_its_request_once(request_, reason, in_an_array):
    client = SocketlessVenue().client()
    client.logs_in("alice")
    asked = request_ | {"request_id": 7}
    (answer,) = client.sends_raw([asked] if in_an_array else asked)
    assert answer.count(b'"request_id"') == 1 and b'"request_id":7' in answer
    if not (in_an_array and request_["type"] == "login"):
        assert f'"reason":"{reason}"'.encode() in answer


def test_too_fast_bears_it_too():
    venue = SocketlessVenue("[market]\nmax_requests_per_s = 1\nmax_cancels_per_s = 1")
    client = venue.client()
    answers = [
        client.asks(order("alice", "buy", 1, 99.0, request_id=number)) for number in range(3)
    ]
    assert [each["request_id"] for each in answers] == [0, 1, 2]
    assert answers[-1]["reason"] == "rate_limited"
