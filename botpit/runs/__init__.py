"""The files of a run: written by `export`, found by `folder`, recomputed by `audit`."""
