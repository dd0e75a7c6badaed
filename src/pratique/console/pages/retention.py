"""Retention: rules about which tags stay, what each would take and why, and the runs that take it."""

from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pratique.console import addresses, forms, wording
from pratique.console.pages.desk import Desk, see_other
from pratique.console.pages.identity.shown import Button, Cell, Field, Form, Row, Section, Shown, place, show
from pratique.console.pages.storage import wrong
from pratique.core.database import Transaction
from pratique.core.errors import Invalid, PratiqueError
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Permission, Scope
from pratique.registry.retention.patterns import parse_prefix
from pratique.registry.retention.types import RetentionRule, Verdict

RULES = 500
RUNS = 20
LINES = 200
READ, WRITE = Permission.REGISTRY_RETENTION_READ, Permission.REGISTRY_RETENTION_WRITE
_SPANS = (
    ("keep_newest", "Keep the newest", "How many of the tags."),
    ("keep_versions", "Keep the highest versions", "How many of the tags that are versions."),
    ("pushed_within", "Keep if pushed within", "Days."),
    ("pulled_within", "Keep if pulled within", "Days."),
    ("untagged_after", "Take untagged images after", "Days without a tag."),
)


class RetentionPages:
    """Pages over retention; each asks for the right at the prefix of the rule."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._content = desk.parts.content

    def routes(self) -> list[Route]:
        return [
            Route("/retention", self.rules),
            Route("/retention", self.add, methods=["POST"]),
            Route("/retention/run", self.run, methods=["POST"]),
            Route("/retention/{id:str}", self.preview),
            Route("/retention/{id:str}/delete", self.remove, methods=["POST"]),
        ]

    async def rules(self, request: Request) -> Response:
        """Show the rules below a prefix, and what the last runs have taken."""
        self._require(request, READ, parse_prefix(request.query_params.get("prefix", "")[:255]))
        return await self._rules(request)

    async def add(self, request: Request) -> Response:
        """Make a rule and show what it would take; nothing goes before the next run."""
        form = await self._desk.csrf.checked(request)
        prefix = parse_prefix(forms.text(form, "prefix"))
        self._require(request, WRITE, prefix)
        caller, service = caller_of(request.scope), self._content.lifecycle.retention_rules
        given = {name: forms.text(form, name, 2600) for name in ("prefix", "tags", *(name for name, *_ in _SPANS))}
        try:
            numbers = {name: _number(form, name) for name, *_ in _SPANS}
            wanted = RetentionRule("", prefix, given["tags"], **numbers)
            made = await self._content.database.write_async(lambda tx: service.add(tx, caller, wanted))
        except PratiqueError as error:
            self._require(request, READ, prefix)
            return await self._rules(request, prefix, error, given)
        return see_other(place("retention", made.id))

    async def remove(self, request: Request) -> Response:
        """Take a rule off."""
        await self._desk.csrf.checked(request)
        caller, service = caller_of(request.scope), self._content.lifecycle.retention_rules
        number = request.path_params["id"]
        found = await self._content.database.read_async(lambda tx: service.find(tx, number))
        self._require(request, WRITE, found.prefix)
        await self._content.database.write_async(lambda tx: service.remove(tx, caller, number))
        return see_other(addresses.with_query("/retention", prefix=found.prefix))

    async def run(self, request: Request) -> Response:
        """Begin a run over the repositories below a prefix."""
        form = await self._desk.csrf.checked(request)
        prefix = parse_prefix(forms.text(form, "prefix"))
        self._require(request, WRITE, prefix)
        caller, service = caller_of(request.scope), self._content.lifecycle.retention
        await self._content.database.write_async(lambda tx: service.start(tx, caller, prefix))
        return see_other(addresses.with_query("/retention", prefix=prefix))

    async def preview(self, request: Request) -> Response:
        """Show of each tag and untagged image that a rule covers whether it would go now, and why."""
        service, number = self._content.lifecycle.retention_rules, request.path_params["id"]
        rule = await self._content.database.read_async(lambda tx: service.find(tx, number))
        self._require(request, READ, rule.prefix)
        after = tuple(request.query_params.get(name, "")[:255] for name in ("repository", "after"))

        def read(tx: Transaction) -> tuple[list[Verdict], tuple[str, str] | None]:
            return service.preview(tx, number, limit=LINES, after=(after[0], after[1]))

        found, following = await self._content.database.read_async(read)
        rows = tuple(_verdict(one) for one in found)
        goes = sum(one.goes for one in found)
        address = place("retention", number)
        section = Section(
            "What a run would do now", f"{goes} of {len(found)} on this page would go",
            ("Repository", "What", "Then", "Because"), rows, "The rule covers nothing that is here.",
            following=addresses.with_query(address, repository=following[0], after=following[1]) if following else "",
        )  # fmt: skip
        shown = Shown(
            f"Rule for {rule.tags or 'untagged images'}", _said(rule), (section,), ("Retention", "/retention")
        )
        return show(self._desk, request, shown)

    async def _rules(
        self,
        request: Request,
        prefix: str = "",
        error: PratiqueError | None = None,
        given: dict[str, str] | None = None,
    ) -> Response:
        prefix = prefix or parse_prefix(request.query_params.get("prefix", "")[:255])
        lifecycle, values = self._content.lifecycle, given or {}

        def read(tx: Transaction) -> tuple[list[RetentionRule], list[dict[str, Any]]]:
            return (
                lifecycle.retention_rules.rules(tx, prefix, limit=RULES),
                lifecycle.retention.runs(tx, prefix, limit=RUNS),
            )

        rules, runs = await self._content.database.read_async(read)
        may = self._content.authorizer.allowed(caller_of(request.scope), WRITE, _scope(prefix))
        form = Form("/retention", "Add and preview", (
            Field("prefix", "Below", "Repositories at this name and below; none is all.", values.get("prefix", prefix),
                  needed=False),
            Field("tags", "Tags", "Patterns, apart by commas: v*,main; none for untagged images only.",
                  values.get("tags", ""), needed=False, length=2600),
            *(Field(name, label, hint, values.get(name, ""), needed=False, length=5) for name, label, hint in _SPANS),
        ))  # fmt: skip
        section = Section(
            "Rules", "a tag stays for any reason that a rule gives", ("Tags", "Below", "Stays, or goes"),
            tuple(_rule(rule, may=may) for rule in rules), "None: nothing goes by itself.", (form,) if may else (),
        )  # fmt: skip
        ran = Section(
            "Runs", "newest first", ("Began", "By", "Below", "Ended", "Taken"), tuple(map(_run, runs)), "None yet."
        )
        buttons = (Button("/retention/run", "Run now", "danger", (("prefix", prefix),)),) if may and rules else ()
        title = f"Retention below {prefix}" if prefix else "Retention"
        sub = "What goes can be restored for a time, like everything that is deleted; locked and immutable tags stay."
        page = Shown(title, sub, wrong(error, section, ran), buttons=buttons)
        return show(self._desk, request, page, error.status if error else 200)

    def _require(self, request: Request, permission: Permission, prefix: str) -> None:
        self._content.authorizer.require(caller_of(request.scope), permission, _scope(prefix))


def _scope(prefix: str) -> Scope:
    return Scope.parse(f"/registry/{prefix}".rstrip("/"))


def _number(form: FormData, name: str) -> int | None:
    text = forms.text(form, name, 12)
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise Invalid(f"{text!r} is no number.", remedy="Give 1 to 10000, or nothing.")
    return int(text)


def _said(rule: RetentionRule) -> str:
    """Return in words what a rule keeps."""
    parts = (
        rule.keep_newest and f"the newest {rule.keep_newest} stay",
        rule.keep_versions and f"the highest {wording.plural(rule.keep_versions, 'version')} stay",
        rule.pushed_within and f"pushed within {wording.plural(rule.pushed_within, 'day')} stays",
        rule.pulled_within and f"pulled within {wording.plural(rule.pulled_within, 'day')} stays",
        rule.untagged_after and f"untagged goes after {wording.plural(rule.untagged_after, 'day')}",
    )
    return "; ".join(part for part in parts if part)


def _rule(rule: RetentionRule, *, may: bool) -> Row:
    address = place("retention", rule.id)
    cells = (Cell(rule.tags or "untagged images", address), Cell(rule.prefix or "everywhere"), Cell(_said(rule)))
    return Row(cells, (Button(f"{address}/delete", "Take off", "danger"),) if may else ())


def _verdict(one: Verdict) -> Row:
    page = addresses.image(one.repository, one.digest)
    return Row((
        Cell(one.repository), Cell(one.tag or wording.short(one.digest), page),
        Cell(badge="goes") if one.goes else Cell("stays"), Cell(one.because),
    ))  # fmt: skip


def _run(run: dict[str, Any]) -> Row:
    taken = f"{wording.plural(run['tags'], 'tag')}, {wording.plural(run['manifests'], 'image')}"
    ended = Cell(at=run["finished_at"]) if run["finished_at"] else Cell(badge="not ended", text=run["done_to"])
    by = Cell(run["requested_by"])
    return Row((Cell(at=run["started_at"]), by, Cell(run["prefix"] or "everywhere"), ended, Cell(taken)))
