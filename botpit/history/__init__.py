"""The past on disk: the journal of commands, the archive of events, and the replay that makes events of
commands.

Reading order: journal, archive, replay.
"""
