"""The other side of the wire, without sockets: what a reader makes of the feed.

`mirror` keeps the present picture, `exact_reader` every event once.
"""
