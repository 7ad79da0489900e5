"""A run's folder as exchange, exporter and runner leave it behind, made in-process: a market and
the exporter's own rows.

Commands go to a market, what it tells to everybody is read back, and each event's row is written as the exporter writes it. The results are not taken from these rows but from
the engine's accounts, as a battle's are from snapshots.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botpit.core.commands import Close, Command, Deposit, Open, Tick
from botpit.core.events import Fill, InsuranceUpdate, Liquidation, PositionUpdate, Trade
from botpit.io.files import file_name
from botpit.runs.export.rows import HEADERS, row
from botpit.wire import market_views
from botpit.wire.outgoing import Outgoing
from botpit.wire.sequencer import Step
from message_schemas import CHANNEL_OF, parse_messages
from tests.laws.streams import Stream, opening
from tests.socketless.market import NS_PER_MS, START_MS, SocketlessMarket, opening_of

START_NS = START_MS * NS_PER_MS
ROWS = Trade | PositionUpdate | Liquidation | InsuranceUpdate


class RecordedMarket(SocketlessMarket):
    """One market. `texts`: file name below the run's folder -> what was written there, without the header."""

    def __init__(self, opening: Open, start_ns: int = START_NS) -> None:
        super().__init__(opening)
        self.now_ns = start_ns
        self.texts: dict[str, list[str]] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        self.trades: Counter[str] = Counter()
        self.volumes: Counter[str] = Counter()
        self.forced: dict[str, Counter[str]] = defaultdict(Counter)
        self.fees: Counter[str] = Counter()
        self.fills: Counter[str] = Counter()
        self.filled: Counter[str] = Counter()
        self.settled: dict[str, float] = {}
        self._units = self.encoder.units
        self._by_symbol = len(self.exchange.markets) > 1
        for symbol in self.exchange.markets:
            for name in HEADERS:
                self.texts.setdefault(self._name(symbol, name), [])

    def _name(self, symbol: str, name: str) -> str:
        return (
            f"{file_name(symbol)}/{name}"
            if self._by_symbol and name != "insurance.csv"
            else name
        )

    def does(self, command: Command, after_ms: float = 1) -> Step:
        """Apply a command so much later than the last one, and write down what it causes."""
        self.passes(after_ms / 1_000)
        step = super().does(command)
        _, private, public = step
        for fill in (each.event for each in private if isinstance(each.event, Fill)):
            self.fees[fill.trader] += fill.fee
            self.fills[fill.trader] += 1
            self.filled[fill.trader] += fill.qty
        for each in public:
            if isinstance(each.event, ROWS):
                self._write(each)
        return step

    def closes(self) -> None:
        """The house closes every instrument."""
        for symbol in self.exchange.markets:
            self.does(Close(symbol))
            self.settled[symbol] = self._units.price(symbol, self.exchange.markets[symbol].mark)

    def _write(self, outgoing: Outgoing) -> None:
        event = outgoing.event
        (message,) = parse_messages(outgoing.bytes("public"))
        symbol = getattr(event, "symbol", "")
        self.counts[CHANNEL_OF[type(message)], symbol] += 1
        name, line = row(message)
        self.texts[self._name(symbol, name)].append(line)
        match event:
            case Trade():
                for trader in (event.buyer, event.seller):
                    self.trades[trader] += 1
                    self.volumes[trader] += event.qty
            case Liquidation():
                self.forced[event.trader][
                    "deleveragings" if event.reason == "auto_deleverage" else "liquidations"
                ] += 1

    # -------------------------------------------------------------------------------------- results

    def round(self, number: int = 1) -> dict[str, Any]:
        """The round of results.json that this market was."""
        ended_at = datetime.fromtimestamp(self.now_ns / 1e9 + 1, UTC).isoformat(
            timespec="milliseconds"
        )
        standings = [
            self._standing(rank, trader)
            for rank, trader in enumerate(sorted(self.trades), start=1)
        ]
        bots = [
            {"bot": {"trader_id": trader}, "report": f"reports/{trader}.json"}
            for trader in sorted(self.trades)
        ]
        return {
            "round": number,
            "ended_at": ended_at,
            "market": self._market(),
            "standings": standings,
            "bots": bots,
        }

    def _market(self) -> dict[str, Any]:
        listed = market_views.instruments(self.exchange, self._units)
        instruments = {
            each["symbol"]: each for each in json.loads(json.dumps(listed, default=_raw))
        }
        keys = ("tick", "lot", "maker_fee_bps", "taker_fee_bps", "liquidation_fee_bps")
        forced = {
            key: sum(each[key] for each in self.forced.values())
            for key in ("liquidations", "deleveragings")
        }
        fund = self.exchange.insurance / self._money if self.texts["insurance.csv"] else None
        return {
            "market_id": self.exchange.market_id,
            "trades": self.trades.total() // 2,
            "volume": self.volumes.total() // 2,
            "trades_before": 0,
            "unseen_trades": 0,
            **forced,
            "unseen_liquidations": 0,
            "insurance_cash": fund,
            "instruments": {
                symbol: {key: each[key] for key in keys} for symbol, each in instruments.items()
            },
            "settlement": self.settled,
        }

    def report(self, trader: str) -> dict[str, Any]:
        """What his bot would say of itself."""
        done = {
            "fills": self.fills[trader],
            "filled_qty": self.filled[trader],
            "fees": self.fees[trader] / self._money,
        }
        return {"format": 1, "trader_id": trader, "market_id": self.exchange.market_id, **done}

    @property
    def _money(self) -> int:
        return 10**self.exchange.rules.money_decimals

    def _standing(self, rank: int, trader: str) -> dict[str, Any]:
        account = self.exchange.accounts[trader]
        realized = sum(position.realized for position in account.positions.values())
        return {
            "rank": rank,
            "trader_id": trader,
            "total_equity": account.equity() / self._money,
            "cash": account.cash / self._money,
            "realized_pnl": realized / self._money,
            "unrealized_pnl": (account.equity() - account.cash) / self._money,
            "positions": {
                symbol: position.lots for symbol, position in account.positions.items()
            },
            "volume": self.volumes[trader],
            "trades": self.trades[trader],
            "fees": self.fees[trader] / self._money,
            "liquidations": self.forced[trader]["liquidations"],
            "deleveragings": self.forced[trader]["deleveragings"],
        }


