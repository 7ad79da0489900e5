"""Events, answers and views to bytes, each written once.

Every id that reaches an event has passed the wire's id pattern, so it needs no escaping; only free text (error messages and
request ids) goes through a JSON encoder. A test validates what every encoder here writes as the message class of its type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from botpit.core import events as ev
from botpit.core.accounts import Account
from botpit.core.commands import BUY, OffTick, Order
from botpit.core.exchange import Exchange
from botpit.core.instrument import Instrument
from botpit.core.market import Market
from botpit.core.orders import OrderRecord, RefusedOrder
from botpit.core.positions import Position
from botpit.core.risk.margin import BPS, initial_times_bps, maintenance_times_bps
from botpit.wire import answers
from botpit.wire.decode import Fault
from botpit.wire.numbers import PriceScale, milliseconds

json_text = msgspec.json.Encoder().encode


_SIDE = {BUY: "buy", -BUY: "sell"}
_MONEY_DETAILS = {"equity", "required_margin", "notional", "max_order_notional"}
_PRICE_DETAILS = {"tick", "min_price", "max_price", "band_low", "band_high", "best_price"}
_REJECTED = {
    ev.Request.ORDER: "order_rejected", ev.Request.REPLACE: "replace_rejected", ev.Request.CANCEL: "cancel_rejected",
    ev.Request.LOGIN: "error", ev.Request.OPERATOR: "error",
}


def with_request_id(message: bytes, request_id: str | int | None) -> bytes:
    """The answer to one request: the message with the id it was asked under."""
    if request_id is None:
        return message
    return b'%b,"request_id":%b}' % (message[:-1], json_text(request_id))


def fault_bytes(fault: Fault, now_ns: int) -> bytes:
    """The answer to a request that never became a command."""
    fields: dict[str, Any] = {"type": fault.answer, "reason": fault.reason, "details": fault.details}
    if fault.answer != "error":
        fields |= {"trader_id": fault.trader_id, "order_id": fault.order_id, "client_order_id": fault.client_order_id}
    return with_request_id(json_text(fields | {"timestamp": milliseconds(now_ns)}), fault.request_id)


def pong(now_ns: int) -> bytes:
    return b'{"type":"pong","timestamp":%d}' % milliseconds(now_ns)


def heartbeat(name: str, seq: int, now_ns: int) -> bytes:
    """`name`: account_seq on 9001, seq on 9002 and 9010."""
    return f'{{"type":"heartbeat","{name}":{seq},"timestamp":{milliseconds(now_ns)}}}'.encode()


def array(messages: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(messages)


def nested(message: bytes) -> object:
    """A message as a value within another."""
    return Raw(message)


def _quoted(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


class Encoder:
    """One market's events as JSON. Stateless but for the instruments and the money unit."""

    def __init__(self, exchange: Exchange) -> None:
        rules = exchange.rules
        self._exchange = exchange
        self._money: int = 10**rules.money_decimals
        self._scales = {symbol: PriceScale(market.instrument) for symbol, market in exchange.markets.items()}
        self._private: dict[type[Any], Callable[[Any], str | bytes]] = {
            ev.OrderAccepted: self._order_accepted, ev.Rejected: self._rejected, ev.Fill: self._fill,
            ev.OrderCancelled: self._order_cancelled, ev.OrderReplaced: self._order_replaced,
            ev.AllCancelled: self._all_cancelled, ev.LoggedOut: self._logged_out,
            ev.Liquidation: self._own_liquidation, ev.AccountStatus: self._own_account_status,
        }
        self._public: dict[type[Any], Callable[[Any, str], str]] = {
            ev.Trade: self._trade, ev.PositionUpdate: self._position_update, ev.OrderAdded: self._order_add,
            ev.OrderReduced: self._order_reduce, ev.OrderRemoved: self._order_remove,
            ev.Liquidation: self._liquidation, ev.AccountStatus: self._account_status,
            ev.InsuranceUpdate: self._insurance_update, ev.MarketStatus: self._market_status,
        }

    def private(self, event: ev.Answer | ev.PrivateEvent) -> bytes:
        """An answer, or an event for one trader's eyes."""
        text = self._private[type(event)](event)
        return text if isinstance(text, bytes) else text.encode()

    def public(self, event: ev.PublicEvent, seq: int, channel_seq: int, *, full: bool = False) -> bytes:
        """An event for everybody, with its numbers; `full` names the trader in order-by-order events."""
        tail = f'"seq":{seq},"channel_seq":{channel_seq},"timestamp":{milliseconds(event.now_ns)}}}'
        if full and isinstance(event, ev.OrderAdded | ev.OrderReduced | ev.OrderRemoved):
            tail = f'"trader_id":"{event.trader}",{tail}'
        return self._public[type(event)](event, tail).encode()

    # ------------------------------------------------------------------------------------------- answers and private events

    def _price(self, symbol: str, ticks: int) -> float:
        return self._scales[symbol].price(ticks)

    def _asked_price(self, order: Order) -> Raw | None:
        """The price of an order as it was sent."""
        price = order.price
        if type(price) is OffTick:
            return Raw(price.text.encode())
        return None if price is None else self._scales[order.symbol].raw(price)

    def _order_accepted(self, e: ev.OrderAccepted) -> bytes:
        order = e.order
        return json_text(
            answers.OrderAccepted(
                e.order_id, order.trader, order.client_order_id, order.symbol, _SIDE[order.side], _order_type(order), order.qty,
                self._asked_price(order), e.queue_ahead, e.account_seq, e.repeated or UNSET, milliseconds(e.now_ns),
            )
        )

    def _rejected(self, e: ev.Rejected) -> str:
        details = json_text({key: self._detail(key, value, e.symbol) for key, value in e.details.items()}).decode()
        start = f'{{"type":"{_REJECTED[e.request]}","reason":"{e.reason}","details":{details},'
        end = f'"timestamp":{milliseconds(e.now_ns)}}}'
        if _REJECTED[e.request] == "error":
            return start + end
        ids = f'"order_id":{_number(e.order_id)},"client_order_id":{_quoted(e.client_order_id)},'
        return f'{start}"trader_id":"{e.trader}",{ids}{end}'

    def _detail(self, key: str, value: int, symbol: str) -> float | int:
        if key in _MONEY_DETAILS:
            return value / self._money
        return self._price(symbol, value) if key in _PRICE_DETAILS else value

    def _fill(self, e: ev.Fill) -> bytes:
        return json_text(
            answers.Fill(
                e.order_id, e.client_order_id, e.trade_id, e.trader, e.symbol, _SIDE[e.side], self._scales[e.symbol].raw(e.price),
                e.qty, e.leaves_qty, Raw(repr(e.fee / self._money).encode()), e.liquidity, e.account_seq, milliseconds(e.now_ns),
            )
        )

    def _order_cancelled(self, e: ev.OrderCancelled) -> bytes:
        return json_text(
            answers.OrderCancelled(
                e.order_id, e.client_order_id, e.trader, e.symbol, e.cancelled_qty, 0, e.reason, e.account_seq,
                milliseconds(e.now_ns),
            )
        )

    def _order_replaced(self, e: ev.OrderReplaced) -> bytes:
        return json_text(
            answers.OrderReplaced(
                e.order_id, e.client_order_id, e.trader, self._scales[e.symbol].raw(e.price), e.qty, e.leaves_qty,
                e.kept_priority, e.account_seq, milliseconds(e.now_ns),
            )
        )

    def _all_cancelled(self, e: ev.AllCancelled) -> str:
        return (
            f'{{"type":"all_cancelled","trader_id":"{e.trader}","count":{e.count},"account_seq":{e.account_seq},'
            f'"timestamp":{milliseconds(e.now_ns)}}}'
        )

    def _logged_out(self, e: ev.LoggedOut) -> str:
        return (
            f'{{"type":"logged_out","trader_id":"{e.trader}","account_seq":{e.account_seq},"timestamp":{milliseconds(e.now_ns)}}}'
        )

    def _own_liquidation(self, e: ev.Liquidation) -> str:
        return self._liquidation(e, _own_tail(e))

    def _own_account_status(self, e: ev.AccountStatus) -> str:
        return self._account_status(e, _own_tail(e))

    def logged_in(self, e: ev.LoggedIn, scope: str) -> bytes:
        fields = {
            "type": "logged_in", "trader_id": e.trader, "scope": scope, "account_seq": e.account_seq,
            "market_id": self._exchange.market_id, "session": e.session, "instruments": self.instruments(),
            "timestamp": milliseconds(e.now_ns),
        }
        return json_text(fields)

    # ------------------------------------------------------------------------------------------------ answers to the operator

    def closed(self, symbols: list[str], now_ns: int) -> bytes:
        """Their marks are what positions were settled at."""
        settlement = {symbol: self._price(symbol, self._exchange.markets[symbol].mark) for symbol in symbols}
        fields = {"type": "closed", "symbols": symbols, "settlement": settlement, "timestamp": milliseconds(now_ns)}
        return json_text(fields)

    def reopening(self, now_ns: int) -> bytes:
        return json_text({"type": "reopening", "market_id": self._exchange.market_id, "timestamp": milliseconds(now_ns)})

    # ------------------------------------------------------------------------------------------------------- query results

    def order_status(
        self, trader: str, account: Account | None, record: OrderRecord | RefusedOrder | None,
        asked: tuple[int | None, str | None], now_ns: int,
    ) -> bytes:
        """`asked`: the ids in the question, for an order that is not known."""
        fields: dict[str, Any] = {"type": "order_status"}
        fields |= self._unknown_order(trader, *asked) if record is None else self.order_state(record)
        fields |= {"complete": account is None or not account.forgot, **_stamp(account, now_ns)}
        return json_text(fields)

    def open_orders(self, trader: str, account: Account | None, now_ns: int) -> bytes:
        orders = list(map(self._open_order, account.open_orders())) if account else []
        return json_text({"type": "open_orders", "trader_id": trader, "orders": orders, **_stamp(account, now_ns)})

    def _open_order(self, record: OrderRecord) -> answers.OpenOrder:
        """What `order_state` says of an open order."""
        order = record.order
        price = None if order.price is None else self._scales[order.symbol].raw(record.price)
        return answers.OpenOrder(
            record.id, order.client_order_id, order.trader, order.symbol, _SIDE[order.side], _order_type(order), price,
            record.qty, record.filled, record.leaves, record.cancelled, "open",
        )

    def account(self, trader: str, account: Account | None, now_ns: int) -> bytes:
        """An unknown trader's account looks like a new one."""
        shown = account or Account(trader, self._exchange.rules.starting_cash, self._exchange.moves)
        fields = {
            "type": "account", "trader_id": trader, "cash": shown.cash / self._money,
            "total_equity": shown.equity() / self._money,
            "initial_margin": self._margin(initial_times_bps(shown)),
            "maintenance_margin": self._margin(maintenance_times_bps(shown)),
            "positions": [self._account_position(each) for each in shown.positions.values()],
            "status": shown.state(), **_stamp(account, now_ns),
        }
        return json_text(fields)

    def _margin(self, times_bps: int) -> float:
        """Rounded up to an account unit, for display."""
        return -(-times_bps // BPS) / self._money

    def _account_position(self, position: Position) -> dict[str, Any]:
        market = position.market
        symbol = market.instrument.symbol
        return {
            "symbol": symbol, "position": position.lots, "avg_entry_price": self._average(symbol, position.cost, position.lots),
            "unrealized_pnl": position.unrealized() / self._money, "realized_pnl": position.realized / self._money,
            "mark_price": self._price(symbol, market.mark),
        }

    def order_state(self, record: OrderRecord | RefusedOrder) -> dict[str, Any]:
        """The fields of `order_status` that describe the order itself."""
        order = record.order
        fields: dict[str, Any] = {
            "order_id": None, "client_order_id": order.client_order_id, "trader_id": order.trader, "symbol": order.symbol,
            "side": _SIDE[order.side], "order_type": _order_type(order), "price": self._asked_price(order),
        }
        if isinstance(record, RefusedOrder):
            return fields | {
                "qty": order.qty, "filled_qty": 0, "leaves_qty": 0, "cancelled_qty": 0, "status": "rejected",
                "reason": record.answer.reason,
            }
        if order.price is not None:
            fields["price"] = self._price(order.symbol, record.price)
        return fields | {
            "order_id": record.id, "qty": record.qty, "filled_qty": record.filled, "leaves_qty": record.leaves,
            "cancelled_qty": record.cancelled, "status": _status(record),
        }

    def _unknown_order(self, trader: str, order_id: int | None, client_order_id: str | None) -> dict[str, Any]:
        nothing = dict.fromkeys(("symbol", "side", "order_type", "price", "qty", "filled_qty", "leaves_qty", "cancelled_qty"))
        return {"order_id": order_id, "client_order_id": client_order_id, "trader_id": trader, **nothing, "status": "unknown"}

    # ------------------------------------------------------------------------------------------------------- public events

    def _trade(self, e: ev.Trade, tail: str) -> str:
        return (
            f'{{"type":"trade","trade_id":{e.trade_id},"price":{self._scales[e.symbol].text(e.price)},"qty":{e.qty},'
            f'"buy_trader_id":"{e.buyer}","sell_trader_id":"{e.seller}","symbol":"{e.symbol}",'
            f'"aggressor_side":"{_SIDE[e.aggressor]}","buy_order_id":{e.buy_order_id},"sell_order_id":{e.sell_order_id},{tail}'
        )

    def _average(self, symbol: str, cost: int, lots: int) -> float:
        return self._scales[symbol].average(cost, lots, self._exchange.markets[symbol].instrument.tick_value)

    def _position_update(self, e: ev.PositionUpdate, tail: str) -> str:
        money = self._money
        return (
            f'{{"type":"position_update","trader_id":"{e.trader}","symbol":"{e.symbol}","position":{e.position},'
            f'"cash":{e.cash / money!r},"avg_entry_price":{self._average(e.symbol, e.cost, e.position)!r},'
            f'"realized_pnl":{e.realized / money!r},"unrealized_pnl":{e.unrealized / money!r},'
            f'"total_equity":{e.equity / money!r},"mark_price":{self._scales[e.symbol].text(e.mark)},{tail}'
        )

    def _liquidation(self, e: ev.Liquidation, tail: str) -> str:
        return (
            f'{{"type":"liquidation","trader_id":"{e.trader}","reason":"{e.reason}","qty":{e.qty},"side":"{_SIDE[e.side]}",'
            f'"symbol":"{e.symbol}","price":{self._scales[e.symbol].text(e.price)},{tail}'
        )

    def _account_status(self, e: ev.AccountStatus, tail: str) -> str:
        return f'{{"type":"account_status","trader_id":"{e.trader}","status":"{e.status}",{tail}'

    def _insurance_update(self, e: ev.InsuranceUpdate, tail: str) -> str:
        return f'{{"type":"insurance_update","cash":{e.cash / self._money!r},{tail}'

    def _market_status(self, e: ev.MarketStatus, tail: str) -> str:
        return f'{{"type":"market_status","symbol":"{e.symbol}","status":"{e.status}","reason":"{e.reason}",{tail}'

    def _order_add(self, e: ev.OrderAdded, tail: str) -> str:
        return (
            f'{{"type":"order_add","order_id":{e.order_id},"symbol":"{e.symbol}","side":"{_SIDE[e.side]}",'
            f'"price":{self._scales[e.symbol].text(e.price)},"qty":{e.qty},{tail}'
        )

    def _order_reduce(self, e: ev.OrderReduced, tail: str) -> str:
        return f'{{"type":"order_reduce","order_id":{e.order_id},"symbol":"{e.symbol}","qty":{e.qty},{tail}'

    def _order_remove(self, e: ev.OrderRemoved, tail: str) -> str:
        return f'{{"type":"order_remove","order_id":{e.order_id},"symbol":"{e.symbol}",{tail}'

    # --------------------------------------------------------------------------------------------------------------- views

    def levels(self, symbol: str, levels: Iterable[tuple[int, int]]) -> list[tuple[float, int]]:
        """(price, qty) as people write them."""
        price = self._scales[symbol].price
        return [(price(ticks), qty) for ticks, qty in levels]

    def book_update(self, market: Market, depth: int, seq: int, now_ns: int) -> bytes:
        symbol = market.instrument.symbol
        best_bid, bids = self._levels_text(symbol, market.book.bids.top(depth))
        best_ask, asks = self._levels_text(symbol, market.book.asks.top(depth))
        return (
            f'{{"type":"book_update","symbol":"{symbol}","best_bid":{best_bid},"best_ask":{best_ask},"bids":[{bids}],'
            f'"asks":[{asks}],"seq":{seq},"timestamp":{milliseconds(now_ns)}}}'
        ).encode()

    def _levels_text(self, symbol: str, levels: list[tuple[int, int]]) -> tuple[str, str]:
        """The best price, or null, and the levels; the cost of a market's views is mostly here."""
        text = self._scales[symbol].text
        return text(levels[0][0]) if levels else "null", ",".join([f"[{text(price)},{qty}]" for price, qty in levels])

    def book_state(self, market: Market, depth: int | None, book_seq: int) -> dict[str, Any]:
        """One book of a snapshot; `depth` None: all levels."""
        symbol, book = market.instrument.symbol, market.book
        deepest = max(len(book.bids.ranks), len(book.asks.ranks)) if depth is None else depth
        bids, asks = self.levels(symbol, book.bids.top(deepest)), self.levels(symbol, book.asks.top(deepest))
        return {
            "bids": bids, "asks": asks, "best_bid": bids[0][0] if bids else None, "best_ask": asks[0][0] if asks else None,
            "book_seq": book_seq, "last_trade": self._last_trade(market), "mark_price": self._price(symbol, market.mark),
            "status": market.status,
        }

    def _last_trade(self, market: Market) -> dict[str, Any] | None:
        if market.last_trade is None:
            return None
        price = self._price(market.instrument.symbol, market.last_trade)
        return {"price": price, "qty": market.last_qty, "timestamp": milliseconds(market.last_time_ns)}

    def resting_orders(self, market: Market, *, full: bool) -> list[dict[str, Any]]:
        """Every resting order in order of priority, bids first; `full` names the traders."""
        symbol = market.instrument.symbol
        return [
            {
                "order_id": record.id, "side": _SIDE[side.sign], "price": self._price(symbol, record.price), "qty": record.leaves,
                **({"trader_id": record.order.trader} if full else {}),
            }
            for side in (market.book.bids, market.book.asks) for level in side for record in level
        ]

    def position_state(self, position: Position, now_ns: int) -> bytes:
        """One position of a snapshot, which may have tens of thousands."""
        account, market, money = position.account, position.market, self._money
        symbol = market.instrument.symbol
        return (
            f'{{"trader_id":"{account.trader}","symbol":"{symbol}","position":{position.lots},'
            f'"avg_entry_price":{self._average(symbol, position.cost, position.lots)!r},'
            f'"unrealized_pnl":{position.unrealized() / money!r},"realized_pnl":{position.realized / money!r},'
            f'"mark_price":{self._scales[symbol].text(market.mark)},"cash":{account.cash / money!r},'
            f'"total_equity":{account.equity() / money!r},"timestamp":{milliseconds(now_ns)}}}'
        ).encode()

    def instruments(self) -> list[dict[str, Any]]:
        return [self._instrument(market.instrument) for market in self._exchange.markets.values()]

    def _instrument(self, each: Instrument) -> dict[str, Any]:
        prices = {key: self._price(each.symbol, getattr(each, key)) for key in ("reference_price", "min_price", "max_price")}
        same = {key: getattr(each, key) for key in _SAME_OUTSIDE}
        return {
            "symbol": each.symbol, "tick": self._price(each.symbol, 1), "lot": Raw(each.lot.encode()), **prices, **same,
            "max_order_notional": each.max_order_notional / self._money,
        }


_SAME_OUTSIDE = (
    "min_qty", "max_qty", "maker_fee_bps", "taker_fee_bps", "liquidation_fee_bps", "initial_margin_bps", "maintenance_margin_bps",
    "price_band_bps", "mark_move_bps", "max_open_orders", "max_order_qty", "max_position",
)


def _stamp(account: Account | None, now_ns: int) -> dict[str, int]:
    return {"account_seq": account.seq if account else 0, "timestamp": milliseconds(now_ns)}


def _own_tail(e: ev.Liquidation | ev.AccountStatus) -> str:
    """The end of an event as its own trader gets it: counted among his events."""
    return f'"account_seq":{e.account_seq},"timestamp":{milliseconds(e.now_ns)}}}'


def _order_type(order: Order) -> str:
    return "market" if order.price is None else "limit"


def _status(record: OrderRecord) -> str:
    if record.leaves:
        return "open"
    return "cancelled" if record.cancelled else "filled"
