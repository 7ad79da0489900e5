"""The whole market in one terminal: exchange, relay, battle and monitor, started and stopped in order.

A user with four terminals could do the same by hand: the demo uses only the programs' own flags, their
`/healthz`, their exit codes and files. Each run has a new folder. Reading order: plan, processes, command.
"""
