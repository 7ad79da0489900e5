"""The second engine alone, against numbers worked out with a pencil: the judge of the real one must
itself be judged.
"""

import pytest

from botpit.core.commands import (
    BUY,
    SELL,
    Cancel,
    CancelAll,
    Close,
    Deposit,
    Freeze,
    Halt,
    Login,
    Open,
    Order,
    Replace,
    SessionLost,
    SetMark,
    Tick,
)
from botpit.core.instrument import Instrument, Rules
from tests.laws import slow_engine
from tests.laws.slow_engine import SlowExchange

TERMS = {
    "tick_units": 1,
    "tick_decimals": 0,
    "lot": "1",
    "tick_value": 1,
    "reference_price": 100,
    "min_price": 1,
    "max_price": 1000,
    "min_qty": 1,
    "max_qty": 1000,
    "maker_fee_bps": 0,
    "taker_fee_bps": 0,
    "liquidation_fee_bps": 0,
    "initial_margin_bps": 2000,
    "maintenance_margin_bps": 1000,
    "price_band_bps": 1000,
    "mark_move_bps": 100,
    "max_open_orders": 6,
    "max_order_qty": 500,
    "max_order_notional": 100_000,
    "max_position": 0,
}
RULES = {
    "money_decimals": 0,
    "starting_cash": 1000,
    "self_trade_prevention": "cancel_resting",
    "insurance_fund": 0,
    "max_accounts": 6,
    "mark_to_market_ms": 1000,
    "settle_window_s": 30,
}
SECOND_NS = 1_000_000_000


class Pit:
    """Everybody has 1,000; a tick of a lot is worth 1; everything stands at 100; initial margin 20
    %, maintenance 10 %.
    """

    def __init__(self, symbols=("SIM",), **terms):
        rules = {name: terms.pop(name, value) for name, value in RULES.items()}
        instruments = tuple(Instrument(symbol=symbol, **(TERMS | terms)) for symbol in symbols)
        self.exchange = SlowExchange(Open("pit", Rules(**rules), instruments))
        self.now_ns = 100 * SECOND_NS

    def tell(self, command, after_ms=0):
        self.now_ns += after_ms * 1_000_000
        self.events = self.exchange.apply(command, self.now_ns)
        held = [
            each
            for account in self.exchange.accounts.values()
            for each in account.positions.values()
        ]
        cash = (
            sum(each.cash for each in self.exchange.accounts.values())
            + self.exchange.fees
            + self.exchange.insurance
        )
        assert cash - sum(each.cost for each in held) == self.exchange.paid_in
        return self.events

    def order(self, trader, side, qty, price, symbol="SIM", **more):
        return self.tell(Order(trader, symbol, side, qty, price, **more))

    def buys(self, trader, qty, at, *names, **more):
        return self.order(trader, BUY, qty, at, *names, **more)

    def sells(self, trader, qty, at, *names, **more):
        return self.order(trader, SELL, qty, at, *names, **more)

    def trade(self, buyer, seller, qty, at, symbol="SIM"):
        self.sells(seller, qty, at, symbol)
        self.buys(buyer, qty, at, symbol)

    def tick(self, mark=None, symbol="SIM", after_ms=100):
        """Put the mark somewhere, let time pass. The books hold it there: one side is empty, the
        other no better than it.
        """
        if mark is not None:
            self.tell(SetMark(symbol, mark))
        return self.tell(Tick(), after_ms)

    def told(self, event, *names):
        """Of every event of this kind in the last answer: the named fields."""
        return [
            tuple(fields[name] for name in names)
            for kind, fields in self.events
            if kind == event
        ]

    @property
    def kinds(self):
        return [kind for kind, _ in self.events]

    @property
    def refusal(self):
        [(kind, fields)] = self.events
        assert kind == "Rejected"
        return fields["reason"], fields["details"]

    def account(self, trader, symbol="SIM"):
        """Cash, lots, signed cost."""
        account = self.exchange.accounts[trader]
        return account.cash, account.positions[symbol].lots, account.positions[symbol].cost

    def status(self, trader):
        return self.exchange.accounts[trader].status


