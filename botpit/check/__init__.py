"""`botpit check`: the files of a finished run found, read line by line and audited; the exit code says what came of it.

The audit itself is pure (`botpit/audit/`). Here is what is about files. Reading order: files, command.
"""
