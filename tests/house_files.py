"""The table of the house, file by file: what each may import, and which are pure.

A file's own room does not help it: it may import what its row names, and the standard library.
Names of the same room are short, and stand in an order in which each file stands on those before
it. The file "" is the room's `__init__`, or a room that is one file.
"""

from __future__ import annotations

ROWS: dict[str, dict[str, str]] = {
    "botpit.core": {
        "instrument": "",
        "commands": "instrument msgspec",
        "valuation": "instrument",
        "events": "commands msgspec",
        "positions": "commands valuation",
        "phases": "commands events",
        "orders": "commands events positions msgspec",
        "accounts": "valuation events positions orders",
        "book": "commands orders",
        "timers": "orders",
        "market": "instrument valuation events phases book",
        "prospects": "events positions orders accounts market msgspec",
        "matching": "commands events positions orders book prospects",
        "risk.margin": "commands positions prospects",
        "risk.checks": "instrument events positions market prospects risk.margin",
        "risk.watch": "commands valuation positions risk.margin",
        "ledger": "commands valuation events positions orders accounts timers market risk.margin risk.watch",
        "refusals": "events prospects ledger",
        "risk.liquidation": "commands events positions orders accounts market matching risk.margin ledger",
        "rules": "instrument commands events ledger",
        "entry": "commands events orders accounts market prospects matching risk.margin risk.checks ledger "
        "refusals",
        "sessions": "commands events ledger refusals",
        "ticks": "commands events accounts market risk.margin ledger risk.liquidation",
        "admin": "commands events phases market prospects risk.checks ledger refusals risk.liquidation rules",
        "exchange": "commands events prospects ledger entry sessions ticks admin",
        "state": "commands accounts exchange",
    },
    "botpit.settings": {
        "": "botpit.core pydantic",
    },
    "botpit.wire": {
        "numbers": "botpit.core msgspec",
        "channels": "botpit.core message_schemas",
        "explain": "msgspec pydantic",
        "heads": "msgspec",
        "packed": "botpit.core msgspec",
        "units": "numbers botpit.core msgspec",
        "sequence_numbers": "channels",
        "decode": "numbers explain botpit.core message_schemas msgspec",
        "forms": "numbers units botpit.core message_schemas msgspec",
        "encode": "numbers channels units decode forms botpit.core msgspec",
        "market_views": "numbers units forms botpit.core message_schemas msgspec",
        "outgoing": "forms encode msgspec",
        "account_views": "numbers units forms market_views botpit.core message_schemas msgspec",
        "sequencer": "channels sequence_numbers encode outgoing botpit.core",
    },
    "botpit.io": {
        "addresses": "",
        "bounds": "",
        "files": "",
        "log": "",
        "frames": "",
        "exit_codes": "",
        "limits": "",
        "link": "websockets",
        "handshake": "addresses picows",
        "lock": "files",
        "order_port": "log websockets",
        "rate_limited_log": "log",
        "state_file": "files log",
        "connection": "bounds log frames picows",
        "run": "log exit_codes uvloop",
        "gate": "connection",
        "server": "bounds frames handshake connection picows",
        "child": "files log run",
        "listen": "bounds server",
        "supervisor": "log exit_codes child",
        "fleet": "files log supervisor",
    },
    "botpit.history": {
        "journal.disk": "",
        "archive.lines": "botpit.wire msgspec",
        "journal.records": "msgspec",
        "archive.files": "journal.disk",
        "journal.lines": "journal.disk journal.records",
        "journal.segments": "journal.disk journal.records",
        "journal.snapshots": "journal.disk journal.records msgspec",
        "vocabulary": "journal.records botpit.core",
        "archive.reader": "archive.lines archive.files botpit.wire msgspec",
        "journal.reading": "journal.disk journal.records journal.lines journal.segments",
        "replay": "journal.records journal.snapshots vocabulary botpit.core botpit.wire msgspec",
        "journal.folder": "journal.disk journal.records journal.segments journal.reading botpit.io",
        "journal.recovery": "journal.disk journal.records journal.segments journal.snapshots journal.reading",
        "archive.follower": "journal.disk archive.lines journal.records archive.files journal.segments journal.snapshots "
        "vocabulary journal.recovery botpit.core botpit.wire",
        "archive.process": "journal.disk journal.records journal.reading archive.follower botpit.io",
    },
    "botpit.clients": {
        "channel_numbers": "",
        "feed_table": "",
        "statistics": "message_schemas",
        "trading_session": "message_schemas",
        "requests": "message_schemas",
        "feed_session": "channel_numbers feed_table requests message_schemas",
        "mirror": "message_schemas",
    },
    "botpit.bots": {
        "notice": "message_schemas",
        "latency": "",
        "orders": "bot_strategies message_schemas",
        "strategies.quoting": "bot_strategies message_schemas msgspec",
        "counts": "latency message_schemas",
        "state": "orders bot_strategies botpit.clients message_schemas",
        "strategies.avellaneda_stoikov": "strategies.quoting bot_strategies msgspec",
        "strategies.customers": "strategies.quoting bot_strategies message_schemas",
        "strategies.execution": "strategies.quoting bot_strategies message_schemas msgspec",
        "strategies.grid": "strategies.quoting bot_strategies message_schemas msgspec",
        "strategies.maker": "strategies.quoting bot_strategies message_schemas msgspec",
        "strategies.sniper": "strategies.quoting bot_strategies message_schemas msgspec",
        "strategies.taker": "strategies.quoting bot_strategies message_schemas",
        "strategies.trend": "strategies.quoting bot_strategies msgspec",
        "strategies.value": "strategies.quoting bot_strategies msgspec",
        "report": "latency counts msgspec",
        "runner": "notice counts bot_strategies",
        "book": "state botpit.clients message_schemas",
        "feed": "notice state botpit.clients message_schemas msgspec",
        "order_entry": "notice state bot_strategies botpit.clients message_schemas msgspec",
        "strategies.zero_intelligence": "strategies.quoting strategies.customers bot_strategies msgspec",
        "strategies.zip_trader": "strategies.quoting strategies.customers bot_strategies message_schemas msgspec",
        "market_handle": "state book order_entry bot_strategies message_schemas",
        "brain": "notice counts state runner feed order_entry market_handle bot_strategies botpit.clients "
        "message_schemas",
        "": "notice counts report market_handle brain",
    },
    "botpit.battle": {
        "config": "botpit.wire message_schemas pydantic",
        "standings": "botpit.clients message_schemas",
        "reports": "pydantic",
        "results": "config message_schemas pydantic",
        "equity": "standings",
        "live.bot_processes": "config reports results botpit.io",
        "feed": "results equity botpit.clients message_schemas",
        "live.feed_connection": "feed botpit.io",
        "ranking": "standings reports results feed",
        "live.battle": "config results live.bot_processes live.feed_connection ranking botpit.io",
    },
    "botpit.venue": {
        "feed.book_updates": "",
        "feed.buffer": "botpit.wire",
        "rates": "",
        "gateway.private": "botpit.wire",
        "tokens": "botpit.io",
        "feed.subscriptions": "rates botpit.core botpit.wire message_schemas",
        "gateway.sessions": "rates botpit.core botpit.wire message_schemas",
        "feed.publisher": "feed.book_updates feed.buffer feed.subscriptions botpit.core botpit.wire",
        "feed.relay": "feed.buffer feed.subscriptions botpit.clients botpit.wire message_schemas",
        "gateway.routes": "gateway.sessions botpit.core botpit.wire",
        "gateway.market": "gateway.private feed.publisher botpit.core botpit.wire",
        "gateway.queries": "gateway.sessions gateway.routes botpit.core botpit.wire message_schemas",
        "gateway.trading": "gateway.sessions gateway.routes botpit.core botpit.wire message_schemas",
        "gateway.auth": "gateway.sessions gateway.routes gateway.market botpit.core botpit.wire message_schemas",
        "loader": "gateway.private feed.publisher gateway.market botpit.core botpit.history botpit.history.journal "
        "botpit.io botpit.settings botpit.wire",
        "gateway.admin": "gateway.sessions gateway.routes gateway.auth botpit.core botpit.wire message_schemas",
        "gateway.gateway": "rates gateway.sessions gateway.routes gateway.market gateway.queries gateway.trading "
        "gateway.auth gateway.admin botpit.core botpit.wire message_schemas",
        "turn": "feed.subscriptions gateway.sessions feed.publisher gateway.gateway",
        "server": "feed.subscriptions gateway.sessions feed.publisher turn botpit.history.journal botpit.io",
        "lifecycle": "tokens loader gateway.gateway turn server botpit.core botpit.io botpit.settings",
    },
    "botpit.runs": {
        "audit.rows": "",
        "export.disk": "aiofiles botpit.io",
        "export.errors": "botpit.io",
        "export.rows": "botpit.io message_schemas",
        "audit.holdings": "audit.rows",
        "export.lock": "export.errors botpit.io",
        "export.state": "export.errors export.rows botpit.clients botpit.io pydantic",
        "audit.fees": "audit.rows audit.holdings",
        "export.sheets": "export.disk export.errors export.rows export.state botpit.clients botpit.io",
        "audit.change": "audit.rows audit.holdings audit.fees",
        "audit.marks": "audit.rows audit.holdings audit.fees",
        "audit.moment": "audit.rows audit.holdings audit.fees",
        "audit.results": "audit.fees pydantic",
        "audit.cash": "audit.rows audit.holdings audit.fees audit.change audit.moment",
        "audit.settlement": "audit.rows audit.holdings audit.fees audit.moment",
        "folder": "audit.rows audit.results botpit.io",
        "audit.ledger": "audit.rows audit.holdings audit.fees audit.marks audit.moment audit.cash audit.settlement",
        "audit.text": "audit.rows audit.holdings audit.ledger",
        "audit.totals": "audit.rows audit.holdings audit.results audit.ledger",
    },
    "botpit.screen": {
        "text": "botpit.io rich",
        "blocks": "",
        "equity": "",
        "latency": "",
        "progress": "rich",
        "rates": "",
        "standings": "text botpit.battle botpit.clients",
        "ladder": "text blocks botpit.clients rich",
        "leaderboard": "text standings botpit.battle rich",
        "traders": "text blocks equity standings rich",
        "watch": "text equity latency rates standings botpit.clients message_schemas msgspec",
        "battle_board": "text standings leaderboard botpit.battle botpit.battle.live rich",
        "liquidations": "text watch message_schemas rich",
        "header": "text latency watch liquidations botpit.clients rich",
        "tape": "text watch liquidations message_schemas rich",
        "monitor": "text standings ladder traders watch liquidations header tape botpit.clients rich",
    },
}
"""Room -> file -> what it may import."""

