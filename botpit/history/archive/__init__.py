"""A market's events in files, made from its journal by a process of their own, for late readers.

Everything here is derived. It may be deleted, replay makes it again, and recovery never trusts it. Reading
order: lines, files, reader, follower, process.
"""
