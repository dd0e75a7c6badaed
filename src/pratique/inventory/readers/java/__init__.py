"""Java archives: jar, war and ear, and the archives inside them."""

from pratique.inventory.readers.java.archives import WANTED

__all__ = ["WANTED"]
