"""A battle as plain values: its configuration, what a feed sees, who ranks where, its results.

Nothing here starts a process or reads a file: the runner hands in text and gets validated bots, hands in the
feed's messages and gets figures. Reading order: config, standings, equity, feed, reports, results, ranking.
"""
