"""The seeded flows behind the golden hashes: each a list of frames as a socket brings them.

They use nothing of the project, so that what they hold the exchange against cannot move with it. A
flow is a function of its seed alone; another line in one of them makes other hashes, so none is
changed, only added to.
"""

from __future__ import annotations

import json
import random

Frames = list[bytes]
TRADERS = 8


def _frame(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _order(
    trader: int, side: str, price: float, qty: int, client_order_id: str, **more: object
) -> bytes:
    return _frame(
        type="order", trader_id=f"t{trader}", side=side, order_type="limit", price=price, qty=qty,
        client_order_id=client_order_id, **more,
    )  # fmt: skip


def near_the_touch(count: int, seed: int) -> Frames:
    """Orders of one lot around 100, some of which cross."""
    rng, frames = random.Random(seed), []
    for index in range(count):
        side = rng.choice(("buy", "sell"))
        offset = rng.randint(-20, 2) if side == "buy" else rng.randint(-2, 20)
        frames.append(
            _order(rng.randrange(TRADERS), side, round(100 + offset / 100, 2), 1, f"b{index}")
        )
    return frames


def resting(count: int, seed: int) -> Frames:
    """Nothing crosses: bids up to 200 ticks below 100, asks above."""
    rng, frames = random.Random(seed), []
    for index in range(count):
        side = rng.choice(("buy", "sell"))
        ticks = rng.randint(1, 200) * (-1 if side == "buy" else 1)
        frames.append(
            _order(
                rng.randrange(TRADERS),
                side,
                round(100 + ticks / 100, 2),
                rng.randint(1, 9),
                f"r{index}",
            )
        )
    return frames


def crossing(count: int, seed: int) -> Frames:
    """Every second order trades in full against the one before it."""
    rng, frames = random.Random(seed), []
    for index in range(count // 2):
        maker, side, qty = (
            rng.randrange(TRADERS),
            rng.choice(("buy", "sell")),
            rng.randint(1, 9),
        )
        taker = (maker + 1 + rng.randrange(TRADERS - 1)) % TRADERS
        frames.append(_order(maker, side, 100.0, qty, f"m{index}"))
        frames.append(
            _order(taker, "sell" if side == "buy" else "buy", 100.0, qty, f"x{index}")
        )
    return frames


def makers_life(count: int, seed: int, opening: int = 400) -> Frames:
    """After an opening of orders: 45 % new orders, 20 % cancels, 20 % replaces, 15 % orders that take."""
    rng, frames = random.Random(seed), Frames()
    live: list[tuple[int, str, int]] = []
    mid = 10_000
    for index in range(count):
        chance = rng.random()
        if index < opening or chance < 0.45 or not live:
            trader, sign = rng.randrange(TRADERS), rng.choice((1, -1))
            live.append((trader, f"l{index}", sign))
            price = mid - sign * (1 + int(rng.expovariate(0.15)))
            frames.append(
                _order(
                    trader,
                    "buy" if sign > 0 else "sell",
                    price / 100,
                    rng.randint(1, 9),
                    f"l{index}",
                )
            )
        elif chance < 0.85:
            trader, name, sign = live.pop(rng.randrange(max(0, len(live) - 500), len(live)))
            if chance < 0.65:
                frames.append(
                    _frame(type="cancel", trader_id=f"t{trader}", client_order_id=name)
                )
            else:
                live.append((trader, name, sign))
                price = mid - sign * (1 + int(rng.expovariate(0.15)))
                changes = {"price": price / 100, "qty": rng.randint(1, 9)}
                frames.append(
                    _frame(
                        type="replace", trader_id=f"t{trader}", client_order_id=name, **changes
                    )
                )
        else:
            sign, price = rng.choice((1, -1)), mid
            side, price = ("buy", mid + 5) if sign > 0 else ("sell", mid - 5)
            qty = rng.randint(1, 9)
            frames.append(
                _order(
                    rng.randrange(TRADERS),
                    side,
                    price / 100,
                    qty,
                    f"l{index}",
                    time_in_force="ioc",
                )
            )
        if rng.random() < 0.02:
            mid += rng.choice((-1, 1))
    return frames


def squeeze(count: int, seed: int) -> Frames:
    """Poor accounts in two instruments, every kind of order, a drifting price: liquidations,
    deleveraging, refusals, expiries.
    """
    rng, frames = random.Random(seed), Frames()
    mids = {"SIM": 10_000, "ALT": 400}
    ticks = {"SIM": 0.01, "ALT": 0.05}
    for index in range(count):
        symbol = rng.choice(("SIM", "SIM", "ALT"))
        trader, chance = rng.randrange(TRADERS), rng.random()
        side = ("buy", "sell")[(trader + (rng.random() < 0.15)) % 2]
        offset = rng.randint(-30, 12) * (1 if side == "buy" else -1)
        price = round((mids[symbol] + offset) * ticks[symbol], 2)
        name = f"q{index}" if rng.random() < 0.9 else f"q{max(0, index - rng.randint(1, 50))}"
        if chance < 0.78:
            more = rng.choice(_MANNERS)
            frames.append(
                _order(trader, side, price, rng.randint(1, 6), name, symbol=symbol, **more)
            )
        elif chance < 0.84:
            until = {"time_in_force": "gtd", "expires_at": _at_ms(index + 200)}
            frames.append(_order(trader, side, price, 1, name, symbol=symbol, **until))
        elif chance < 0.90:
            market = {
                "type": "order",
                "trader_id": f"t{trader}",
                "side": side,
                "order_type": "market",
                "qty": rng.randint(1, 9),
            }
            frames.append(_frame(**market, symbol=symbol, client_order_id=name))
        elif chance < 0.94:
            which = rng.choice(({}, {"symbol": symbol}, {"side": side}))
            frames.append(_frame(type="cancel_all", trader_id=f"t{trader}", **which))
        elif chance < 0.98:
            changes = {
                "client_order_id": f"q{rng.randrange(max(0, index - 30), index + 1)}",
                "price": price,
            }
            frames += [
                _frame(type="replace", trader_id=f"t{each}", **changes)
                for each in range(TRADERS)
            ]
        else:
            frames.append(
                _frame(
                    type=rng.choice(("account", "open_orders")),
                    trader_id=f"t{trader}",
                    request_id=index,
                )
            )
        mids[symbol] += (
            rng.randint(-1, 12) * (1 if index // 600 % 2 else -1) * (symbol == "SIM")
        )
    frames.append(_frame(type="close", symbol="ALT", request_id="end"))
    return frames


FRAME_NS = 3_000_000
"""Between two frames of a flow."""
START_NS = 1_800_000_000_000_000_000


def _at_ms(index: int) -> int:
    return (START_NS + index * FRAME_NS) // 1_000_000


_MANNERS: list[dict[str, object]] = [
    {}, {}, {}, {}, {"post_only": True}, {"reduce_only": True}, {"time_in_force": "ioc"}, {"time_in_force": "fok"},
    {"stp": "cancel_incoming"}, {"stp": "cancel_both"}, {"time_in_force": "ioc", "reduce_only": True}, {"request_id": 9},
]  # fmt: skip

_ORDER = b'{"type":"order","trader_id":"t1","side":"buy","qty":1,"price":100'
_MESSY: Frames = [
    b'{"type":"order","trader_id":"t1","side":"BUY","order_type":"LIMIT","price":100.005,"qty":2,"client_order_id":"m1"}',
    b'{"type":"order","trader_id":"t1","side":"buy","price":"100","qty":2}',
    b'{"type":"order","trader_id":"t1","side":"buy","qty":true,"price":1}',
    b'{"type":"order","trader_id":"t 1","side":"buy","qty":1,"price":1}',
    b'{"type":"order","trader_id":"t1\\n","side":"buy","qty":1,"price":1}',
    b'{"type":"order","trader_id":"@house","side":"buy","qty":1,"price":1}',
    b"{}", b"[]", b"nonsense", b"", b"7", b"null", b'"order"', b"[[]]", b"[1,2]", b'{"type":7}', b'{"type":"nothing"}',
    b'{"type":"order","side":"buy","qty":1,"price":100}',
    b'{"type":"order","trader_id":"t1","side":"buy","qty":1.0,"price":100}',
    b'{"type":"order","trader_id":"t1","side":"buy","qty":1e0,"price":100}',
    b'{"type":"order","trader_id":"t1","side":"buy","qty":1,"price":NaN}',
    b'{"type":"order","trader_id":"t1","side":"buy","qty":1,"price":1e400}',
    b'{"type":"order","trader_id":"t1","side":"buy","qty":123456789012345678901234567890,"price":100,"client_order_id":"big"}',
    b'{"type":"order","trader_id":"t1","side":"buy","qty":-3,"price":100,"client_order_id":"less"}',
    b'{"type":"order","trader_id":"t1","side":"buy","qty":' + b"9" * 41 + b',"price":100}',
    _ORDER + b',"x":{"y":[1,2,{}]},"client_order_id":"m2"}',
    _ORDER + b',"x":' + b"[" * 70 + b"]" * 70 + b"}",
    _ORDER + b',"x":NaN}', _ORDER + b',"x":' + b"7" * 41 + b"}", _ORDER + b',"x":"\xc3\xa9","client_order_id":"m10"}',
    _ORDER + b',"price":101,"client_order_id":"twice"}', _ORDER + b',"client_order_id":null,"symbol":null}', _ORDER + b"} ",
    _ORDER + b',"post_only":"yes"}', _ORDER + b',"request_id":1.5}', _ORDER + b',"request_id":"' + b"r" * 65 + b'"}',
    b'{"type":"order","trader_id":"t1","side":"buy","qty":1,"order_type":"market","client_order_id":"m3"}',
    b'{"type":"order","trader_id":"t1","side":"buy","qty":1,"order_type":"market","price":1,"client_order_id":"m3"}',
    b'{"type":"order","trader_id":"t2","side":"sell","qty":5,"order_type":"market","client_order_id":"m4","request_id":7}',
    b'{"type":"order","trader_id":"t2","side":"sell","qty":5,"price":100,"client_order_id":"m5","post_only":true}',
    b'{"type":"order","trader_id":"t2","side":"sell","qty":5,"price":100.1,"client_order_id":"m6","time_in_force":"ioc"}',
    b'{"type":"order","trader_id":"t2","side":"sell","qty":5,"price":100.1,"client_order_id":"m7","time_in_force":"Fok"}',
    b'{"type":"order","trader_id":"t2","side":"sell","qty":5,"price":100.1,"time_in_force":"gtd","request_id":"r"}',
    b'{"type":"place_order","trader_id":"t3","side":"sell","quantity":5,"price":100.1,"client_order_id":"m8","stp":"cancel_both"}',
    b'{"type":"place_order","trader_id":"t3","side":"buy","quantity":5,"price":100.1,"client_order_id":"m9","stp":"cancel_both"}',
    b'{"type":"place_order","trader_id":"t3","side":"buy","qty":5,"price":100.1}',
    b'{"type":"cancel","trader_id":"t3","client_order_id":"m8"}', b'{"type":"cancel","trader_id":"t3"}',
    b'{"type":"cancel","trader_id":"t3","client_order_id":"m8","why":1}', b'{"type":"cancel_all","trader_id":"t1"}',
    b'{"type":"cancel_all","trader_id":"t1","side":"BUY"}', b'{"type":"cancel_all","trader_id":"t1","symbol":"NOPE"}',
    b'{"type":"replace","trader_id":"t2","client_order_id":"m5","qty":3}',
    b'{"type":"replace","trader_id":"t2","client_order_id":"m5","price":101.5,"zzz":1}',
    b'{"type":"replace","trader_id":"t2","client_order_id":"m5","price":101.505}', b'{"type":"replace","trader_id":"t2"}',
    b'{"type":"order_status","trader_id":"t2","client_order_id":"m5"}', b'{"type":"order_status","trader_id":"t2"}',
    b'{"type":"open_orders","trader_id":"t2"}', b'{"type":"account","trader_id":"t2"}', b'{"type":"account","trader_id":"new"}',
    b'{"type":"order","trader_id":"t2","side":"sell","qty":5,"price":100.1,"symbol":"NOPE"}',
    b'{"type":"order","trader_id":"t2","side":"sell","qty":5,"price":9999}', b'{"type":"ping","request_id":3}',
    b'{"type":"login","trader_id":"t1"}', b'{"type":"logout"}', b'{"type":"close"}', b'{"type":"subscribe"}',
    b'[{"type":"ping"},{"type":"order","trader_id":"t4","side":"sell","qty":5,"price":100.1,"client_order_id":"a"},7,{"type":"login"}]',
    b"[" + b",".join([b'{"type":"ping"}'] * 101) + b"]",
]  # fmt: skip


def messy(count: int, seed: int) -> Frames:
    """What nobody should send, among what some may; three times, so that most ids are met again."""
    return (_MESSY * 3)[:count]


FLOWS = {
    "near_the_touch": near_the_touch, "resting": resting, "crossing": crossing, "makers_life": makers_life,
    "squeeze": squeeze, "messy": messy,
}  # fmt: skip
"""Each takes a number of frames and a seed."""
