"""Forms over content: locks, quarantine marks, deletion after a question, and what was deleted and can come back."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pratique.console import addresses, forms
from pratique.console.pages.desk import Desk, in_thread, see_other
from pratique.console.pages.identity.shown import Button, Cell, Row, Section, Shown, show
from pratique.core.database import Transaction
from pratique.core.errors import Invalid
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Permission, Scope
from pratique.registry.deleted import DeletedItem
from pratique.registry.rights import CHANGE, DELETE, MARK
from pratique.registry.types import Reference, RepositoryName

PAGE = 100
_FLAGS = ("delete", "write", "list", "read")


class ContentPages:
    """Changes of what lies in a repository; each asks for its right at that repository."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._content = desk.parts.content

    def routes(self) -> list[Route]:
        return [
            Route("/content/lock", self.lock, methods=["POST"]),
            Route("/content/quarantine", self.quarantine, methods=["POST"]),
            Route("/content/delete", self.question),
            Route("/content/delete", self.delete, methods=["POST"]),
            Route("/content/deleted", self.deleted),
            Route("/content/deleted/{verb:str}", self.act_on_deleted, methods=["POST"]),
        ]

    async def lock(self, request: Request) -> Response:
        """Set all four locks of a repository, tag or manifest to what the form says."""
        form = await self._desk.csrf.checked(request)
        caller, name = caller_of(request.scope), RepositoryName.parse(forms.text(form, "repository"))
        self._content.rights.require(caller, name, CHANGE)
        wanted = {f"{flag}Enabled": forms.text(form, flag) == "yes" for flag in _FLAGS}
        reference, service = forms.text(form, "reference"), self._content.lifecycle.attributes

        def body(tx: Transaction) -> None:
            if not reference:
                service.lock_repository(tx, caller, name, wanted)
            elif Reference.parse(reference).digest is not None:
                service.lock_manifest(tx, caller, name, reference, wanted)
            else:
                service.lock_tag(tx, caller, name, reference, wanted)

        await self._content.database.write_async(body)
        return see_other(addresses.safe_next(forms.text(form, "next", 2000)))

    async def quarantine(self, request: Request) -> Response:
        """Record that somebody has passed or failed a manifest."""
        form = await self._desk.csrf.checked(request)
        caller, name = caller_of(request.scope), RepositoryName.parse(forms.text(form, "repository"))
        self._content.rights.require(caller, name, MARK)
        digest, state = forms.text(form, "reference"), forms.text(form, "state")
        details, service = forms.text(form, "details", 1000), self._content.lifecycle.attributes
        await self._content.database.write_async(
            lambda tx: service.mark(tx, caller, name, digest, state=state, details=details)
        )
        return see_other(addresses.safe_next(forms.text(form, "next", 2000)))

    async def question(self, request: Request) -> Response:
        """Ask before anything is deleted, and say what goes with it."""
        name = RepositoryName.parse(request.query_params.get("repository", ""))
        reference = request.query_params.get("reference", "")[:255]
        self._content.rights.require(caller_of(request.scope), name, DELETE)
        what = "the repository with all its tags and images"
        if reference:
            tag = Reference.parse(reference).tag
            what = "the tag; the image stays" if tag else "the image with its tags"
        fields = (("repository", name.value), ("reference", reference))
        button = Button("/content/delete", "Delete", "danger", fields)
        target = f"{name}{('@' if ':' in reference else ':') + reference if reference else ''}"
        note = "What is deleted can be restored for a time, unless the installation keeps nothing."
        rows = (Row((Cell(target),), (button,)),)
        section = Section(f"Delete {what}?", note, ("What",), rows)
        return show(self._desk, request, Shown("Delete", "", (section,), (name.value, f"/r/{name}")))

    async def delete(self, request: Request) -> Response:
        """Delete a tag, an image with its tags, or the whole repository; a lock keeps all of it."""
        form = await self._desk.csrf.checked(request)
        caller, name = caller_of(request.scope), RepositoryName.parse(forms.text(form, "repository"))
        self._content.rights.require(caller, name, DELETE)
        reference, lifecycle = forms.text(form, "reference"), self._content.lifecycle
        if not reference:
            await in_thread(request, lifecycle.repositories.delete, caller, name)
            return see_other("/repositories")
        wanted = Reference.parse(reference)
        await self._content.database.write_async(lambda tx: lifecycle.deletions.delete(tx, caller, name, wanted))
        return see_other(await in_thread(request, self._after, name))

    async def deleted(self, request: Request) -> Response:
        """List what can come back to a repository."""
        name = RepositoryName.parse(request.query_params.get("repository", ""))
        self._require(request, Permission.REGISTRY_DELETED_READ, name)
        text = request.query_params.get("before", "")
        before = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
        found = await in_thread(request, self._content.deleted, name, before, PAGE + 1)
        may = self._content.may(caller_of(request.scope), name.value)
        rows = tuple(_row(name, item, restore=may["restore"], purge=may["purge"]) for item in found[:PAGE])
        following = (
            addresses.with_query("/content/deleted", repository=name.value, before=str(found[PAGE - 1].id))
            if found[PAGE:]
            else ""
        )
        section = Section(
            "Can be restored", "last deleted first", ("What", "Tags", "Why", "Deleted", "Gone for good"), rows,
            "Nothing: what was deleted here is gone, or nothing was.", following=following,
        )  # fmt: skip
        sub = "What is restored is judged like a push; tags that somebody has set meanwhile stay."
        return show(self._desk, request, Shown("Deleted", sub, (section,), (name.value, f"/r/{name}")))

    async def act_on_deleted(self, request: Request) -> Response:
        """Restore an item, or give it up before its time."""
        form = await self._desk.csrf.checked(request)
        caller, name = caller_of(request.scope), RepositoryName.parse(forms.text(form, "repository"))
        number = _number(forms.text(form, "number"))
        restoring, verb = self._content.lifecycle.restoring, request.path_params["verb"]
        actions: dict[str, tuple[Permission, Callable[[Transaction], object]]] = {
            "restore": (Permission.REGISTRY_DELETED_RESTORE, lambda tx: restoring.restore(tx, caller, name, number)),
            "purge": (Permission.REGISTRY_DELETED_PURGE, lambda tx: restoring.purge(tx, caller, name, number)),
        }
        if verb not in actions:
            raise Invalid("That cannot be done with what was deleted.", remedy="Restore it, or give it up.")
        permission, act = actions[verb]
        self._require(request, permission, name)
        await self._content.database.write_async(act)
        return see_other(addresses.with_query("/content/deleted", repository=name.value))

    def _after(self, name: RepositoryName) -> str:
        """Where to go after a deletion: a repository without an image has no page."""

        def read(tx: Transaction) -> bool:
            found = self._content.registry.repository(tx, name.value)
            return found is not None and bool(self._content.registry.list_manifests(tx, found.id, limit=1))

        return f"/r/{name}" if self._content.database.read(read) else "/repositories"

    def _require(self, request: Request, permission: Permission, name: RepositoryName) -> None:
        self._content.authorizer.require(caller_of(request.scope), permission, Scope.for_repository(name.value))


def _row(name: RepositoryName, item: DeletedItem, *, restore: bool, purge: bool) -> Row:
    fields = (("repository", name.value), ("number", str(item.id)))
    buttons = (
        *((Button("/content/deleted/restore", "Restore", "", fields),) if restore else ()),
        *((Button("/content/deleted/purge", "Give up", "danger", fields),) if purge else ()),
    )
    cells = (
        Cell(item.name, badge=item.kind), Cell(", ".join(item.tags)), Cell(item.because), Cell(at=item.deleted_at),
        Cell(at=item.expires_at),
    )  # fmt: skip
    return Row(cells, buttons)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid("That names nothing that was deleted.", remedy="Load the list again.")
    return int(text)
