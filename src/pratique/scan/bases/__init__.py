"""Which image another was built on, told from layers alone, and what a newer build of it would settle (ADR 0803)."""
