"""Admission and controller of cronitor-k8s: who is injected, and all that no sidecar can see."""
