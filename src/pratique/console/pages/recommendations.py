"""The list of what to do, one recommendation with its evidence, and how the numbers are made."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pratique.console import addresses, forms, wording
from pratique.console.evidence import EvidenceRow
from pratique.console.filters import finding_filter, is_narrowed, recommendation_filter
from pratique.console.pages.desk import Desk, in_thread, see_other
from pratique.console.rendering import is_part
from pratique.console.sources import FeedView, Freshness
from pratique.core.errors import Denied, Invalid
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Extent, Permission
from pratique.recommendations import due, risk
from pratique.recommendations.assigning import Assignment
from pratique.recommendations.types import (
    Counts,
    EvidencePage,
    ImageLine,
    Page,
    Recommendation,
    RecommendationFilter,
    Sort,
    State,
    Step,
    Summary,
    Visibility,
)

READ = Permission.RECOMMENDATIONS_ITEMS_READ
WRITE = Permission.RECOMMENDATIONS_ITEMS_WRITE
STATES = (
    (State.OPEN.value, "Open"),
    (State.OVERDUE.value, "Overdue"),
    (State.NOT_ASSESSED.value, "Not assessed"),
    (State.EXEMPTED.value, "Exempted"),
)
SORTS = (
    (Sort.RISK.value, "Risk first"),
    (Sort.SEVERITY.value, "Severity first"),
    (Sort.IMAGES.value, "Most images first"),
    (Sort.NEWEST.value, "Newest first"),
    (Sort.DUE.value, "Due first"),
)


@dataclass(frozen=True, slots=True)
class Banner:
    """A line above the list that limits what the list can be taken for."""

    kind: str
    icon: str
    title: str
    text: str
    href: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class ImageRow:
    """An affected image with the state of its gate."""

    repository: str
    subject: str
    counts: Counts
    href: str
    gate: str


class RecommendationPages:
    """Pages over recommendations; reads only."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._service = desk.parts.recommendations

    def routes(self) -> list[Route]:
        return [
            Route("/recommendations", self.all),
            Route("/recommendations/{id:str}", self.detail),
            Route("/recommendations/{id:str}/assign", self.assign, methods=["POST"]),
            Route("/help/risk", self.help),
            Route("/score", self.score),
        ]

    async def all(self, request: Request) -> Response:
        """Show the list; a part of the page if htmx asks for one."""
        wanted = recommendation_filter(request.query_params)
        extent = self._desk.extent(request, READ)
        page, summary, banners, epoch = await in_thread(request, self._read_list, wanted, extent)
        return self._desk.pages.page(
            request,
            "recommendations/results.html" if is_part(request) else "recommendations/list.html",
            wanted=wanted,
            page=page,
            summary=summary,
            banners=banners,
            epoch=epoch,
            filtered=is_narrowed(wanted),
            history=Visibility.of(extent).everything,
            next=addresses.query(wanted, cursor=page.next_cursor) if page.next_cursor else "",
            states=STATES,
            sorts=SORTS,
        )

    async def detail(self, request: Request) -> Response:
        """Show one recommendation: what to do, where, and why we say so."""
        return await self._detail(request)

    async def assign(self, request: Request) -> Response:
        """Set owner and due date, or show the page again with what is wrong."""
        form = await self._desk.csrf.checked(request)
        writable = self._desk.visibility(request, WRITE)
        item_id, assign = request.path_params["id"], self._desk.parts.assignments.assign
        try:
            await in_thread(request, assign, caller_of(request.scope), item_id, _assignment(form), writable)
        except Invalid as error:
            return await self._detail(request, error)
        return see_other(addresses.with_query(f"/recommendations/{item_id}"))

    async def _detail(self, request: Request, wrong: Invalid | None = None) -> Response:
        extent = self._desk.extent(request, READ)
        wanted = finding_filter(request.query_params, limit=25)
        item_id = request.path_params["id"]
        item, steps, images, more, evidence, epoch = await in_thread(
            request, self._read_detail, item_id, wanted.cursor, extent
        )
        rows = EvidenceRow.rows(evidence.items)
        return self._desk.pages.page(
            request,
            "recommendations/detail.html",
            wrong.status if wrong else 200,
            wrong=wrong,
            item=item,
            steps=steps,
            images=images,
            more_images=more,
            evidence=rows,
            evidence_none="",
            evidence_next=f"/recommendations/{item.id}?cursor={evidence.next_cursor}" if evidence.next_cursor else "",
            risk=rows[0].risk if rows and rows[0].assessed and rows[0].risk.value == item.risk else None,
            may_assign=self._desk.may(caller_of(request.scope), WRITE),
            may_exempt=self._desk.may(caller_of(request.scope), Permission.TRUST_EXEMPTIONS_WRITE),
            epoch=epoch,
        )

    async def help(self, request: Request) -> Response:
        """Show the published formulas, printed from the code that computes them."""
        self._desk.visibility(request, READ)
        return self._desk.pages.page(
            request,
            "help.html",
            weights=[(severity.value, weight) for severity, weight in risk.SEVERITY_WEIGHT.items()],
            exploited_threat=risk.EXPLOITED_THREAT,
            likely_threat=risk.LIKELY_THREAT,
            without_fix=risk.WITHOUT_FIX,
            allowances=[
                ("Known to be exploited", due.EXPLOITED_DAYS),
                *((severity.value, days) for severity, days in due.DAYS.items()),
            ],
        )

    async def score(self, request: Request) -> Response:
        """Show how the score went: figures of the whole installation, for who may see all of it."""
        if not self._desk.visibility(request, READ).everything:
            raise Denied(
                "The history of the score covers the whole installation.", remedy="It needs SecurityReader at /."
            )
        days = await in_thread(request, self._service.days)
        return self._desk.pages.page(request, "recommendations/score.html", days=days)

    def _read_list(self, wanted: RecommendationFilter, extent: Extent) -> tuple[Page, Summary, tuple[Banner, ...], int]:
        epoch, visibility = self._desk.parts.epoch(), Visibility.of(extent)
        scanning = self._desk.parts.images.scanning(extent)
        banners = (*_scanning(scanning), *_data(self._desk.parts.feeds.all()))
        return self._service.page(wanted, visibility), self._service.summary(visibility), banners, epoch

    def _read_detail(
        self, item_id: str, cursor: str, extent: Extent
    ) -> tuple[Recommendation, tuple[Step, ...], list[ImageRow], int, EvidencePage, int]:
        epoch, visibility = self._desk.parts.epoch(), Visibility.of(extent)
        item = self._service.get(item_id, visibility)
        lines, more = self._service.images(item, visibility)
        evidence = self._service.evidence(item, visibility, cursor)
        rows = [self._image_row(line, extent) for line in lines]
        return item, self._service.steps(item), rows, more, evidence, epoch

    def _image_row(self, line: ImageLine, extent: Extent) -> ImageRow:
        repository = line.lineage.removeprefix("registry/")
        gate = self._desk.parts.images.gate(extent, repository, line.subject)
        return ImageRow(repository, line.subject, line.counts, addresses.image(repository, line.subject), gate or "")


