"""What may be taken on and what must be closed: checks, margin, liquidation, the watch over accounts."""