class TestOrders:
    def test_price_then_time_then_the_remainder_rests(self):
        pit = Pit()
        pit.sells("bob", 5, 101)
        pit.sells("carol", 5, 100)
        pit.sells("dave", 5, 101)
        pit.buys("alice", 12, 101)
        assert pit.told("Trade", "seller", "price", "qty") == [
            ("carol", 100, 5),
            ("bob", 101, 5),
            ("dave", 101, 2),
        ]
        pit.buys("alice", 9, 101)
        assert pit.told("OrderAdded", "price", "qty") == [(101, 6)]
        assert pit.kinds == [
            "OrderAccepted",
            "Trade",
            "Fill",
            "Fill",
            "OrderRemoved",
            "OrderAdded",
            *["PositionUpdate"] * 2,
        ]

    @pytest.mark.parametrize(
        ("prevention", "bought", "cancelled"),
        [
            (
                "cancel_resting",
                5,
                [("alice", 2)],
            ),  # her own 2 go, then 3 from bob after the 2 of carol
            ("cancel_incoming", 2, [("alice", 3)]),  # 2 from carol, then the rest of her 5
            ("cancel_both", 2, [("alice", 2), ("alice", 3)]),
        ],
    )
    def test_nobody_trades_with_himself(self, prevention, bought, cancelled):
        pit = Pit()
        pit.sells("carol", 2, 100)
        pit.sells("alice", 2, 100)
        pit.sells("bob", 5, 100)
        pit.buys("alice", 5, 100, self_trade_prevention=prevention)
        assert sum(qty for (qty,) in pit.told("Trade", "qty")) == bought
        assert pit.told("OrderCancelled", "trader", "cancelled_qty") == cancelled

    def test_a_fok_fills_whole_or_touches_nothing(self):
        pit = Pit()
        pit.sells("bob", 3, 100)
        pit.sells("alice", 1, 100)
        pit.buys("alice", 4, 100, time_in_force="fok")
        assert pit.refusal == ("fok_unfillable", {"fillable_qty": 3})
        assert [each.leaves for each in pit.exchange.markets["SIM"].books[SELL]] == [3, 1]
        pit.buys("alice", 3, 100, time_in_force="fok", self_trade_prevention="cancel_incoming")
        assert pit.told("Trade", "qty") == [(3,)]

    def test_what_may_not_rest_is_cancelled(self):
        pit = Pit()
        pit.buys("alice", 1, None)
        assert pit.refusal == ("no_liquidity", {})
        pit.sells("bob", 2, 110)
        pit.sells("bob", 2, 109)
        pit.buys("alice", 3, 109, time_in_force="ioc")
        assert pit.told("OrderCancelled", "cancelled_qty", "reason") == [(1, "ioc")]
        pit.tell(SetMark("SIM", 104))
        pit.buys("alice", 3, None)  # the band ends at 114
        assert pit.told("Trade", "price", "qty") == [(110, 2)]
        assert pit.told("OrderCancelled", "cancelled_qty", "reason") == [(1, "price_band")]

    def test_reduce_only_ends_with_the_position(self):
        pit = Pit()
        pit.trade("alice", "bob", 5, at=100)
        pit.sells("alice", 8, 101, reduce_only=True)
        pit.sells("alice", 1, 102, reduce_only=True)
        pit.buys(
            "carol", 9, 102
        )  # 5 of 8, the other 3 are cancelled; the next finds nothing left to reduce
        assert pit.told("Trade", "price", "qty") == [(101, 5)]
        assert pit.told("OrderCancelled", "cancelled_qty", "reason") == [
            (3, "reduce_only"),
            (1, "reduce_only"),
        ]
        pit.buys("bob", 1, 102, reduce_only=True)
        pit.sells("alice", 1, 100, reduce_only=True)
        assert pit.refusal == ("reduce_only_would_increase", {"position": 0})

    def test_a_replace_keeps_its_place_or_takes_the_incoming_orders_way(self):
        pit = Pit()
        pit.sells("bob", 5, 101)
        pit.sells("carol", 5, 101)
        pit.tell(Replace("bob", order_id=1, qty=4))
        assert pit.kinds == ["OrderReplaced", "OrderReduced"]
        pit.buys("alice", 1, 101)
        assert pit.told("Trade", "seller") == [("bob",)]
        pit.tell(Replace("bob", order_id=1, qty=1))
        assert pit.refusal == ("invalid_qty", {"filled_qty": 1})
        pit.tell(Replace("bob", order_id=1, qty=7))
        assert pit.told("OrderReplaced", "qty", "leaves_qty", "kept_priority") == [
            (7, 6, False)
        ]
        pit.buys("alice", 1, 101)
        assert pit.told("Trade", "seller") == [("carol",)]

    def test_one_answer_per_client_order_id(self):
        pit = Pit()
        first = pit.buys("alice", 1, 99, client_order_id="a")
        assert pit.buys("alice", 1, 99, client_order_id="a") == [
            ("OrderAccepted", first[0][1] | {"repeated": True})
        ]
        pit.buys("alice", 2, 99, client_order_id="a")
        assert pit.refusal == ("duplicate_client_order_id", {})
        refused = pit.buys("alice", 1, 111, client_order_id="b")
        assert pit.refusal == ("price_band", {"band_low": 90, "band_high": 110})
        pit.tick(110)
        assert pit.buys("alice", 1, 111, client_order_id="b") == refused
        pit.tell(Cancel("alice", client_order_id="b"))
        assert pit.refusal == ("unknown_order", {})

    def test_initial_margin_to_the_last_unit(self):
        pit = Pit()
        # 30 open buys at 90 are 2,700 of exposure. 23 more at 100 are 5,000: 20 % of that are the
        # 1,000 alice has.
        pit.buys("alice", 30, 90)
        pit.buys("alice", 23, 100)
        assert pit.kinds == ["OrderAccepted", "OrderAdded"]
        pit.sells("alice", 50, 98)
        # Sells count at max(limit, mark) = 100, so 5,000; but 50 sold 2 under the mark would lose
        # 100: 900 < 1,000.
        pit.tell(CancelAll("alice", side=BUY))
        pit.sells("alice", 50, 98)
        assert pit.refusal == (
            "initial_margin_insufficient",
            {"equity": 1000, "required_margin": 1000},
        )

    def test_a_frozen_account_may_only_reduce(self):
        pit = Pit()
        pit.trade("alice", "bob", 5, at=100)
        pit.tell(Freeze("alice"))
        pit.buys("alice", 1, 100)
        assert pit.refusal == ("account_frozen", {})
        pit.sells("alice", 4, 101)
        assert pit.kinds == ["OrderAccepted", "OrderAdded"]
        pit.sells("alice", 2, 101)  # 4 wait already: together they could take her short
        assert pit.refusal == ("account_frozen", {})

    def test_orders_end_with_their_session_or_their_time(self):
        pit = Pit()
        pit.tell(Login("alice", cancel_on_disconnect=True))
        pit.buys("alice", 1, 99, session=1)
        pit.buys("alice", 1, 98, time_in_force="gtd", expires_at_ns=pit.now_ns + SECOND_NS)
        pit.tell(SessionLost("alice", 1))
        assert pit.told("OrderCancelled", "order_id", "reason") == [(1, "disconnect")]
        pit.tick(after_ms=999)
        assert not pit.told("OrderCancelled")
        pit.tick(after_ms=1)
        assert pit.told("OrderCancelled", "order_id", "reason") == [(2, "expired")]


