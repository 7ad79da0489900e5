"""What the proofs share: processes to start and kill, clients that remember, recorders, planted faults, comparisons, mains."""
