"""Botpit: a local exchange for trading bots, as real processes on one order book.

The rooms, in the order in which to read them:

- `exchange`  the market itself: commands in, events out, integers only; no clock, no chance, no socket
- `wire`      the border between its integers and what people write: bytes to commands, events to bytes
- `gateway`   order entry without sockets: sessions, answers, private events, rates
- `feed`      the public side without sockets: numbering, subscriptions, views, snapshots, catch-up; the relay's side too
- `ports`     where gateway and feed meet the event loop: turns, peers
- `markets`   which market an exchange trades in: the one that its data folder holds, recovered, or a new one
- `venue`     one market on its two ports, from its first socket to its last
- `mirror`, `intake`  the reader's side of the feed: the present as a picture, the past without a gap
- `export`    that past as CSV files, each event once, whenever their writer is killed
- `strategies`  the built-in strategies, each a class like any plugin's
- `bots`      a bot's brain: messages in, strategy, requests out
- `battle`, `arena`, `screen`  a battle as plain values; a battle as it is played; what a terminal shows
- `audit`, `check`  a finished run worked out again from its rows, and the files for that
- `journal`   where commands go before anybody is told, and the way back from there
- `archive`   what a market has said, made from its journal by a process of its own; replay
- `lock`      one process per folder
- `compiled`  whether the engine is the compiled one, and whether that is of the sources beside it
- `net`       the only room that awaits: server, client, processes
- `settings`  every setting and limit, with its unit
- `replay`    a journal played again, checked and shown

Who may import whom is kept by tests/test_house.py. The programs at the top of the repository are each one process and import no
other.
"""

from botpit.compiled import refuse_stale

__version__ = "0.1.0"
refuse_stale()
