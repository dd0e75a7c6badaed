"""Lock files of source trees: what a build would install. Read only where `Limits.source_tree` says so."""

from pratique.inventory.locks import documents, lines
from pratique.inventory.readers.wanted import Wanted

ALL: tuple[Wanted, ...] = (*documents.WANTED, *lines.WANTED)

__all__ = ["ALL"]
