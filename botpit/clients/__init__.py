"""The other side of the wire, without sockets: the conversation with a feed, and what readers make of it.

In the order in which to read them: `feed_session` (the conversation), `feed_table` (its states), `channel_numbers`
(what is missing); then the folds, `mirror` (the market as it is) and `statistics` (who did what in it).
"""
