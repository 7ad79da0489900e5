"""A whole exchange without sockets, for tests: text in, messages out, on a clock that the test turns.

`venue.py` wires it once: sequencer, gateway, feed, turns and a journal. Whatever else a test needs is a part
that it adds: a connection to a port (`client.py`, `listener.py`), a relay (`relay.py`), bots (`bot.py`), or
one conversation over a line that a seed spoils (`feed_pair.py`, `trading_pair.py`).
"""
