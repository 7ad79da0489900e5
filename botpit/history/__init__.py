"""The past on disk: the journal of commands, the archive of events, and replay from one to the other.

Reading order: journal, archive, replay.
"""
