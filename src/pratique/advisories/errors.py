"""Errors of the advisories domain; each says what to do next.

PratiqueError
├── Invalid
│   ├── UnknownFeed        a feed name that is not built in
│   ├── FeedRefused        bytes came, but they are not the feed: drift, shrinkage, limits, wrong hash
│   └── BundleRefused      a bundle that is unsigned, altered or of another format
└── Unavailable
    └── FeedUnavailable    the source did not answer as it should
"""

from pratique.core.errors import Invalid, Unavailable


class UnknownFeed(Invalid):
    code = "unknown-feed"


class FeedRefused(Invalid):
    code = "feed-refused"


class BundleRefused(Invalid):
    code = "bundle-refused"


class FeedUnavailable(Unavailable):
    code = "feed-unavailable"


class Cancelled(Unavailable):
    """The caller's `cancelled()` said so; what was complete before stays, downloads resume next time."""

    code = "sync-cancelled"
