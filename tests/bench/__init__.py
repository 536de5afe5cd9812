"""`make bench`: the figures that this project promises, measured on the real cluster (docs/performance.md)."""
