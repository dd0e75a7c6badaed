"""What other domains and the pages may ask of recommendations."""

from pratique.core.database import Database
from pratique.recommendations.types import (
    EVERYTHING,
    EvidencePage,
    FindingFilter,
    Page,
    Recommendation,
    RecommendationFilter,
    Step,
    Summary,
    Visibility,
)


class RecommendationService:
    """Lists what to do, worst first. Every answer is limited to what the caller may see, in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, wanted: RecommendationFilter, visibility: Visibility = EVERYTHING) -> Page:
        """Return one page by keyset: its cost does not depend on how many findings there are."""
        raise NotImplementedError

    def get(self, recommendation_id: str, visibility: Visibility = EVERYTHING) -> Recommendation:
        """Return one recommendation; raises RecommendationUnknown."""
        raise NotImplementedError

    def steps(self, recommendation: Recommendation) -> tuple[Step, ...]:
        """Return what to do, with lines to copy."""
        raise NotImplementedError

    def findings(self, wanted: FindingFilter, visibility: Visibility = EVERYTHING) -> EvidencePage:
        """Return findings with their evidence, worst first."""
        raise NotImplementedError

    def summary(self, visibility: Visibility = EVERYTHING) -> Summary:
        """Return the score and the counts at the head of the page."""
        raise NotImplementedError
