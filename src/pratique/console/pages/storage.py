"""Storage: what a collection would take, runs and how far they are, and rules that keep tags and fill caches."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pratique.console import addresses, forms, wording
from pratique.console.pages.desk import Desk, in_thread, see_other
from pratique.console.pages.identity.shown import Button, Cell, Field, Form, Row, Section, Shown, place, show
from pratique.core.clock import SECOND
from pratique.core.database import Transaction
from pratique.core.errors import PratiqueError
from pratique.core.http.plane import caller_of
from pratique.core.jobs import JobState, JobStatus
from pratique.core.permissions import Permission, Scope
from pratique.registry.collection.jobs import COLLECT
from pratique.registry.upstream.types import PLATFORMS, CacheRule, NewRule

RUNS = 50
FINDS = 200
RULES = 500
_ALL = Scope.parse("/registry")
_LIVE = (JobState.QUEUED, JobState.RUNNING)
_COLUMNS = ("Run", "By", "Began", "Ended", "What")


class StoragePages:
    """Pages over collection and rules."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._content = desk.parts.content

    def routes(self) -> list[Route]:
        return [
            Route("/collections", self.collections),
            Route("/collections", self.collect, methods=["POST"]),
            Route("/collections/cancel", self.cancel, methods=["POST"]),
            Route("/collections/{id:str}", self.collection),
            Route("/caches", self.caches),
            Route("/caches", self.create_cache, methods=["POST"]),
            Route("/caches/delete", self.delete_cache, methods=["POST"]),
            Route("/immutability", self.immutability),
            Route("/immutability", self.protect, methods=["POST"]),
            Route("/immutability/{id:str}/delete", self.unprotect, methods=["POST"]),
        ]

    async def collections(self, request: Request) -> Response:
        """Show what runs and how far it is, and the runs before, with what each has taken."""
        self._require(request, Permission.REGISTRY_STORAGE_READ, _ALL)
        caller = caller_of(request.scope)
        may_start = self._content.authorizer.allowed(caller, Permission.REGISTRY_STORAGE_COLLECT, _ALL)
        may_cancel = self._content.authorizer.allowed(caller, Permission.SYSTEM_JOBS_WRITE, Scope.root())

        def read(tx: Transaction) -> tuple[list[dict[str, Any]], list[JobStatus]]:
            lifecycle, jobs = self._content.lifecycle, self._content.jobs
            live = [
                job
                for job in jobs.search(tx, states=_LIVE, kind=COLLECT, limit=20)
                # What the schedule has queued for later has not begun, and nobody waits for it.
                if job.state is JobState.RUNNING or job.payload.get("by") != "schedule"
            ]
            return lifecycle.collections.runs(tx, limit=RUNS), live

        runs, live = await self._content.database.read_async(read)
        active = {job.id for job in live}
        sections = (
            *((_under_way(live, may_cancel=may_cancel),) if live else ()),
            Section(
                "Runs", "newest first", _COLUMNS, tuple(_run(run, active) for run in runs),
                "None yet. A dry run says what would go, to the byte, and takes nothing.",
            ),
        )  # fmt: skip
        buttons = (
            Button("/collections", "Dry run", "primary", (("dry_run", "yes"),)),
            Button("/collections", "Collect now", "danger", (("dry_run", "no"),)),
        )
        sub = "Takes what nothing names any more, while pushes and pulls go on."
        return show(self._desk, request, Shown("Collection", sub, sections, buttons=buttons if may_start else ()))

    async def collect(self, request: Request) -> Response:
        """Begin a run."""
        form = await self._desk.csrf.checked(request)
        self._require(request, Permission.REGISTRY_STORAGE_COLLECT, _ALL)
        caller, dry_run = caller_of(request.scope), forms.text(form, "dry_run") != "no"
        service = self._content.lifecycle.collections
        await self._content.database.write_async(lambda tx: service.start(tx, caller, dry_run=dry_run))
        return see_other("/collections")

    async def cancel(self, request: Request) -> Response:
        """Ask a collection to stop; it ends at its next step, and the next run goes on."""
        form = await self._desk.csrf.checked(request)
        self._require(request, Permission.SYSTEM_JOBS_WRITE, Scope.root())
        wanted = forms.text(form, "job")
        await self._content.database.write_async(lambda tx: self._content.jobs.cancel(tx, wanted))
        return see_other("/collections")

    async def collection(self, request: Request) -> Response:
        """Show one run; of a dry run, line by line what would go and why."""
        self._require(request, Permission.REGISTRY_STORAGE_READ, _ALL)
        number, text = request.path_params["id"], request.query_params.get("after", "")
        after = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1

        def read(tx: Transaction) -> tuple[dict[str, Any], list[dict[str, Any]]]:
            service = self._content.lifecycle.collections
            return service.run(tx, number), service.finds(tx, number, limit=FINDS + 1, after=after)

        run, finds = await self._content.database.read_async(read)
        counts = tuple(
            Row((Cell(kind), Cell(wording.number(one["number"])), Cell(wording.size(one["bytes"]))))
            for kind, one in sorted(run["counts"].items())
        )
        lines = tuple(
            Row((Cell(one["name"]), Cell(one["kind"]), Cell(one["repository"]), Cell(wording.size(one["bytes"])),
                 Cell(one["because"])))
            for one in finds[:FINDS]
        )  # fmt: skip
        address = place("collections", number)
        following = addresses.with_query(address, after=str(finds[FINDS - 1]["number"])) if finds[FINDS:] else ""
        verb = "would go" if run["dry_run"] else "went"
        empty = "Nothing." if run["finished_at"] else "It has not ended."
        sections = [Section(f"What {verb}", "", ("Kind", "How many", "Bytes"), counts, empty)]
        if run["dry_run"] and lines:
            columns = ("Name", "Kind", "Repository", "Bytes", "Because")
            sections.append(Section("Line by line", "", columns, lines, following=following))
        title = "Dry run" if run["dry_run"] else "Collection"
        by = f"Asked for by {run['requested_by']}."
        return show(self._desk, request, Shown(title, by, sections, ("Collection", "/collections")))

    async def caches(self, request: Request) -> Response:
        """Show which prefixes are filled from other registries."""
        self._desk.extent(request, Permission.REGISTRY_CACHES_READ)
        return await self._caches(request)

    async def create_cache(self, request: Request) -> Response:
        """Make a rule, or say beside the form why not."""
        form = await self._desk.csrf.checked(request)
        self._desk.extent(request, Permission.REGISTRY_CACHES_READ)
        given = {name: forms.text(form, name, 2000) for name in ("prefix", "upstream", "user", "patterns")}
        try:
            new = NewRule(
                given["prefix"], given["upstream"], given["user"], forms.text(form, "secret", 8192),
                words(given["patterns"]), words(forms.text(form, "platforms", 2000)) or PLATFORMS,
            )  # fmt: skip
            await in_thread(request, self._content.caches.create, caller_of(request.scope), new)
        except PratiqueError as error:
            return await self._caches(request, error, given)
        return see_other("/caches")

    async def delete_cache(self, request: Request) -> Response:
        """Delete a rule; what it has brought stays."""
        form = await self._desk.csrf.checked(request)
        wanted = forms.text(form, "prefix")
        await in_thread(request, self._content.caches.delete, caller_of(request.scope), wanted)
        return see_other("/caches")

    async def immutability(self, request: Request) -> Response:
        """Show which tags never move."""
        self._require(request, Permission.REGISTRY_RETENTION_READ, _ALL)
        return await self._immutability(request)

    async def protect(self, request: Request) -> Response:
        """Protect tags by pattern below a prefix."""
        form = await self._desk.csrf.checked(request)
        prefix, tags = forms.text(form, "prefix").strip("/"), forms.text(form, "tags", 2600)
        self._require(request, Permission.REGISTRY_RETENTION_WRITE, _below(prefix))
        caller, service = caller_of(request.scope), self._content.lifecycle.immutability
        try:
            await self._content.database.write_async(lambda tx: service.add(tx, caller, prefix, tags))
        except PratiqueError as error:
            self._require(request, Permission.REGISTRY_RETENTION_READ, _ALL)
            return await self._immutability(request, error, {"prefix": prefix, "tags": tags})
        return see_other("/immutability")

    async def unprotect(self, request: Request) -> Response:
        """Take a rule off."""
        await self._desk.csrf.checked(request)
        caller, service = caller_of(request.scope), self._content.lifecycle.immutability
        number = request.path_params["id"]
        found = await self._content.database.read_async(lambda tx: service.find(tx, number))
        self._require(request, Permission.REGISTRY_RETENTION_WRITE, _below(found.prefix))
        await self._content.database.write_async(lambda tx: service.remove(tx, caller, number))
        return see_other("/immutability")

    async def _caches(
        self, request: Request, error: PratiqueError | None = None, given: dict[str, str] | None = None
    ) -> Response:
        caller, values = caller_of(request.scope), given or {}
        found = await in_thread(request, self._content.caches.list, caller)
        may = self._desk.may(caller, Permission.REGISTRY_CACHES_WRITE)
        form = Form("/caches", "Create", (
            Field("prefix", "Prefix here", "For example hub: hub/alpine comes from there.", values.get("prefix", "")),
            Field("upstream", "Other registry", "HOST, HOST:PORT or HOST/PREFIX; docker.io is Docker Hub.",
                  values.get("upstream", ""), length=500),
            Field("user", "User there", "", values.get("user", ""), needed=False),
            Field("secret", "Its secret or token", "Kept encrypted, never shown again; a token is enough.",
                  needed=False, length=8192),
            Field("patterns", "Only these repositories there", "Patterns with *, apart by spaces; none takes all.",
                  values.get("patterns", ""), needed=False, length=2000),
            Field("platforms", "Platforms", "Come with an index at once.", " ".join(PLATFORMS), needed=False,
                  length=2000),
        ))  # fmt: skip
        section = Section(
            "Rules", "", ("Prefix", "Filled from", "User", "Only", "Platforms"), tuple(_cache(rule) for rule in found),
            "None. Pulls below the prefix of a rule are fetched, scanned, judged and kept.",
            (form,) if may else (),
        )  # fmt: skip
        shown = Shown("Caches", "Other registries behind this one; gated like everything.", wrong(error, section))
        return show(self._desk, request, shown, error.status if error else 200)

    async def _immutability(
        self, request: Request, error: PratiqueError | None = None, given: dict[str, str] | None = None
    ) -> Response:
        service, values = self._content.lifecycle.immutability, given or {}
        found = await self._content.database.read_async(lambda tx: service.rules(tx, limit=RULES))
        may = self._desk.may(caller_of(request.scope), Permission.REGISTRY_RETENTION_WRITE)
        rows = tuple(
            Row(
                (Cell(rule.tags), Cell(rule.prefix or "everywhere")),
                (Button(place("immutability", rule.id, "delete"), "Take off", "danger"),) if may else (),
            )
            for rule in found
        )
        form = Form("/immutability", "Protect", (
            Field("tags", "Tags", "Patterns, apart by commas: v*,stable.", values.get("tags", ""), length=2600),
            Field("prefix", "Below", "Repositories at this name and below; none is all.", values.get("prefix", ""),
                  needed=False),
        ))  # fmt: skip
        section = Section("Rules", "", ("Tags", "Below"), rows, "None: every tag may move.", (form,) if may else ())
        sub = "Tags that, once pushed, neither move nor go, whoever asks."
        shown = Shown("Immutable tags", sub, wrong(error, section))
        return show(self._desk, request, shown, error.status if error else 200)

    def _require(self, request: Request, permission: Permission, scope: Scope) -> None:
        self._content.authorizer.require(caller_of(request.scope), permission, scope)


