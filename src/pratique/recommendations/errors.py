"""What can go wrong when recommendations are asked for.

Invalid
└─ FilterInvalid        a filter, sort or cursor that nobody can have meant
NotFound
└─ RecommendationUnknown
"""

from pratique.core.errors import Invalid, NotFound


class FilterInvalid(Invalid):
    """A filter, a sort order or a cursor cannot be read."""

    code = "filter-invalid"


class RecommendationUnknown(NotFound):
    """No recommendation with this id is visible to the caller."""

    code = "recommendation-unknown"
