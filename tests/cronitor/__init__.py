"""A stand-in for Cronitor: its HTTP interface as far as it is documented, faults on demand, and a strict eye on us.

In a test: `with StandIn() as cronitor: ...` (tests.cronitor.stand_in). From a shell: `python -m tests.cronitor`.
Talking to one that runs in another process: `Client` (tests.cronitor.client).
"""
