"""What can go wrong with the test cluster, told so that a person knows what to do."""


class ClusterError(Exception):
    """The cluster cannot be built, started or reached; the message says which part and why."""
