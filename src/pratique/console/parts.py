"""Everything the console is made of; it opens nothing by itself."""

from collections.abc import Callable
from dataclasses import dataclass

from pratique.console.content import Content
from pratique.console.sources import Exemptions, Feeds, Images, Jobs
from pratique.core.clock import Clock
from pratique.identity.service import IdentityService
from pratique.recommendations.assigning import Assignments
from pratique.recommendations.service import RecommendationService


@dataclass(frozen=True, slots=True)
class Parts:
    """What the composition root hands over."""

    recommendations: RecommendationService
    assignments: Assignments
    images: Images
    feeds: Feeds
    exemptions: Exemptions
    jobs: Jobs
    content: Content
    identity: IdentityService
    epoch: Callable[[], int]
    """Number of the last change of recommendations: `Epochs.current`, quick and at most one query a second."""
    clock: Clock
    registry_host: str
    """Host and port under which clients push, for the first commands that an empty page shows."""
