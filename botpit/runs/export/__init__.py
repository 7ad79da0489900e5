"""A market as CSV files that hold each event once, whenever the process that writes them is killed.

In the order in which to read them: `rows` (an event as a line), `state` (what is recorded of the files),
`disk` (how they are changed), `sheets` (the files), `lock` (one writer per folder), `errors` (why an export
ends).
"""
