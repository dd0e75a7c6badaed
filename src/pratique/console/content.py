"""What the registry keeps, as pages show and change it; each change asks for the right that its route asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pratique.core.cloudevents import EventLog
from pratique.core.database import Database, Transaction
from pratique.core.jobs import JobQueue
from pratique.core.permissions import Authorizer, Caller, Permission
from pratique.core.webhooks.service import Webhooks
from pratique.registry import inspection
from pratique.registry.deleted import DeletedItem, list_deleted
from pratique.registry.inspection import Inspected, Sizes, TagLine
from pratique.registry.lifecycle import Lifecycle
from pratique.registry.locks import Attributes
from pratique.registry.rights import CHANGE, DELETE, MARK, Rights
from pratique.registry.service import RegistryService
from pratique.registry.types import ManifestSummary, RepositoryName
from pratique.registry.upstream.rules import CacheAdministration


@dataclass(frozen=True, slots=True)
class Shelf:
    """A manifest where it lies."""

    summary: ManifestSummary
    inspected: Inspected
    tags: Mapping[str, Attributes]


@dataclass(frozen=True, slots=True)
class Content:
    """The services behind the pages of content."""

    database: Database
    registry: RegistryService
    lifecycle: Lifecycle
    webhooks: Webhooks
    caches: CacheAdministration
    events: EventLog
    jobs: JobQueue
    authorizer: Authorizer

    @property
    def rights(self) -> Rights:
        """What each request of the registry needs."""
        return Rights(self.authorizer)

    def shelf(self, repository: str, digest: str) -> Shelf | None:
        """Return what hangs on a manifest; the caller may see the repository."""

        def read(tx: Transaction) -> Shelf | None:
            summary = self.registry.resolve(tx, repository, digest)
            inspected = inspection.inspect(tx, summary.repository_id, digest) if summary else None
            if summary is None or inspected is None:
                return None
            return Shelf(summary, inspected, inspection.tag_locks(tx, summary.repository_id, summary.number))

        return self.database.read(read)

    def tags(self, repository: str, search: str, after: str, limit: int) -> Sequence[TagLine]:
        """Return tags by name; the caller may see the repository."""

        def read(tx: Transaction) -> list[TagLine]:
            found = self.registry.repository(tx, repository)
            if found is None:
                return []
            return inspection.tag_lines(tx, found.id, limit=limit, after=after, search=search)

        return self.database.read(read)

    def measured(self, names: Sequence[str]) -> Mapping[str, tuple[Sizes, Attributes]]:
        """Return by name how much repositories hold and what is locked."""

        def read(tx: Transaction) -> dict[str, tuple[Sizes, Attributes]]:
            found = {one.id: name for name in names if (one := self.registry.repository(tx, name))}
            held, locks = inspection.sizes(tx, list(found)), inspection.locks_of(tx, list(found))
            return {name: (held.get(number, Sizes()), locks[number]) for number, name in found.items()}

        return self.database.read(read)

    def deleted(self, name: RepositoryName, before: int | None, limit: int) -> Sequence[DeletedItem]:
        """Return what can come back, last deleted first."""
        return self.database.read(lambda tx: list_deleted(tx, name, limit=limit, before=before))

    def may(self, caller: Caller, name: str) -> Mapping[str, bool]:
        """Return what the caller may do in a repository: for what a page offers, never for what is done."""
        repository = RepositoryName(name)
        wanted = {
            "delete": DELETE,
            "change": CHANGE,
            "mark": MARK,
            "see_deleted": Permission.REGISTRY_DELETED_READ,
            "restore": Permission.REGISTRY_DELETED_RESTORE,
            "purge": Permission.REGISTRY_DELETED_PURGE,
        }
        return {key: self.rights.holds(caller, permission, repository) for key, permission in wanted.items()}
