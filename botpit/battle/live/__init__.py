"""A battle as it is played: the audience that watches the feed, the troupe of bots, the board that tells of it.

Here the pure room `botpit.battle` meets processes, sockets and the terminal; the story itself is `bot_battle_runner.py`.
Reading order: feed_connection, bot_processes, board.
"""
