"""The journal: every command on disk before anybody is told of its effects, and the market made again from
it.

A market is a folder: segments of records in order of number, and snapshots that shorten the way back. The
same records give the same market, so recovery, audit and catch-up are one thing: replay. Reading order:
records, disk, segments, reading, snapshots, recovery, folder.
"""
