"""A battle of processes: the connection to the feed, the bots of a round, the board that shows how it goes.

Here the pure room `botpit.battle` meets processes, sockets and the terminal; the story itself is `botpit/cli/battle.py`.
Reading order: feed_connection, bot_processes, board.
"""
