"""The key process: every key of the installation, in one small process, behind a narrow set of operations."""
