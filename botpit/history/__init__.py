"""The past on disk: the journal of commands, the archive of what was said, and the replay that makes one of the other.

Reading order: journal, archive, replay.
"""
