"""Principals, people, groups and roles: lists, and a page for each principal and group."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pratique.console import forms
from pratique.console.pages.desk import Desk, see_other
from pratique.console.pages.identity.shown import Button, Cell, Field, Form, Row, Section, Shown, place, show
from pratique.core.database import Page, Transaction
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Permission, Scope
from pratique.identity.rights_reading import roles_by_id
from pratique.identity.types import Assignment, Principal, PrincipalName

PAGE = 100
_ROOT = Scope.root()


class HolderPages:
    """Pages over principals and groups."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._identity = desk.parts.identity

    def routes(self) -> list[Route]:
        return [
            Route("/principals", self.principals),
            Route("/people", self.people),
            Route("/principals/{name:str}", self.principal),
            Route("/principals/{name:str}/{verb:str}", self.act, methods=["POST"]),
            Route("/groups", self.groups),
            Route("/groups", self.create_group, methods=["POST"]),
            Route("/groups/{name:str}", self.group),
            Route("/groups/{name:str}/{verb:str}", self.act_on_group, methods=["POST"]),
            Route("/roles", self.roles),
        ]

    async def principals(self, request: Request) -> Response:
        """List service principals and other clients."""
        return await self._list(request, "service", "Principals", "Clients that sign in by themselves.")

    async def people(self, request: Request) -> Response:
        """List people."""
        return await self._list(request, "user", "People", "Whoever signs in at this console or a terminal.")

    async def principal(self, request: Request) -> Response:
        """Show a principal with what proves it, what it holds and what it belongs to."""
        self._require(request, Permission.IDENTITY_PRINCIPALS_READ)
        return await self._principal(request)

    async def act(self, request: Request) -> Response:
        """Enable, disable, end what was issued, or make a secret that is shown this once."""
        await self._desk.csrf.checked(request)
        self._require(request, Permission.IDENTITY_PRINCIPALS_WRITE)
        caller, verb, service = caller_of(request.scope), request.path_params["verb"], self._identity.principals

        def body(tx: Transaction) -> str:
            principal = service.get(tx, request.path_params["name"])
            if verb in ("enable", "disable"):
                service.set_active(tx, caller, principal, active=verb == "enable")
            elif verb == "revoke-tokens":
                service.revoke_tokens(tx, caller, principal)
            elif verb == "rotate":
                return service.rotate(tx, caller, principal, overlap=7 * 86400.0, lifetime=90 * 86400.0).value
            return ""

        secret = await self._identity.database.write_async(body)
        if secret:
            return await self._principal(request, secret)
        return see_other(place("principals", request.path_params["name"]))

    async def groups(self, request: Request) -> Response:
        """List groups."""
        self._require(request, Permission.IDENTITY_GROUPS_READ)

        def read(tx: Transaction) -> tuple[Page[Principal], dict[str, int]]:
            found = self._identity.principals.list(
                tx, limit=PAGE, cursor=request.query_params.get("cursor"), kind="group"
            )
            return found, self._identity.groups.sizes(tx, [one.id for one in found.items])

        found, sizes = await self._identity.database.read_async(read)
        rows = tuple(
            Row((Cell(g.name, place("groups", g.name)), Cell(g.display_name), Cell(str(sizes.get(g.id, 0)))))
            for g in found.items
        )
        form = Form("/groups", "Create", (Field("name", "Name"), Field("description", "What for", needed=False)))
        section = Section(
            "Groups", "", ("Name", "What for", "Members"), rows, "No group yet.",
            (form,), following=_following("/groups", found.next),
        )  # fmt: skip
        return show(self._desk, request, Shown("Groups", "What a group holds, its members hold.", (section,)))

    async def create_group(self, request: Request) -> Response:
        """Create a group."""
        form = await self._desk.csrf.checked(request)
        name, caller = PrincipalName.parse(forms.text(form, "name", 128)), caller_of(request.scope)
        description = forms.text(form, "description", 200)
        await self._identity.database.write_async(
            lambda tx: self._identity.groups.create(tx, caller, name, description)
        )
        return see_other(place("groups", name.text))

    async def group(self, request: Request) -> Response:
        """Show a group with its members and roles."""
        self._require(request, Permission.IDENTITY_GROUPS_READ)
        caller, name = caller_of(request.scope), request.path_params["name"]

        def read(tx: Transaction) -> Shown:
            group = self._identity.groups.get(tx, name)
            found = self._identity.groups.members(tx, group, limit=PAGE, cursor=request.query_params.get("cursor"))
            members = tuple(
                Row(
                    (Cell(one.principal.name, place("principals", one.principal.name)), Cell(one.source)),
                    (Button(place("groups", group.name, "remove"), "Remove", "danger",
                            (("member", one.principal.name),)),) if one.source == "direct" else (),
                )
                for one in found.items
            )  # fmt: skip
            adding = Form(
                place("groups", group.name, "add"), "Add", (Field("member", "Name", "Of a person or client."),)
            )
            given = self._identity.assignments.list(tx, caller, principal_id=group.id, limit=500)
            sections = (
                Section("Members", "", ("Name", "Said by"), members, "Nobody belongs to it.", (adding,),
                        _following(place("groups", group.name), found.next)),
                held(tx, given.items),
            )  # fmt: skip
            return Shown(group.name, isolated(group.display_name) or "A group.", sections, ("Groups", "/groups"))

        return show(self._desk, request, await self._identity.database.read_async(read))

    async def act_on_group(self, request: Request) -> Response:
        """Put somebody into a group, or take them out."""
        form = await self._desk.csrf.checked(request)
        member, verb = forms.text(form, "member", 128), request.path_params["verb"]
        caller, service = caller_of(request.scope), self._identity.groups

        def body(tx: Transaction) -> None:
            group, principal = service.get(tx, request.path_params["name"]), self._identity.principals.get(tx, member)
            (service.add if verb == "add" else service.remove)(tx, caller, group, principal)

        await self._identity.database.write_async(body)
        return see_other(place("groups", request.path_params["name"]))

    async def roles(self, request: Request) -> Response:
        """List roles with their rights."""
        self._require(request, Permission.IDENTITY_ASSIGNMENTS_READ)
        found = await self._identity.database.read_async(self._identity.roles.list)
        rows = tuple(
            Row((
                Cell(role.name, badge="" if role.builtin else "custom"), Cell(role.description),
                Cell(f"{len(role.permissions)} rights" if len(role.permissions) > 12
                     else ", ".join(sorted(role.permissions))),
            ))
            for role in found
        )  # fmt: skip
        section = Section("Roles", "", ("Name", "What for", "Permits"), rows)
        return show(self._desk, request, Shown("Roles", "Own roles are made by: pratique role create", (section,)))

    async def _list(self, request: Request, kind: str, title: str, sub: str) -> Response:
        self._require(request, Permission.IDENTITY_PRINCIPALS_READ)
        text = request.query_params.get("q", "")[:128]
        found = await self._identity.database.read_async(
            lambda tx: self._identity.principals.list(
                tx, limit=PAGE, cursor=request.query_params.get("cursor"), kind=kind, text=text
            )
        )
        rows = tuple(
            Row((
                Cell(one.name, place("principals", one.name)), Cell(one.display_name),
                Cell(badge=one.state if one.state != "active" else "", text="" if one.state != "active" else "active"),
                Cell(at=one.created_at),
            ))
            for one in found.items
        )  # fmt: skip
        address = "/people" if kind == "user" else "/principals"
        search = Form(address, "Search", (Field("q", "Part of the name", value=text, needed=False),), get=True)
        section = Section(
            title, "", ("Name", "Called", "State", "Since"), rows, "Nobody of that name.",
            (search,), following=_following(address, found.next),
        )  # fmt: skip
        return show(self._desk, request, Shown(title, sub, (section,)))

    async def _principal(self, request: Request, secret: str = "") -> Response:
        caller, name = caller_of(request.scope), request.path_params["name"]

        def read(tx: Transaction) -> Shown:
            principal = self._identity.principals.get(tx, name)
            given = self._identity.assignments.list(tx, caller, principal_id=principal.id, limit=500)
            groups = tuple(
                Row((Cell(group.name, place("groups", group.name)), Cell(source)))
                for group, source in self._identity.groups.of(tx, principal)
            )
            proofs = tuple(
                Row((Cell(one.label or one.id), Cell(one.kind), Cell(at=one.expires_at) if one.expires_at
                     else Cell("never"), Cell(at=one.last_used_at) if one.last_used_at else Cell("not yet")))
                for one in self._identity.principals.secrets(tx, principal)
            )  # fmt: skip
            sections = [
                Section("Credentials", "", ("Label", "Kind", "Ends", "Last used"), proofs, "None."),
                held(tx, given.items),
                Section("Groups", "", ("Name", "Said by"), groups, "None."),
                self._configuration(principal),
            ]
            if secret:
                sections.insert(0, Section("New secret", codes=(("Shown this once; it ends in 90 days.", secret),)))
            return Shown(
                principal.name,
                " · ".join(filter(None, (isolated(principal.display_name), principal.kind, principal.state))),
                sections,
                ("People", "/people") if principal.kind == "user" else ("Principals", "/principals"),
                self._buttons(principal),
            )

        return show(self._desk, request, await self._identity.database.read_async(read))

    def _buttons(self, principal: Principal) -> tuple[Button, ...]:
        verbs = [("disable", "Disable", "danger") if principal.state == "active" else ("enable", "Enable", "")]
        verbs.append(("revoke-tokens", "End all sign-ins", "danger"))
        if principal.kind == "service":
            verbs.append(("rotate", "New secret", ""))
        return tuple(Button(place("principals", principal.name, verb), label, kind) for verb, label, kind in verbs)

    def _configuration(self, principal: Principal) -> Section:
        if principal.kind != "service":
            return Section("Way in", f"A one-time link: pratique person recover {principal.name}")
        host = self._desk.parts.registry_host
        return Section(
            "Client configuration",
            codes=(
                ("podman, docker and skopeo; the secret is asked for:", f"podman login {host} -u {principal.name}"),
                (
                    "azure-identity, from the environment (another tenant would have it ask the public cloud):",
                    "\n".join(
                        (
                            "AZURE_TENANT_ID=adfs",
                            f"AZURE_CLIENT_ID={principal.id}",
                            "AZURE_CLIENT_SECRET=…",
                            f"AZURE_AUTHORITY_HOST=https://{host}",
                        )
                    ),
                ),
            ),
        )

    def _require(self, request: Request, permission: Permission) -> None:
        self._identity.authorizer.require(caller_of(request.scope), permission, _ROOT)


def isolated(text: str) -> str:
    """Foreign text in a line of ours: its direction ends with it."""
    return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}" if text else ""


def held(tx: Transaction, given: tuple[Assignment, ...]) -> Section:
    """The roles that somebody holds, as far as the caller may see them."""
    known = roles_by_id(tx, (one.role_id for one in given))
    rows = tuple(
        Row((
            Cell(known[one.role_id].name if one.role_id in known else "gone",
                 badge="denied" if one.effect == "deny" else "for a time" if one.activation_id else ""),
            Cell(str(one.scope)), Cell(at=one.expires_at) if one.expires_at else Cell("never"), Cell(one.condition),
        ), (Button(place("assignments", one.id, "delete"), "Take away", "danger"),))
        for one in given
    )  # fmt: skip
    return Section("Roles", "", ("Role", "At", "Ends", "Condition"), rows, "None.")


def _following(address: str, cursor: str | None) -> str:
    from urllib.parse import urlencode

    return f"{address}?{urlencode({'cursor': cursor})}" if cursor else ""
