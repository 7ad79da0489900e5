"""The other side of the wire, without sockets: the conversations with a feed and with the order port.

In the order in which to read them: `feed_session` (the conversation), `feed_table` (its states),
`channel_numbers` (what is missing), `requests` (as they are sent); the folds, `mirror` (the market as it is)
and `statistics` (who did what in it); then `trading_session`, a trader's conversation with the order port.
"""
