"""Unpacks the shipped bundle once per store, into files that are read like any others."""

from pathlib import Path

from pratique.advisories.store.manifest import Manifest

BUNDLE = Path(__file__).with_name("starter.bundle")


def open_starter(directory: Path) -> tuple[Path, Manifest] | None:
    """Where the starter's files are and what they hold; None where the program carries none."""
    if not BUNDLE.exists():
        return None
    raise NotImplementedError(directory)
