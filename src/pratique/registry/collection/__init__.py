"""Garbage collection: what nothing names any more goes, while clients push, mount and delete (ADR 0313)."""
