"""What other domains and the pages may ask of recommendations."""

from dataclasses import replace

from pratique.core.database import Cursors, Database, Transaction
from pratique.core.errors import Invalid
from pratique.recommendations import evidence, listing, records, summing
from pratique.recommendations.actions import Kind
from pratique.recommendations.bases import Bases, NoBases, named
from pratique.recommendations.bases import steps_of as base_steps
from pratique.recommendations.errors import FilterInvalid, RecommendationUnknown
from pratique.recommendations.fixes import VersionOrder
from pratique.recommendations.refresh import priority_of
from pratique.recommendations.remedies import REBUILD, steps_of
from pratique.recommendations.standing import sum_up
from pratique.recommendations.types import (
    EVERYTHING,
    EvidencePage,
    FindingFilter,
    ImageLine,
    Page,
    Recommendation,
    RecommendationFilter,
    ScoreDay,
    Step,
    Summary,
    Visibility,
)


class RecommendationService:
    """Lists what to do, worst first. Every answer is limited to what the caller may see, in SQL.

    Methods are synchronous and take one snapshot each; they are meant for a thread.
    """

    def __init__(
        self,
        database: Database,
        cursors: Cursors,
        order: VersionOrder,
        bases: Bases | None = None,
        *,
        registry_host: str = "",
    ) -> None:
        self._database = database
        self._bases = bases or NoBases()
        self._registry_host = registry_host
        self._cursors = cursors
        self._order = order

    def page(self, wanted: RecommendationFilter, visibility: Visibility = EVERYTHING) -> Page:
        """Return one page by keyset: its cost does not depend on how many findings there are."""

        def body(tx: Transaction) -> Page:
            page = listing.listed(tx, wanted, visibility, self._cursors)
            return replace(page, items=named(tx, self._bases, page.items, visibility))

        return self._database.read(body)

    def get(self, recommendation_id: str, visibility: Visibility = EVERYTHING) -> Recommendation:
        """Return one recommendation; raises RecommendationUnknown."""
        return self._database.read(
            lambda tx: named(tx, self._bases, [_known(tx, recommendation_id, visibility)], visibility)[0]
        )

    def of_image(self, lineage: str, subject: str, visibility: Visibility = EVERYTHING) -> tuple[Recommendation, ...]:
        """Return what to do about one image, worst first; counts are of this image alone."""
        if not visibility.covers(lineage):
            return ()

        def body(tx: Transaction) -> tuple[Recommendation, ...]:
            lines = records.lines_of_image(tx, lineage, subject)
            standing = sum_up(lineage, lines, {line.action: 1 for line in lines}, self._order)
            extra = {"repositories": 1, "gain": 0.0, "updated_at": tx.now}
            found = [
                listing.recommendation_of({**item, **extra, "owners": int(bool(item["owner"]))}, 0, tx.now)
                for item in standing.items
            ]
            return named(tx, self._bases, sorted(found, key=_priority, reverse=True), visibility)

        return self._database.read(body)

    def steps(self, recommendation: Recommendation) -> tuple[Step, ...]:
        """Return what to do, with lines to copy."""
        action = recommendation.action
        if action.kind is Kind.BASE_UPGRADE:
            return base_steps(recommendation.base, self._registry_host, action.place, REBUILD)
        binaries = self._database.read(lambda tx: evidence.binaries_of(tx, action.text))
        return steps_of(action, recommendation.fix, binaries)

    def images(
        self, recommendation: Recommendation, visibility: Visibility = EVERYTHING, limit: int = 50
    ) -> tuple[tuple[ImageLine, ...], int]:
        """Return the images it would repair, and how many more there are than `limit`."""
        return self._database.read(lambda tx: evidence.images_of(tx, recommendation.action.text, visibility, limit))

    def findings(self, wanted: FindingFilter, visibility: Visibility = EVERYTHING) -> EvidencePage:
        """Return findings with their evidence, worst first; raises RecommendationUnknown, FilterInvalid."""

        def body(tx: Transaction) -> EvidencePage:
            action = None
            if wanted.recommendation:
                action = _known(tx, wanted.recommendation, visibility).action.text
            return evidence.listed(tx, wanted, action, visibility, self._cursors)

        try:
            return self._database.read(body)
        except Invalid as error:
            raise FilterInvalid(error.message, remedy=error.remedy) from error

    def evidence(
        self, recommendation: Recommendation, visibility: Visibility = EVERYTHING, cursor: str = "", limit: int = 25
    ) -> EvidencePage:
        """Return the findings behind a recommendation, worst first."""
        wanted = FindingFilter(recommendation=recommendation.id, cursor=cursor, limit=limit)
        return self.findings(wanted, visibility)

    def days(self, limit: int = 90) -> tuple[ScoreDay, ...]:
        """Return how the latest days ended, oldest first: figures of the whole installation."""
        return self._database.read(lambda tx: summing.days(tx, limit))

    def summary(self, visibility: Visibility = EVERYTHING) -> Summary:
        """Return the score and the counts at the head of the page."""
        return self._database.read(lambda tx: summing.summary(tx, visibility))


def _priority(item: Recommendation) -> int:
    return priority_of(item.risk, item.images, item.counts.not_assessed)


def _known(tx: Transaction, recommendation_id: str, visibility: Visibility) -> Recommendation:
    item = listing.found(tx, recommendation_id, visibility)
    if item is None:
        raise RecommendationUnknown(
            "There is no such recommendation.", remedy="It may have been done: look at the list for what is open."
        )
    return item