class TestMoney:
    def test_average_cost_releases_rounded_down_and_all_at_the_end(self):
        pit = Pit()
        pit.trade("alice", "bob", 1, at=100)
        pit.trade("alice", "bob", 2, at=101)
        pit.trade("bob", "alice", 1, at=105)
        assert pit.account("alice") == (
            1005,
            2,
            202,
        )  # 302 x 1 / 3 = 100.67: 100 released, 5 won
        assert pit.account("bob") == (995, -2, -202)
        pit.trade("bob", "alice", 5, at=100)
        assert pit.account("alice") == (1003, -3, -300)  # 2 closed at 200 for 202, 3 sold anew

    def test_fees_are_rounded_up_and_a_rebate_too(self):
        pit = Pit(taker_fee_bps=15, maker_fee_bps=-5)
        pit.trade("alice", "bob", 11, at=100)
        # 1,100 x 0.15 % = 1.65: alice pays 2. 1,100 x -0.05 % = -0.55, rounded up: bob gets nothing.
        assert pit.told("Fill", "trader", "fee") == [("alice", 2), ("bob", 0)]
        pit.trade("alice", "bob", 20, at=100)
        assert pit.told("Fill", "trader", "fee") == [("alice", 3), ("bob", -1)]
        assert pit.exchange.fees == 2 + 3 - 1