def _raw(value: Any) -> float:
    return float(bytes(value))


def write_run(
    folder: Path, *markets: RecordedMarket, results: bool = True, state: bool = True
) -> Path:
    """The markets one after the other in the files of one run."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes: dict[str, int] = {}
    slices = []
    for market in markets:
        slices.append(
            {
                "market_id": market.exchange.market_id,
                "began": {name: size for name, size in sizes.items() if size},
            }
        )
        for name, lines in market.texts.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            header = "" if name in sizes else HEADERS[path.name]
            with path.open("a", encoding="utf-8") as file:
                file.write(header + "".join(lines))
            sizes[name] = path.stat().st_size
    if state:
        counts = [
            [channel, symbol, number]
            for (channel, symbol), number in markets[-1].counts.items()
        ]
        told = {
            "format": 1,
            "market_id": slices[-1]["market_id"],
            "seq": 1,
            "counts": counts,
            "sizes": sizes,
            "markets": slices,
        }
        (folder / ".export-state.json").write_text(json.dumps(told), encoding="utf-8")
    if results:
        rounds = [market.round(number) for number, market in enumerate(markets, start=1)]
        (folder / "results.json").write_text(
            json.dumps({"format": 2, "rounds": rounds}), encoding="utf-8"
        )
        (folder / "reports").mkdir(exist_ok=True)
        for trader in markets[-1].trades:
            (folder / "reports" / f"{trader}.json").write_text(
                json.dumps(markets[-1].report(trader)), encoding="utf-8"
            )
    return folder


def random_market(
    seed: object,
    commands: int,
    *,
    toml: str | None = None,
    step_ms: float = 37,
    start_ns: int = START_NS,
) -> RecordedMarket:
    """So many commands of a seeded crowd and its house: everything the rules know happens, but that
    nobody pays in.
    """
    begins = opening(seed) if toml is None else opening_of(toml, f"m-{seed}")
    market = RecordedMarket(begins, start_ns)
    stream = Stream(market.exchange, seed)
    for _ in range(commands):
        command, _ = stream.next()
        market.does(Tick() if isinstance(command, Deposit) else command, step_ms)
    return market
