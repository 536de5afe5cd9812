"""Tests of the pure parts of tests/images, and of what the Dockerfiles say."""