def wrong(error: PratiqueError | None, *sections: Section) -> Sequence[Section]:
    """Return the sections of a page, after what is wrong with a form that was sent."""
    said = (Section("That was not done", empty=f"{error.message} {error.remedy}".strip()),) if error else ()
    return (*said, *sections)


def words(text: str) -> tuple[str, ...]:
    """Return what stands apart by spaces or commas."""
    return tuple(text.replace(",", " ").split())


def _below(prefix: str) -> Scope:
    return Scope.parse(f"/registry/{prefix}".rstrip("/"))


def _cache(rule: CacheRule) -> Row:
    upstream = f"{rule.host}/{rule.remote}" if rule.remote else rule.host
    ttl = f"asked again after {rule.ttl // SECOND} s"
    cells = (
        Cell(rule.prefix), Cell(upstream, badge=ttl), Cell(rule.user), Cell(" ".join(rule.patterns) or "all"),
        Cell(" ".join(rule.platforms)),
    )  # fmt: skip
    return Row(cells, (Button("/caches/delete", "Delete", "danger", (("prefix", rule.prefix),)),))


def _under_way(live: Sequence[JobStatus], *, may_cancel: bool) -> Section:
    rows = tuple(
        Row(
            (
                Cell("Dry run" if job.payload.get("dry_run") else "Collection", badge=job.state.value),
                Cell(_progress(job)),
                Cell("asked to stop" if job.cancel_requested else ""),
            ),
            (Button("/collections/cancel", "Cancel", "danger", (("job", job.id),)),)
            if may_cancel and not job.cancel_requested
            else (),
        )
        for job in live
    )
    return Section("Under way", "load the page again to follow", ("Run", "How far", "Asked"), rows)


def _progress(job: JobStatus) -> str:
    of = f" of {wording.number(job.progress_total)}" if job.progress_total else ""
    done = f"{wording.number(job.progress_done)}{of}" if job.progress_done or of else ""
    return " ".join(filter(None, (done, job.progress_note))) or "waits for a worker"


def _run(run: dict[str, Any], active: set[str]) -> Row:
    # A run forgets records first and removes segments later: only these are bytes that have gone.
    counted = run["counts"] if run["dry_run"] else {"segments": run["counts"].get("segments", {"bytes": 0})}
    total = sum(one["bytes"] for one in counted.values())
    taken = ", ".join(f"{wording.number(one['number'])} {kind}" for kind, one in sorted(run["counts"].items()))
    unfinished = "under way" if run["id"] in active else "did not end"
    return Row((
        Cell("Dry run" if run["dry_run"] else "Collection", place("collections", run["id"])),
        Cell(run["requested_by"]),
        Cell(at=run["started_at"]),
        Cell(at=run["finished_at"]) if run["finished_at"] else Cell(badge=unfinished),
        Cell(f"{taken} ({wording.size(total)})" if taken else "nothing" if run["finished_at"] else ""),
    ))  # fmt: skip
