"""The public side of the market, without sockets: numbering, views, subscriptions, snapshots, catch-up.

`publisher` turns the exchange's events into numbered messages and its books into views;
`subscriptions` gives every reader what it asked for; `buffer` keeps the last events for those who
come back; `relay` does for a relay what `publisher` does for the exchange.
"""
