"""The witness in the pod: watches its sibling containers and reports their run straight to Cronitor."""
