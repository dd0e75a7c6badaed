"""RPM packages: the database in each of its three formats, and the headers in it."""

from pratique.inventory.readers.rpm.database import WANTED

__all__ = ["WANTED"]