class TestMarks:
    def test_a_tick_moves_the_mark_one_per_cent_at_most(self):
        pit = Pit(reference_price=500, max_order_notional=1_000_000)
        pit.trade("alice", "bob", 1, at=520)
        pit.buys("carol", 1, 508)
        pit.sells("dave", 1, 540)
        marks = []
        for _ in range(5):
            pit.tick()
            marks.append(pit.exchange.markets["SIM"].mark)
        assert marks == [505, 510, 515, 520, 520]

    def test_a_missing_side_binds_at_the_mark(self):
        pit = Pit()
        pit.trade("alice", "bob", 1, at=105)
        pit.tick()
        assert pit.exchange.markets["SIM"].mark == 100  # nobody bids, nobody asks
        pit.buys("carol", 1, 101)
        pit.tick()
        pit.tick()
        assert pit.exchange.markets["SIM"].mark == 101  # no ask: not above the best bid
        pit.sells("dave", 1, 103)
        pit.tick()
        pit.tick()
        pit.tick()
        assert pit.exchange.markets["SIM"].mark == 103

    def test_mark_to_market_tells_what_moved_once_a_second(self, monkeypatch):
        pit = Pit()
        pit.trade("alice", "bob", 1, at=100)
        pit.tick(101)
        assert pit.told("PositionUpdate", "trader", "mark", "equity") == [
            ("alice", 101, 1001),
            ("bob", 101, 999),
        ]
        pit.tick(102, after_ms=999)
        assert not pit.events
        pit.tick(after_ms=1)
        assert pit.told("PositionUpdate", "trader", "mark") == [("alice", 102), ("bob", 102)]
        monkeypatch.setattr(slow_engine, "TOLD_PER_TICK", 1)
        pit.tick(103, after_ms=1000)
        assert pit.told("PositionUpdate", "trader") == [("alice",)]
        pit.tick()
        assert pit.told("PositionUpdate", "trader") == [("bob",)]
        pit.tick()
        assert not pit.events
        pit.tick(after_ms=5000)
        assert not pit.events


