"""Faults made on the real cluster, and what must be heard in spite of them: tools, rows, and the judge of both."""
