"""A battle as plain values: its configuration and its results.

Nothing here starts a process or reads a file: the runner hands in text and gets validated bots, hands in figures and gets text.
Reading order: config, results, spectator.
"""
