"""The console as one ASGI application: pages that read well without scripts, under a strict policy."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette

from pratique.console.sources import Exemptions, Feeds, Images, Jobs, SignIn
from pratique.core.clock import Clock
from pratique.core.permissions import Authorizer, Caller
from pratique.recommendations.service import RecommendationService
from pratique.recommendations.types import Visibility


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything the console is made of; it opens nothing by itself."""

    recommendations: RecommendationService
    images: Images
    feeds: Feeds
    exemptions: Exemptions
    jobs: Jobs
    sign_in: SignIn
    authorizer: Authorizer
    visibility: Callable[[Caller], Visibility]
    csrf: Callable[[bytes], bytes]
    """HMAC-SHA-256 under the key of the purpose `csrf`."""
    epoch: Callable[[], int]
    """Number of the last change of findings; may block, is called at most once a second in a process."""
    clock: Clock
    registry_host: str
    """Host and port under which clients push, for the first commands that an empty page shows."""


def create_console(parts: Parts) -> Starlette:
    """Return the application; it serves every path that no other plane takes."""
    raise NotImplementedError
