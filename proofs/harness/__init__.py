"""What the proofs share: processes to kill, clients that remember, recorders, planted faults, mains."""
