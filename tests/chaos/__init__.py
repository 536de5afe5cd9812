"""A stream of Jobs while a seeded choice of things fails: were any harmed, lost, or told twice?

`python -m tests.chaos --minutes 20 --seed 7`. `plan` says what is to happen, `stream`, `observer` and `faults` carry
it out and look on, `judge` says what came of it.
"""
