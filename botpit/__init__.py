"""Botpit: a local exchange for trading bots, as real processes on one order book.

The rooms, in the order in which to read them:

- `core`      the market itself: commands in, events out, integers only; no clock, no chance, no socket
- `wire`      the border between its integers and what people write: bytes to commands, events to bytes
- `history`   where commands go before their effects are seen, the way back from there, and replay
- `venue`     the exchange as a service: gateway and feed without sockets, then their server, a
  market from begin to end
- `clients`   the other side of the wire: the conversations with feed and order port, and what readers see
- `bots`      a bot's brain: messages in, strategy, requests out; the built-in strategies, each a
  class like any plugin's
- `battle`    a battle as plain values, and in `live` as it is played
- `runs`      the files of a run: written, found, and worked out again
- `screen`    what a terminal shows
- `io`        the only room that awaits: server, link, processes; files and locks
- `cli`       the subcommands of `botpit`
- `settings`  every setting and limit, with its unit
- `compiled`  whether the engine is the compiled one, and whether that is of the sources beside it

Who may import whom is kept by tests/test_house.py. The programs at the top of the repository are
each one process and import no other.
"""

from botpit.compiled import refuse_stale

__version__ = "0.1.0"
refuse_stale()
