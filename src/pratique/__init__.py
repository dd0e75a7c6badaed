"""Pratique: a container security platform in one process tree."""

__version__ = "0.1.0"
