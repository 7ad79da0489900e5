"""A finished run, checked from what it left behind: CSV rows and results in, the first contradiction out.

The audit trusts no file and uses nothing of the exchange. A host's result can be believed because anybody can
recompute it from the files, by the published rules. Reading order: rows, holdings, change, cash, ledger,
results, totals.
"""
