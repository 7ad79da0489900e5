"""The whole market in one terminal: exchange, relay, battle and monitor as real processes, started and stopped in order.

This is what somebody with four terminals would do by hand, and it uses nothing that they could not: the programs' own flags,
their `/healthz`, their exit codes and files. What one run leaves is in one new folder. Reading order: plan, processes, command.
"""
