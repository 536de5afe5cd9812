"""Every shape of Job, and the whole list of what must be heard of it: one run, one verdict, the right exit code."""
