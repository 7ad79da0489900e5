"""A liquidation is told to all, and to the trader himself as numbered private events; his fills are
told to nobody else.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.socketless.requests import order
from tests.socketless.venue import SocketlessVenue


class Pit:
    """Alice, with 1,000.00, is long 50 from 100.00, against dave. Bob's offers draw the mark down,
    Tick by Tick.
    """

    def __init__(self) -> None:
        self.venue = SocketlessVenue("[market]\nstarting_cash = 1000")
        self.clients = {name: self.venue.client() for name in ("alice", "bob", "dave", "erin")}
        for name, client in self.clients.items():
            client.logs_in(name)
        self.places("dave", "sell", 50, 100.0)
        self.places("alice", "buy", 50, 100.0)
        self.listener = self.venue.listener()
        self.heard()

    def places(self, name: str, side: str, qty: int, price: float) -> None:
        assert (
            self.clients[name].sends(order(None, side, qty, price))[0]["type"]
            == "order_accepted"
        )

    def falls_to(self, price: float) -> None:
        self.places("bob", "sell", 1, price)
        while self.venue.exchange.first_market.mark > round(100 * price):
            self.venue.passes(0.1)
            self.venue.gateway.tick(self.venue.now_ns)

    def heard(self) -> dict[str, list[Any]]:
        """What everybody was told since the last time; "@all": on the feed."""
        self.venue.ends_turn()
        told = {name: client.takes() for name, client in self.clients.items()}
        return told | {"@all": self.listener.takes()}


@pytest.fixture
def pit() -> Pit:
    return Pit()


def without_numbers(message: Any) -> Any:
    return {
        key: value
        for key, value in message.items()
        if key not in ("account_seq", "seq", "channel_seq")
    }


def types(messages: list[Any]) -> list[str]:
    return [each["type"] for each in messages]


def test_a_liquidation_and_what_comes_of_it_are_told_to_the_trader_and_to_all(pit):
    pit.falls_to(90.0)
    pit.places("erin", "buy", 2, 87.5)
    pit.heard()
    pit.falls_to(88.0)
    heard = pit.heard()
    own = heard["alice"]
    assert types(own) == ["fill", "liquidation", "account_status"]
    assert [each["account_seq"] - own[0]["account_seq"] for each in own] == [0, 1, 2]
    assert (own[1]["reason"], own[1]["qty"], own[1]["price"]) == (
        "maintenance_margin_breach",
        2,
        87.5,
    )
    assert own[2]["status"] == "frozen"
    public = [
        each for each in heard["@all"] if each["type"] in ("liquidation", "account_status")
    ]
    assert [without_numbers(each) for each in public] == [
        without_numbers(each) for each in own[1:]
    ]
    assert types(heard["erin"]) == ["fill"]
    assert (heard["dave"], heard["bob"][1:]) == ([], [])
    assert "fill" not in types(heard["@all"])
    assert "insurance_update" in types(heard["@all"])


def test_who_is_deleveraged_hears_it_on_his_own_socket_and_all_hear_of_both(pit):
    for price in (90.0, 82.0, 79.0):
        pit.falls_to(price)
    assert pit.venue.exchange.accounts["alice"].bankrupt
    heard = pit.heard()
    assert types(heard["alice"])[-3:] == ["fill", "liquidation", "account_status"]
    assert types(heard["dave"]) == ["fill", "liquidation"]
    fill, liquidation = heard["dave"]
    assert (fill["liquidity"], fill["order_id"], fill["trade_id"], fill["fee"]) == (
        "adl",
        None,
        None,
        0,
    )
    assert (liquidation["trader_id"], liquidation["reason"], liquidation["side"]) == (
        "dave",
        "auto_deleverage",
        "buy",
    )
    public = [
        (each["trader_id"], each["reason"])
        for each in heard["@all"]
        if each["type"] == "liquidation"
    ]
    assert public == [("alice", "bankruptcy"), ("dave", "auto_deleverage")]
    assert "trade" not in types(heard["@all"])