class TestLiquidation:
    def test_fill_by_fill_until_initial_margin_is_restored(self):
        pit = Pit()
        pit.trade("alice", "bob", 50, at=100)
        pit.tell(SetMark("SIM", 88))
        for qty, price in ((10, 87), (20, 86), (5, 85)):
            pit.buys("carol", qty, price)
        pit.tick()
        # E = 1,000 - 50 x 12 = 400 < 440 = maintenance. b = 88 - 400/50 = 80. 10 at 87: E 390,
        # initial margin of 40: 704. 20 at 86: E 350, of 20: 352. One at 85: E 347, of 19: 334.4.
        # Enough.
        assert pit.told("Trade", "price", "qty") == [(87, 10), (86, 20), (85, 1)]
        assert pit.told("Liquidation", "trader", "reason", "side", "qty", "price") == [
            ("alice", "maintenance_margin_breach", SELL, 31, 85)
        ]
        assert {sell for (sell,) in pit.told("Trade", "sell_order_id")} == {
            6
        }  # after bob's, alice's and carol's three
        # She realises -130, -280 and -15; 19 lots stay at their cost.
        assert pit.account("alice") == (575, 19, 1900)
        assert (pit.exchange.accounts["alice"].equity, pit.status("alice")) == (347, "active")

    def test_a_short_position_is_bought_back(self):
        pit = Pit()
        pit.trade("bob", "alice", 50, at=100)
        pit.tell(SetMark("SIM", 112))
        pit.sells("carol", 9, 113)
        pit.sells("erin", 40, 119)
        pit.tick()
        # E = 400 < 560. b = 112 + 400/50 = 120. 9 at 113: E 391, initial margin of 41: 918.4. Then
        # b = 112 + 391/41 = 121. q at 119: 391 - 7q >= 22.4 (41 - q) when 15.4 q >= 527.4: 35 lots,
        # E 146 >= 134.4 of 6.
        assert pit.told("Liquidation", "side", "qty", "price") == [(BUY, 44, 119)]
        assert pit.exchange.accounts["alice"].equity == 146

    def test_both_fees_and_neither_takes_more_than_there_is(self):
        """Ten lots at 100 with 200 in cash, the mark at 81: E = 10, b = 80. All ten must go,
        initial margin is far.
        """
        told = []
        for price, taker_fee_bps, liquidation_fee_bps in (
            (81, 10, 50),
            (81, 100, 500),
            (80, 10, 50),
        ):
            pit = Pit(starting_cash=200)
            pit.trade("alice", "bob", 10, at=100)
            pit.tell(SetMark("SIM", 81))
            pit.buys("carol", 10, price)
            pit.exchange.markets["SIM"].instrument = Instrument(
                symbol="SIM",
                **(
                    TERMS
                    | {
                        "taker_fee_bps": taker_fee_bps,
                        "liquidation_fee_bps": liquidation_fee_bps,
                    }
                ),
            )
            pit.tick()
            told.append(
                (
                    pit.told("Fill", "fee")[0][0],
                    pit.exchange.fees,
                    pit.exchange.insurance,
                    pit.account("alice")[0],
                )
            )
            told[-1] += (pit.status("alice"),)
        assert told == [
            (1 + 5, 1, 5, 4, "active"),  # 810 x 0.1 % = 0.81 and 810 x 0.5 % = 4.05
            (
                9 + 1,
                9,
                1,
                0,
                "bankrupt",
            ),  # 8.1 and 40.5, of which there is only 1 left; equity 0
            (0, 0, 0, 0, "bankrupt"),  # sold at b nothing is left for fees
        ]

    def test_frozen_when_the_best_price_is_beyond_bankruptcy_until_a_tick_without_breach(self):
        pit = Pit()
        pit.trade("alice", "bob", 50, at=100)
        pit.tell(SetMark("SIM", 87))
        pit.buys("carol", 50, 79)
        pit.tick()  # E = 350 < 435, b = 87 - 350/50 = 80, above the bid
        assert pit.told("AccountStatus", "trader", "status") == [("alice", "frozen")]
        pit.tick()
        assert not pit.told("AccountStatus")
        pit.tick(90)  # E = 500 >= 450
        assert pit.told("AccountStatus", "trader", "status") == [("alice", "active")]

    def test_bankruptcy_prices_share_the_equity_by_maintenance_margin(self):
        pit = Pit(("SIM", "OIL"))
        pit.trade("alice", "bob", 30, 100, "SIM")
        pit.trade("bob", "alice", 20, 100, "OIL")
        pit.tell(SetMark("SIM", 85))
        pit.tell(SetMark("OIL", 115))
        pit.buys("carol", 30, 80, "SIM")
        pit.sells("carol", 20, 120, "OIL")
        pit.tick()
        # E = 1,000 - 450 - 300 = 250; maintenance 255 (SIM, judged first) + 230 (OIL) = 485.
        # SIM: 85 - floor(250 x 255 / (485 x 30)) = 85 - 4 = 81: the bid at 80 is beyond.
        # OIL: 115 + floor(250 x 230 / (485 x 20)) = 115 + 5 = 120: the ask is not. E 150 < 255: frozen.
        assert pit.told("Liquidation", "symbol", "side", "qty", "price") == [
            ("OIL", BUY, 20, 120)
        ]
        assert (pit.exchange.accounts["alice"].equity, pit.status("alice")) == (150, "frozen")

    def test_a_resting_reduce_only_order_gives_what_its_trader_holds(self):
        pit = Pit()
        pit.trade("alice", "bob", 50, at=100)
        pit.trade("dave", "carol", 3, at=100)
        pit.tell(SetMark("SIM", 87))
        pit.buys("carol", 8, 87, reduce_only=True)
        pit.trade("carol", "erin", 1, at=88)  # carol is short 2 now
        pit.buys("carol", 1, 86, reduce_only=True)
        pit.tick()
        assert pit.told("Trade", "price", "qty") == [(87, 2)]
        assert pit.told("OrderCancelled", "cancelled_qty", "reason") == [
            (6, "reduce_only"),
            (1, "reduce_only"),
        ]

    def test_the_list_cancels_first_and_begins_with_the_worst(self):
        pit = Pit()
        pit.trade("alice", "bob", 50, at=100)
        pit.tell(Deposit("bob", 5000))
        pit.trade("carol", "bob", 48, at=100)
        pit.tell(SetMark("SIM", 86))
        pit.sells("carol", 1, 94)
        pit.sells("alice", 1, 94)
        pit.tick()
        # alice: 300 / 430, carol: 328 / 412.8. Nobody bids: both are frozen.
        assert pit.told("OrderCancelled", "trader", "reason") == [
            ("alice", "liquidation"),
            ("carol", "liquidation"),
        ]
        assert pit.told("AccountStatus", "trader") == [("alice",), ("carol",)]


