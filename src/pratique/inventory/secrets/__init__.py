"""Secrets in files: rules of our own, a search that costs next to nothing, and nothing that keeps a value."""
