"""Unpacks the shipped bundle once per store, into files that are read like any others."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import msgspec

from pratique.advisories.bundle.archive import Opened, open_bundle, unpack
from pratique.advisories.store.manifest import Manifest

BUNDLE = Path(__file__).with_name("starter.bundle")


def open_starter(directory: Path) -> tuple[Path, Manifest] | None:
    """Where the starter's files are and what they hold; None where the program carries none."""
    if not BUNDLE.exists():
        return None
    opened = open_bundle(BUNDLE)
    feeds = {name: msgspec.structs.replace(entry, starter=True) for name, entry in opened.description.feeds.items()}
    manifest = Manifest(store="starter", feeds=feeds, groups=opened.description.groups)
    return _unpacked(opened, directory), manifest


def _unpacked(opened: Opened, directory: Path) -> Path:
    """The folder with the files; made beside its final place and renamed, so that it is complete or absent."""
    name = f"starter-{hashlib.sha256(opened.described).hexdigest()[:12]}"
    target = directory / name
    if target.is_dir():
        return target
    parent = directory if os.access(directory, os.W_OK) else Path(tempfile.gettempdir())
    partial = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
    unpack(opened, partial)
    if parent != directory:
        return partial
    try:
        partial.rename(target)
    except OSError:  # another process was first
        shutil.rmtree(partial, ignore_errors=True)
    for old in directory.glob("starter-*"):
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)
    return target
