"""What other domains may ask of the scanner."""

from pratique.core.database import Transaction
from pratique.scan.types import ImageFacts, Place


class ScanService:
    """Facts about images: each layer read once, each package judged once, for all images that have it."""

    def facts(self, tx: Transaction, digest: str) -> ImageFacts:
        """Return what is known about an image; state READING when nothing is yet."""
        raise NotImplementedError

    def facts_of(self, tx: Transaction, digests: list[str]) -> dict[str, ImageFacts]:
        """Return the facts of many images in a bounded number of statements."""
        raise NotImplementedError

    def places_affected(self, tx: Transaction, rule: str, repository_prefix: str) -> list[Place]:
        """Return the images under a repository prefix that a vulnerability (any alias) affects."""
        raise NotImplementedError