PURE: dict[str, str] = {
    "botpit.core": (
        "instrument commands valuation events positions phases orders accounts book timers market "
        "prospects matching risk.margin risk.checks risk.watch ledger refusals risk.liquidation rules "
        "entry sessions ticks admin exchange state"
    ),
    "botpit.wire": (
        "numbers channels explain heads packed units sequence_numbers decode forms encode market_views "
        "outgoing account_views sequencer"
    ),
    "botpit.history": "archive.lines journal.records vocabulary",
    "botpit.clients": "channel_numbers feed_table requests statistics trading_session feed_session mirror",
    "botpit.bots": (
        "notice latency orders strategies.quoting counts state strategies.avellaneda_stoikov "
        "strategies.customers strategies.execution strategies.grid strategies.maker strategies.sniper "
        "strategies.taker strategies.trend strategies.value report runner book feed order_entry "
        "strategies.zero_intelligence strategies.zip_trader market_handle brain"
    ),
    "botpit.battle": "config standings reports results equity feed ranking",
    "botpit.venue": (
        "feed.book_updates feed.buffer rates gateway.private feed.subscriptions gateway.sessions "
        "feed.publisher feed.relay gateway.routes gateway.market gateway.queries gateway.trading "
        "gateway.auth gateway.admin gateway.gateway turn"
    ),
    "botpit.runs": (
        "audit.rows audit.holdings audit.fees audit.change audit.marks audit.moment audit.results "
        "audit.cash audit.settlement audit.ledger audit.text audit.totals"
    ),
}
"""Room -> its files that know no clock, socket, file, log or chance of their own."""
