"""The stand-in's own tests: real HTTP on the loopback interface."""
