"""Webhooks with their deliveries, and the events that there were."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pratique.console import addresses, forms
from pratique.console.pages.desk import Desk, in_thread, see_other
from pratique.console.pages.identity.shown import Button, Cell, Field, Form, Row, Section, Shown, place, show
from pratique.console.pages.storage import words, wrong
from pratique.core.cloudevents.types import Filter, LoggedEvent
from pratique.core.database import Transaction
from pratique.core.errors import Invalid, PratiqueError
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Caller, Permission, Scope
from pratique.core.webhooks.signing import shown
from pratique.core.webhooks.types import Attempt, Dead, NewWebhook, Webhook, WebhookState

DELIVERIES = 100
EVENTS = 100
_PREFIX = "pratique."
_VERBS = ("pause", "resume", "test", "delete", "rotate", "resend")


@dataclass(frozen=True, slots=True)
class _Whole:
    """A webhook with what came of its deliveries."""

    webhook: Webhook
    attempts: tuple[Attempt, ...]
    dead: tuple[Dead, ...]


class WebhookPages:
    """Pages over webhooks and events; the domain asks for the right at each webhook's scope."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._webhooks = desk.parts.content.webhooks
        self._content = desk.parts.content

    def routes(self) -> list[Route]:
        return [
            Route("/webhooks", self.all),
            Route("/webhooks", self.create, methods=["POST"]),
            Route("/webhooks/{name:str}", self.one),
            Route("/webhooks/{name:str}/delete", self.question),
            Route("/webhooks/{name:str}/{verb:str}", self.act, methods=["POST"]),
            Route("/events", self.events),
        ]

    async def all(self, request: Request) -> Response:
        """Show webhooks by name with how each stands, and the form that makes one."""
        self._desk.extent(request, Permission.REGISTRY_WEBHOOKS_READ)
        return await self._all(request)

    async def create(self, request: Request) -> Response:
        """Make a webhook and show its secret, this once."""
        form = await self._desk.csrf.checked(request)
        given = {name: forms.text(form, name, 2048) for name in ("name", "url", "scope", "types", "subjects")}
        try:
            new = NewWebhook(
                given["name"], given["url"], given["scope"] or "/", words(given["types"]), words(given["subjects"])
            )
            made, secret = await in_thread(request, self._webhooks.create, caller_of(request.scope), new)
        except PratiqueError as error:
            self._desk.extent(request, Permission.REGISTRY_WEBHOOKS_READ)
            return await self._all(request, error, given)
        return await self._one(request, made.id, shown(secret))

    async def one(self, request: Request) -> Response:
        """Show a webhook, its delivery log and what its receiver would not take."""
        return await self._one(request, request.path_params["name"])

    async def question(self, request: Request) -> Response:
        """Ask before a webhook goes."""
        name = request.path_params["name"]
        found = await in_thread(request, self._webhooks.show, caller_of(request.scope), name)
        button = Button(place("webhooks", found.id, "delete"), "Delete", "danger")
        note = "Its delivery log goes with it; what happens from now on is sent nowhere."
        section = Section("Delete the webhook?", note, ("Webhook",), (Row((Cell(found.name),), (button,)),))
        crumb = (found.name, place("webhooks", found.id))
        return show(self._desk, request, Shown("Delete", "", (section,), crumb))

    async def act(self, request: Request) -> Response:
        """Pause, resume, try, delete, give a new secret that is shown this once, or send again what was not taken."""
        form = await self._desk.csrf.checked(request)
        caller, verb, name = caller_of(request.scope), request.path_params["verb"], request.path_params["name"]
        if verb not in _VERBS:
            raise Invalid("That cannot be done with a webhook.", remedy="Load its page again.")
        secret = await in_thread(request, self._act, caller, verb, name, forms.text(form, "position"))
        if secret:
            return await self._one(request, name, secret)
        return see_other("/webhooks" if verb == "delete" else place("webhooks", name))

    async def events(self, request: Request) -> Response:
        """Show what happened in the registry, in order, as far as the caller may see it."""
        extent = self._desk.extent(request, Permission.REGISTRY_EVENTS_READ)
        kind, subject = (request.query_params.get(name, "")[:200] for name in ("type", "subject"))
        wanted = Filter((kind,) if kind else (), (subject,) if subject else (), "/", extent)
        text = request.query_params.get("after", "")
        after = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0

        def read(tx: Transaction) -> tuple[list[LoggedEvent], int]:
            return self._content.events.read(tx, after, wanted, limit=EVENTS)

        await in_thread(request, self._content.events.place, self._content.database)
        found, reached = await self._content.database.read_async(read)
        rows = tuple(
            Row((Cell(each.subject), Cell(each.type.removeprefix(_PREFIX)), Cell(str(each.position)), Cell(at=each.at)))
            for each in found
        )
        full = len(found) == EVENTS
        following = addresses.with_query("/events", type=kind, subject=subject, after=str(reached)) if full else ""
        kinds = ("", *sorted(self._content.events.types))
        form = Form("/events", "Show", (
            Field("type", "Type", "", kind, kinds, needed=False),
            Field("subject", "Subject", "A repository, tag or digest; * is anything.", subject, needed=False),
        ), get=True)  # fmt: skip
        section = Section(
            "Events", "oldest first", ("Subject", "Type", "Position", "When"), rows, "Nothing of that kind.",
            (form,), following,
        )  # fmt: skip
        sub = "What is kept of what happened. To follow them: pratique events follow"
        return show(self._desk, request, Shown("Events", sub, (section,)))

    def _act(self, caller: Caller, verb: str, name: str, position: str) -> str:
        if verb == "rotate":
            return shown(self._webhooks.rotate(caller, name))
        if verb == "resend":
            one = int(position) if position.isascii() and position.isdigit() and len(position) < 19 else None
            self._webhooks.resend(caller, name, one)
        elif verb == "delete":
            self._webhooks.delete(caller, name)
        else:
            changes = {"pause": self._webhooks.pause, "resume": self._webhooks.resume, "test": self._webhooks.test}
            changes[verb](caller, name)
        return ""

    async def _all(
        self, request: Request, error: PratiqueError | None = None, given: dict[str, str] | None = None
    ) -> Response:
        caller, values = caller_of(request.scope), given or {}
        found = await in_thread(request, self._webhooks.list, caller)
        rows = tuple(
            Row((
                Cell(each.name, place("webhooks", each.id)), Cell(each.shown_address), Cell(each.scope),
                Cell(badge=each.state.value), Cell(each.reason),
            ))
            for each in found
        )  # fmt: skip
        form = Form("/webhooks", "Create", (
            Field("name", "Name", "Lower-case letters, digits and hyphens.", values.get("name", ""), length=63),
            Field("url", "Address", "https only. What is secret in it is kept encrypted and never shown.",
                  values.get("url", ""), length=2048),
            Field("scope", "Only at", "For example /registry/team; none is everything.", values.get("scope", ""),
                  needed=False),
            Field("types", "Only these types", "Patterns with *, apart by spaces: *.tag.moved.v1",
                  values.get("types", ""), needed=False, length=2000),
            Field("subjects", "Only these subjects", "Patterns with *, apart by spaces.", values.get("subjects", ""),
                  needed=False, length=2000),
        ))  # fmt: skip
        may = self._desk.may(caller, Permission.REGISTRY_WEBHOOKS_WRITE)
        section = Section(
            "Webhooks", "", ("Name", "Address", "At", "State", "Why"), rows,
            "None. A webhook sends what happens here to an address of yours, signed.", (form,) if may else (),
        )  # fmt: skip
        page = Shown("Webhooks", "Signed deliveries of what happens, in order.", wrong(error, section))
        return show(self._desk, request, page, error.status if error else 200)

    async def _one(self, request: Request, name: str, secret: str = "") -> Response:
        caller = caller_of(request.scope)
        it = await in_thread(request, self._whole, caller, name)
        scope = Scope.parse(it.webhook.scope)
        may = self._content.authorizer.allowed(caller, Permission.REGISTRY_WEBHOOKS_WRITE, scope)
        sections = [_state(it.webhook, may=may), *_undelivered(it, may=may), _deliveries(it)]
        if secret:
            said = "Shown this once. The receiver checks the signature of each delivery by it."
            sections.insert(0, Section("Secret", codes=((said, secret),)))
        sub = f"{it.webhook.shown_address} \N{MIDDLE DOT} {it.webhook.scope}"
        page = Shown(
            it.webhook.name, sub, sections, ("Webhooks", "/webhooks"), _buttons(it.webhook) if may else ()
        )  # fmt: skip
        return show(self._desk, request, page)

    def _whole(self, caller: Caller, name: str) -> _Whole:
        found = self._webhooks.show(caller, name)
        attempts = self._webhooks.attempts(caller, found.id, DELIVERIES)
        return _Whole(found, tuple(attempts), tuple(self._webhooks.dead(caller, found.id, DELIVERIES)))