def _assignment(form: FormData) -> Assignment:
    """Return what a form asks for; a date that was not touched stays what it is."""
    owner, due_text = forms.text(form, "owner", 200), forms.text(form, "due", 20)
    if due_text == forms.text(form, "due_was", 20):
        return Assignment(owner)
    if not due_text:
        return Assignment(owner, 0)
    try:
        return Assignment(owner, wording.end_of(due_text))
    except ValueError:
        raise Invalid("The due date cannot be read.", remedy="Give a day as 2026-12-31.") from None


def _scanning(count: int) -> tuple[Banner, ...]:
    if not count:
        return ()
    images = "1 image is" if count == 1 else f"{count} images are"
    return (Banner("low", "clock", f"{images} being read.", "What is found appears here by itself."),)


def _data(feeds: Sequence[FeedView]) -> tuple[Banner, ...]:
    """Say how far the data can be trusted: one line for the worst of what is needed."""
    needed = [feed for feed in feeds if feed.needed]
    for freshness, title, text in _FRESHNESS:
        names = [feed.name for feed in needed if feed.freshness is freshness]
        if names:
            listed = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
            return (Banner("medium", "clock", title, f"{text} ({listed})", "/advisories", "Advisory data"),)
    return ()


_FRESHNESS = (
    (Freshness.MISSING, "Advisory data is missing.", "What needs it is not assessed, which is not the same as clean."),
    (Freshness.STARTER, "This is the starter data only.", "It knows few vulnerabilities. Fetch the full data."),
    (Freshness.STALE, "Advisory data is old.", "Newer vulnerabilities are not known here. No gate closes for that."),
)