class TestBankruptcy:
    def pit_with_a_gap(self, mark, **terms):
        """alice is long 50 from 100, bob short; the mark falls through an empty book."""
        pit = Pit(**terms)
        pit.trade("alice", "bob", 50, at=100)
        pit.tick(mark)
        return pit

    def test_the_winner_bears_the_loss(self):
        pit = self.pit_with_a_gap(70)
        # E = 1,000 - 1,500 = -500, b = 70 + 500/50 = 80; d = 10 > 7 = m x rate; bob may bear (2,500
        # - 350) / 3 = 716 lots.
        assert pit.kinds == [
            "Fill",
            "Fill",
            "Liquidation",
            "Liquidation",
            "AccountStatus",
            "PositionUpdate",
            "PositionUpdate",
        ]
        assert pit.told(
            "Fill", "trader", "side", "price", "qty", "fee", "liquidity", "order_id", "trade_id"
        ) == [
            ("alice", SELL, 80, 50, 0, "adl", None, None),
            ("bob", BUY, 80, 50, 0, "adl", None, None),
        ]
        assert pit.told("Liquidation", "trader", "reason", "side") == [
            ("alice", "bankruptcy", SELL),
            ("bob", "auto_deleverage", BUY),
        ]
        assert (pit.account("alice"), pit.account("bob"), pit.status("alice")) == (
            (0, 0, 0),
            (2000, 0, 0),
            "bankrupt",
        )
        assert pit.exchange.markets["SIM"].last == 100

    def test_the_fund_pays_first_and_gets_what_rounding_leaves(self):
        pit = self.pit_with_a_gap(70, insurance_fund=220)
        # It pays 220: E = -280, b = 70 + ceil(5.6) = 76. alice's 1,220 - 50 x 24 = 20 are left for it.
        assert pit.told("Fill", "price") == [(76,), (76,)]
        assert pit.told("InsuranceUpdate", "cash") == [(20,)]
        assert pit.account("bob")[0] == 1000 + 50 * 24

    def test_a_rich_fund_pays_all_and_positions_close_at_the_mark(self):
        pit = self.pit_with_a_gap(70, insurance_fund=600)
        assert pit.told("Fill", "price") == [(70,), (70,)]
        assert (pit.exchange.insurance, pit.account("bob")[0]) == (100, 2500)

    def test_lots_that_nobody_can_bear_make_the_fund_negative(self):
        pit = Pit()
        pit.trade("alice", "bob", 50, at=100)
        pit.tell(SetMark("SIM", 40))
        pit.trade(
            "bob", "eve", 30, at=40
        )  # bob takes 1,800 of his gain; he is short 20 and eve 30
        pit.tick()
        # E = -2,000, b = 40 + 40 = 80; d - m x rate = 40 - 4 = 36. bob gains, so he is first:
        # (4,000 - 80) / 36 = 108 lots. eve: (1,000 - 120) / 36 = 24 lots. The other 6 go at the
        # mark, to her too.
        assert pit.told("Liquidation", "trader", "price", "qty") == [
            ("alice", 80, 20),
            ("bob", 80, 20),
            ("alice", 80, 24),
            ("eve", 80, 24),
            ("alice", 40, 6),
            ("eve", 40, 6),
        ]
        # alice: 1,000 - 20 x 20 - 24 x 20 - 6 x 60 = -240; eve: 1,000 - 24 x 40 = 40; bob: 2,800 +
        # 20 x 20 = 3,200.
        assert pit.exchange.insurance == -240
        assert [pit.account(trader)[0] for trader in ("alice", "bob", "eve")] == [0, 3200, 40]

    def test_the_queue_begins_with_gain_and_leverage_and_cancels_the_orders_of_those_it_takes(
        self,
    ):
        pit = Pit()
        pit.trade("alice", "bob", 25, at=100)
        pit.trade("alice", "carol", 25, at=100)
        pit.tell(Deposit("bob", 5000))
        pit.sells("carol", 1, 110)
        pit.sells("bob", 1, 110)
        pit.tick(70)
        # The same gain of 750, the same gross notional of 1,750, the same cost: carol has 1,750 of
        # equity, bob 6,750.
        assert [kind for kind in pit.kinds if kind in ("OrderCancelled", "Liquidation")] == [
            "OrderCancelled",
            "Liquidation",
            "Liquidation",
            "OrderCancelled",
            "Liquidation",
            "Liquidation",
        ]
        assert pit.told("OrderCancelled", "trader", "reason") == [
            ("carol", "liquidation"),
            ("bob", "liquidation"),
        ]
        assert pit.told("Liquidation", "trader") == [
            ("alice",),
            ("carol",),
            ("alice",),
            ("bob",),
        ]

    def test_losses_are_shared_by_loss_and_halted_instruments_close_too(self):
        pit = Pit(("SIM", "OIL"))
        pit.trade("alice", "bob", 30, 100, "SIM")
        pit.trade("alice", "bob", 20, 100, "OIL")
        pit.buys("carol", 1, 110, "OIL")
        pit.tell(Halt("OIL"))
        pit.tell(SetMark("OIL", 110))
        pit.tell(SetMark("SIM", 50))
        pit.buys("carol", 5, 54, "SIM")
        pit.buys("carol", 5, 50, "SIM")
        pit.tick()
        # E = 1,000 - 1,500 + 200 = -300; all of W is the loss in SIM: b = 50 + 300/30 = 60, above
        # the bids; in OIL b is the mark. OIL has 220 of maintenance and goes first, though it is
        # halted, but not to carol's bid; then SIM: 30 at 60.
        assert pit.told("Fill", "trader", "symbol", "price", "qty") == [
            ("alice", "OIL", 110, 20),
            ("bob", "OIL", 110, 20),
            ("alice", "SIM", 60, 30),
            ("bob", "SIM", 60, 30),
        ]
        assert (pit.account("alice")[0], pit.account("bob")[0], pit.exchange.insurance) == (
            0,
            2000,
            0,
        )

    def test_a_deposit_brings_a_bankrupt_account_back(self):
        pit = self.pit_with_a_gap(70)
        pit.buys("alice", 1, 70)
        assert pit.refusal == ("account_bankrupt", {})
        pit.tell(Deposit("alice", 300))
        assert pit.told("AccountStatus", "status") == [("active",)]
        assert pit.told("PositionUpdate", "symbol", "cash", "equity") == [("SIM", 300, 300)]
        pit.buys("alice", 1, 70)
        assert pit.kinds == ["OrderAccepted", "OrderAdded"]


