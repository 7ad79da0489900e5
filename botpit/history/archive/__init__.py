"""What a market has said, in files: made from its journal by a process of its own, read by whoever missed it.

Everything here is derived. It may be deleted, is made again by replay, and is never trusted for recovery. Reading order: lines,
files, reader, follower, process.
"""
