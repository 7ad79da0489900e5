"""The built-in strategies, one file each or one small family: classes as any plugin's, with a short name.

Each docstring says the idea in its first paragraph and where it comes from in its last; each parameter has a
default and bounds. `quoting.py` has the moves several of them make. Numbers of ticks are of the instrument's,
so that the defaults suit any price.
"""
