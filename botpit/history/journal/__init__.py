"""The journal: every command on disk before anybody hears of its effects, and the machine made of it again.

A market is a folder: segments of records in order of number, and snapshots that shorten the way back. The
same records give the same machine, so recovery, audit and catch-up are one thing: replay. Reading order:
records, disk, segments, reading, snapshots, recovery, folder.
"""
