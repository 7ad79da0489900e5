"""A finished run, checked from what it left behind: CSV rows and results in, the first row that contradicts the others out.

It trusts nothing it is given and uses nothing of the exchange: a host's result is believed because anybody can work it out again
from the files, by the published rules. Reading order: rows, holdings, cash, ledger, results, totals.
"""
