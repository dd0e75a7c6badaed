"""Access: may they, who can, assignments, roles to take on, reviews and sessions."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pratique.console import forms
from pratique.console.pages.desk import Desk, see_other
from pratique.console.pages.identity.shown import Button, Cell, Field, Form, Row, Section, Shown, place, show
from pratique.core.database import Transaction
from pratique.core.errors import PratiqueError
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Permission, Scope
from pratique.identity.assignments import parse_effect
from pratique.identity.rights_reading import names_of, roles_by_id

_ROOT = Scope.root()
PERMISSIONS = tuple(permission.value for permission in Permission)


class AccessPages:
    """Pages over what is held. Who may see and do what is decided by identity, with the caller at hand."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._identity = desk.parts.identity

    def routes(self) -> list[Route]:
        return [
            Route("/access", self.access),
            Route("/assignments", self.assignments),
            Route("/assignments", self.assign, methods=["POST"]),
            Route("/assignments/{id:str}/delete", self.take_away, methods=["POST"]),
            Route("/activation", self.activation),
            Route("/activation", self.activate, methods=["POST"]),
            Route("/activation/{id:str}/{verb:str}", self.decide, methods=["POST"]),
            Route("/reviews", self.reviews),
            Route("/reviews/{id:str}/fix", self.fix, methods=["POST"]),
            Route("/sessions", self.sessions),
            Route("/sessions/{id:str}/end", self.end_session, methods=["POST"]),
        ]

    async def access(self, request: Request) -> Response:
        """Answer "may they?" and "who can?", each with the reason."""
        self._require(request, Permission.IDENTITY_ASSIGNMENTS_READ)
        asked = {name: request.query_params.get(name, "")[:512] for name in ("principal", "permission", "scope")}
        fields = (
            Field(
                "principal", "Who", "Name of a principal; empty: everybody who can.", asked["principal"], needed=False
            ),
            Field("permission", "May do", value=asked["permission"] or "registry/content/read", options=PERMISSIONS),
            Field("scope", "Where", "As /registry/team/app.", asked["scope"] or "/registry"),
        )
        sections = [Section("Question", forms=(Form("/access", "Ask", fields, get=True),))]
        status = 200
        if asked["permission"]:
            try:
                sections.append(await self._answer(asked))
            except PratiqueError as error:
                status = error.status
                sections.append(Section("No answer", empty=str(error)))
        return show(self._desk, request, Shown("Access", "Who may do what, and why.", sections), status)

    async def assignments(self, request: Request) -> Response:
        """List assignments, with a form that gives a role."""
        self._desk.extent(request, Permission.IDENTITY_ASSIGNMENTS_READ)
        caller = caller_of(request.scope)

        def read(tx: Transaction) -> Shown:
            found = self._identity.assignments.list(
                tx, caller, limit=100, cursor=request.query_params.get("cursor") or None
            )
            names = names_of(tx, (one.principal_id for one in found.items))
            known = roles_by_id(tx, (one.role_id for one in found.items))
            rows = tuple(
                Row((
                    Cell(names.get(one.principal_id, ""), place("principals", names.get(one.principal_id, ""))),
                    Cell(known[one.role_id].name if one.role_id in known else "gone",
                         badge="denied" if one.effect == "deny" else ""),
                    Cell(str(one.scope)), Cell(at=one.expires_at) if one.expires_at else Cell("never"),
                ), (Button(place("assignments", one.id, "delete"), "Take away", "danger"),))
                for one in found.items
            )  # fmt: skip
            options = tuple(role.name for role in self._identity.roles.list(tx))
            form = Form("/assignments", "Give", (
                Field("principal", "To", "Name of a principal or group."), Field("role", "Role", options=options),
                Field("scope", "At", "As /registry/team.", "/registry"),
                Field("effect", "Effect", options=("allow", "deny")),
                Field("expires", "Ends after", "As 8h or 30d; empty: never.", needed=False),
                Field("condition", "On repositories", "Azure's text form; empty: all.", needed=False, length=8000),
            ))  # fmt: skip
            more = f"/assignments?cursor={found.next}" if found.next else ""
            columns = ("Who", "Role", "At", "Ends")
            section = Section("Assignments", "", columns, rows, "Nobody holds anything.", (form,), following=more)
            return Shown("Assignments", "A denial wins over every role.", (section,))

        return show(self._desk, request, await self._identity.database.read_async(read))

    async def assign(self, request: Request) -> Response:
        """Give a role, or deny it."""
        form, caller = await self._desk.csrf.checked(request), caller_of(request.scope)
        expires = forms.text(form, "expires", 20)
        lifetime = forms.seconds(expires) if expires else None
        scope, effect = Scope.parse(forms.text(form, "scope", 512)), parse_effect(forms.text(form, "effect"))
        condition = forms.text(form, "condition", 8192)

        def body(tx: Transaction) -> None:
            principal = self._identity.principals.get(tx, forms.text(form, "principal", 128))
            role = self._identity.roles.find(tx, forms.text(form, "role", 128))
            self._identity.assignments.create(
                tx, caller, principal, role, scope, effect=effect, lifetime=lifetime, condition=condition
            )

        await self._identity.database.write_async(body)
        return see_other("/assignments")

    async def take_away(self, request: Request) -> Response:
        """Take a role away, or lift a denial."""
        await self._desk.csrf.checked(request)
        caller, service = caller_of(request.scope), self._identity.assignments
        await self._identity.database.write_async(
            lambda tx: service.delete(tx, caller, service.get(tx, request.path_params["id"]))
        )
        return see_other("/assignments")

    async def activation(self, request: Request) -> Response:
        """Show the roles that the caller may take on, and requests."""
        caller = caller_of(request.scope)
        if caller.is_anonymous:
            return see_other("/sign-in?next=/activation")

        def read(tx: Transaction) -> Shown:
            mine = self._identity.activations.mine(tx, caller)
            found = self._identity.activations.history(tx, caller, limit=100).items
            known = roles_by_id(tx, (one.role_id for one in (*mine, *(e for _, e in found))))
            names = names_of(tx, (one.principal_id for one, _ in found))
            offers = tuple(
                Section(
                    f"{known[one.role_id].name} at {one.scope}" if one.role_id in known else "A role that is gone",
                    f"at most {one.longest // 60_000_000} minutes{', with approval' if one.approval else ''}",
                    forms=(Form("/activation", "Ask" if one.approval else "Take on", (
                        Field("eligibility", "Which", value=one.id, options=(one.id,)),
                        Field("reason", "Why", "A few words that still help in a year."),
                        Field("duration", "How long", "As 30m or 4h.", "1h"),
                    )),),
                )
                for one in mine
            )  # fmt: skip
            rows = tuple(
                Row((
                    Cell(names.get(one.principal_id, "")),
                    Cell(known[e.role_id].name if e.role_id in known else "gone"), Cell(str(e.scope)),
                    Cell(one.reason), Cell(one.state), Cell(at=one.expires_at),
                ), _decisions(one.id, one.state, own=one.principal_id == caller.principal_id))
                for one, e in found
            )  # fmt: skip
            columns = ("Who", "Role", "At", "Why", "State", "Until")
            requests = Section("Requests", "yours, and those that you may decide", columns, rows, "None.")
            sub = "Roles to take on for a time, with a reason. They end by themselves."
            return Shown("Activation", sub, (*offers, requests))

        return show(self._desk, request, await self._identity.database.read_async(read))

    async def activate(self, request: Request) -> Response:
        """Take on a role, or ask for it."""
        form, caller = await self._desk.csrf.checked(request), caller_of(request.scope)
        wanted, reason = forms.text(form, "eligibility", 64), forms.text(form, "reason", 1000)
        duration = forms.seconds(forms.text(form, "duration", 20))
        await self._identity.database.write_async(
            lambda tx: self._identity.activations.activate(tx, caller, wanted, reason=reason, duration=duration)
        )
        return see_other("/activation")

    async def decide(self, request: Request) -> Response:
        """Approve, refuse or end."""
        await self._desk.csrf.checked(request)
        caller, service, verb = caller_of(request.scope), self._identity.activations, request.path_params["verb"]

        def body(tx: Transaction) -> None:
            if verb == "end":
                service.end(tx, caller, request.path_params["id"])
            else:
                service.decide(tx, caller, request.path_params["id"], approve=verb == "approve")

        await self._identity.database.write_async(body)
        return see_other("/activation")

    async def reviews(self, request: Request) -> Response:
        """List what is held and not needed, each with a button that settles it."""
        self._require(request, Permission.IDENTITY_PRINCIPALS_READ)
        return await self._reviews(request)

    async def fix(self, request: Request) -> Response:
        """Settle one thing; a secret that this made is shown this once."""
        await self._desk.csrf.checked(request)
        caller = caller_of(request.scope)
        done = await self._identity.database.write_async(
            lambda tx: self._identity.reviews.fix(tx, caller, request.path_params["id"])
        )
        return await self._reviews(request, done.said, done.secret)

    async def sessions(self, request: Request) -> Response:
        """List who is signed in."""
        self._require(request, Permission.IDENTITY_SESSIONS_READ)

        def read(tx: Transaction) -> Section:
            found = self._identity.sessions.list(tx, limit=100, cursor=request.query_params.get("cursor") or None)
            names = names_of(tx, (one.principal_id for one in found.items))
            rows = tuple(
                Row((
                    Cell(names.get(one.principal_id, "")), Cell(one.means), Cell(one.address),
                    Cell(one.agent[:120]), Cell(at=one.seen_at),
                ), (Button(place("sessions", one.id, "end"), "End", "danger"),))
                for one in found.items
            )  # fmt: skip
            more = f"/sessions?cursor={found.next}" if found.next else ""
            columns = ("Who", "Signed in by", "From", "Browser", "Last seen")
            return Section("Sessions", "", columns, rows, "Nobody is signed in.", following=more)

        section = await self._identity.database.read_async(read)
        return show(self._desk, request, Shown("Sessions", "Browsers that are signed in.", (section,)))

    async def end_session(self, request: Request) -> Response:
        """End a session."""
        await self._desk.csrf.checked(request)
        self._require(request, Permission.IDENTITY_SESSIONS_WRITE)
        caller, service = caller_of(request.scope), self._identity.sessions
        await self._identity.database.write_async(
            lambda tx: service.end(tx, caller, service.get(tx, request.path_params["id"]))
        )
        return see_other("/sessions")

    async def _answer(self, asked: dict[str, str]) -> Section:
        permission, scope = Permission.parse(asked["permission"]), Scope.parse(asked["scope"] or "/")
        if not asked["principal"]:
            found = await self._identity.database.read_async(
                lambda tx: self._identity.holders.who_can(tx, permission, scope, limit=500)
            )
            rows = tuple(
                Row((Cell(h.principal.name, place("principals", h.principal.name)), Cell(h.explanation.summary)))
                for h in found.items
            )
            return Section(f"Who can at {scope}", permission.value, ("Who", "Why"), rows, "Nobody can.")
        principal = await self._identity.database.read_async(
            lambda tx: self._identity.principals.get(tx, asked["principal"])
        )
        told = self._identity.authorizer.explain(principal.id, permission, scope)
        rows = tuple(
            Row((Cell(one.role), Cell(str(one.assignment.scope)), Cell(one.assignment.effect), Cell(one.group)))
            for one in told.through
        )
        would = ", ".join(role.name for role in told.roles)
        note = f"{told.summary}{f' Roles that would do: {would}.' if would else ''}"
        columns = ("Role", "At", "Effect", "Through the group")
        return Section("Yes" if told.allowed else "No", note, columns, rows)

    async def _reviews(self, request: Request, said: str = "", secret: str = "") -> Response:
        caller = caller_of(request.scope)
        found = await self._identity.database.write_async(lambda tx: self._identity.reviews.list(tx, caller))
        rows = tuple(
            Row((
                Cell(one.title, badge=one.severity.value), Cell(one.principal, place("principals", one.principal)),
                Cell(one.fix),
            ), (Button(place("reviews", one.key, "fix"), "Do this"),))
            for one in found
        )  # fmt: skip
        sections = [Section("To settle", "", ("What", "Who", "Quick fix"), rows, "Nothing to settle.")]
        if said:
            codes = (("Shown this once:", secret),) if secret else ()
            sections.insert(0, Section("Done", said, codes=codes))
        return show(self._desk, request, Shown("Reviews", "What is held and not needed, or about to end.", sections))

    def _require(self, request: Request, permission: Permission) -> None:
        self._identity.authorizer.require(caller_of(request.scope), permission, _ROOT)


def _decisions(activation_id: str, state: str, *, own: bool) -> tuple[Button, ...]:
    verbs = []
    if state == "waiting" and not own:
        verbs = [("approve", "Approve", ""), ("refuse", "Refuse", "danger")]
    elif state in ("waiting", "active"):
        verbs = [("end", "End", "danger")]
    return tuple(Button(place("activation", activation_id, verb), label, kind) for verb, label, kind in verbs)
