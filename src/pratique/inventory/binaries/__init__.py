"""Executables that say what they are made of: build information of Go, dependency lists of Rust.

An executable is told by its first bytes, whatever its name and place. What it says is its builder's word.
"""

from pratique.inventory.binaries.look import MAGICS, START, look_into

__all__ = ["MAGICS", "START", "look_into"]