def _buttons(webhook: Webhook) -> tuple[Button, ...]:
    stopped = webhook.state in (WebhookState.PAUSED, WebhookState.DISABLED)
    verbs = [("resume", "Resume") if stopped else ("pause", "Pause"), ("test", "Send a test"), ("rotate", "New secret")]
    return tuple(Button(place("webhooks", webhook.id, verb), label) for verb, label in verbs)


def _state(webhook: Webhook, *, may: bool) -> Section:
    rows = [
        Row((Cell("State"), Cell(webhook.reason, badge=webhook.state.value))),
        Row((Cell("Types"), Cell(" ".join(webhook.types) or "all"))),
        Row((Cell("Subjects"), Cell(" ".join(webhook.subjects) or "all"))),
        Row((Cell("Sent up to position"), Cell(str(webhook.cursor)))),
        Row((Cell("Made"), Cell(at=webhook.created_at))),
    ]
    if webhook.failing_since is not None:
        rows.insert(1, Row((Cell("Failing since"), Cell(at=webhook.failing_since))))
    if may:
        rows.append(Row((Cell("Delete"), Cell("Delete this webhook \N{HORIZONTAL ELLIPSIS}",
                                              place("webhooks", webhook.id, "delete")))))  # fmt: skip
    return Section("How it stands", "", ("What", "Value"), tuple(rows))


def _undelivered(it: _Whole, *, may: bool) -> tuple[Section, ...]:
    if not it.dead:
        return ()
    address = place("webhooks", it.webhook.id, "resend")
    rows = tuple(
        Row(
            (Cell(each.subject), Cell(each.type.removeprefix(_PREFIX)), Cell(each.reason), Cell(at=each.at)),
            (Button(address, "Send again", "", (("position", str(each.position)),)),)
            if may and not each.wanted
            else (),
        )
        for each in it.dead
    )
    return (Section("Not taken", "its receiver refused these", ("Subject", "Type", "Why", "When"), rows),)


def _deliveries(it: _Whole) -> Section:
    rows = tuple(
        Row((
            Cell(each.subject), Cell(each.type.removeprefix(_PREFIX)), Cell(each.outcome, badge=str(each.status or "")),
            Cell(each.answer), Cell(f"{each.milliseconds} ms"), Cell(at=each.at),
        ))
        for each in it.attempts
    )  # fmt: skip
    columns = ("Subject", "Type", "Outcome", "Answer", "Took", "When")
    return Section("Deliveries", "newest first", columns, rows, "Nothing was sent yet.")
