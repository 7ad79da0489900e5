"""A market's events in files, which a process of their own makes from the journal, for readers that missed
them.

Everything here is derived. It may be deleted, replay makes it again, and recovery never trusts it. Reading
order: lines, files, reader, follower, process.
"""
