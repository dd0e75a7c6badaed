"""What other domains may ask of trust."""

from collections.abc import Sequence

from pratique.core.database import Transaction
from pratique.scan.types import Place
from pratique.trust.types import Decision


class TrustService:
    """Decides about images by policy, writes the gates of the registry, and remembers why."""

    def decide(self, tx: Transaction, place: Place) -> Decision:
        """Take the decision about one image in one repository and set its gate, in the caller's transaction."""
        return self.decide_many(tx, [place])[0]

    def decide_many(self, tx: Transaction, places: Sequence[Place]) -> list[Decision]:
        """As `decide`, in a bounded number of statements for all of them."""
        raise NotImplementedError

    def decision(self, tx: Transaction, repository_id: str, digest: str) -> Decision | None:
        """Return the decision that holds, or None."""
        raise NotImplementedError

    def history(self, tx: Transaction, repository_id: str, digest: str, limit: int = 50) -> list[Decision]:
        """Return the decisions about an image in a repository, newest first."""
        raise NotImplementedError