class TestClose:
    def test_every_position_settles_at_the_mean_mark(self):
        pit = Pit()
        pit.trade("alice", "bob", 10, at=100)
        pit.now_ns += SECOND_NS
        pit.tell(SetMark("SIM", 110))
        pit.sells("carol", 1, 112)
        pit.now_ns += 3 * SECOND_NS
        pit.tell(Close("SIM"))
        # (100 x 1 s + 110 x 3 s) / 4 s = 107.5, rounded down.
        assert pit.told("MarketStatus", "status", "reason") == [("closed", "close")]
        assert pit.told("OrderCancelled", "trader", "reason") == [("carol", "closed")]
        assert pit.told("PositionUpdate", "trader", "position", "cash", "mark") == [
            ("alice", 0, 1070, 107),
            ("bob", 0, 930, 107),
        ]
        pit.buys("alice", 1, 107)
        assert pit.refusal == ("market_halted", {})

    def test_the_window_forgets_older_marks_and_debts_are_shared_before_settlement(self):
        pit = Pit(settle_window_s=2)
        pit.trade("alice", "bob", 40, at=100)
        pit.trade("dave", "bob", 5, at=100)
        pit.now_ns += 20 * SECOND_NS
        pit.tell(SetMark("SIM", 70))
        pit.now_ns += 2 * SECOND_NS
        pit.tell(Close("SIM"))
        # At 70 alice has 1,000 - 1,200 = -200: b = 75 and bob takes her 40 at it; dave and bob
        # settle 5 at 70.
        assert pit.told("Fill", "trader", "price", "qty") == [
            ("alice", 75, 40),
            ("bob", 75, 40),
        ]
        assert [pit.account(trader) for trader in ("alice", "bob", "dave")] == [
            (0, 0, 0),
            (2150, 0, 0),
            (850, 0, 0),
        ]
        assert pit.told("PositionUpdate", "trader") == [("alice",), ("bob",), ("dave",)]
