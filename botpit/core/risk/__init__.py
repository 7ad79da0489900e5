"""What may be taken on and what must be closed: checks, margin, liquidation, and the watch that says whom to
look at."""
