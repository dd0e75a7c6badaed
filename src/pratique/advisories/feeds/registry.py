"""All built-in feeds, in the order in which a sync takes them: the small and urgent first."""

from collections.abc import Mapping, Sequence

from pratique.advisories.errors import UnknownFeed
from pratique.advisories.feeds.alpine import AlpineSecdb
from pratique.advisories.feeds.base import Feed
from pratique.advisories.feeds.debian import DebianTracker
from pratique.advisories.feeds.epss import Epss
from pratique.advisories.feeds.kev import KnownExploited
from pratique.advisories.feeds.nvd import NvdScores
from pratique.advisories.feeds.osv import ECOSYSTEMS, Osv
from pratique.advisories.feeds.suite import DebianSecuritySuite

FEEDS: Sequence[Feed] = (
    KnownExploited(),
    DebianSecuritySuite(),
    DebianTracker(),
    AlpineSecdb(),
    Epss(),
    *(Osv(one, download_bytes=size) for one, size in ECOSYSTEMS),
    NvdScores(),
)

BY_NAME: Mapping[str, Feed] = {feed.spec.name: feed for feed in FEEDS}


def feeds_named(names: Sequence[str]) -> list[Feed]:
    """The feeds of these names in the order of a sync; all default ones for no names."""
    unknown = sorted(set(names) - BY_NAME.keys())
    if unknown:
        raise UnknownFeed(f"There is no feed called {', '.join(unknown)}.", remedy=f"Feeds are: {', '.join(BY_NAME)}.")
    return [feed for feed in FEEDS if (feed.spec.name in names if names else feed.spec.default)]
