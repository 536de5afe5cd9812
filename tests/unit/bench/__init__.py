"""The bench's pure parts: what is made of samples. How fast anything is, no test says."""
