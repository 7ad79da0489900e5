"""A battle of processes: the connection to the feed, the bots of a round, and the rounds themselves.

Here the pure room `botpit.battle` meets processes and sockets; the story itself is `botpit/cli/battle.py`.
Reading order: feed_connection, bot_processes, battle.
"""
