"""Imports: asked for by people and pipelines, carried out by a job that can be cancelled and goes on after a crash."""

from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from pratique.core.audit import Audit
from pratique.core.database import Database, Transaction
from pratique.core.errors import Conflict, Invalid
from pratique.core.ids import new_id
from pratique.core.jobs import JobQueue, JobState, JobStatus
from pratique.core.outward import OutwardClient
from pratique.core.permissions import Authorizer, Caller, Permission, Scope
from pratique.core.sealed import SealedColumns
from pratique.registry.errors import ManifestUnknown
from pratique.registry.importing.tables import imports
from pratique.registry.pulls import find_manifest
from pratique.registry.rights import PULL, Rights
from pratique.registry.types import Reference, RepositoryName
from pratique.registry.upstream.types import NewRule

IMPORT: Final = "registry.import"
_row = imports.c


class TagTaken(Conflict):
    """The target has this tag already, and nobody asked to move it."""

    code = "tag-taken"


@dataclass(frozen=True, slots=True)
class NewImport:
    """What is to be copied where."""

    source: str
    """`HOST/REPOSITORY:TAG`, `HOST/REPOSITORY@DIGEST`, or without a host a repository of this registry."""
    target: str
    """`REPOSITORY:TAG`, or `REPOSITORY` for no tag."""
    user: str = ""
    secret: str = field(default="", repr=False)
    platforms: tuple[str, ...] = ()
    referrers: bool = True
    force: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A reference in some registry; `host` is '' for this one."""

    host: str
    repository: RepositoryName
    reference: str

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read an image reference as people write it; a first part with a dot, a colon or `localhost` is a host."""
        rest, at, digest = text.strip().partition("@")
        head, slash, _ = rest.partition("/")
        is_host = bool(slash) and ("." in head or ":" in head or head == "localhost")
        host, body = (head.lower(), rest[len(head) + 1 :]) if is_host else ("", rest)
        name, colon, tag = body.partition(":")
        if host == "docker.io" and "/" not in name:
            name = f"library/{name}"
        reference = digest if at else tag if colon else ""
        if reference:
            Reference.parse(reference)
        return cls(host, RepositoryName.parse(name), reference)


class Imports:
    """Takes orders; the caller needs the right to import at the target and, within this registry, to pull there."""

    def __init__(
        self,
        database: Database,
        jobs: JobQueue,
        columns: SealedColumns,
        client: OutwardClient,
        *,
        authorizer: Authorizer,
        audit: Audit,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._columns = columns
        self._client = client
        self._authorizer = authorizer
        self._rights = Rights(authorizer)
        self._audit = audit

    def create(self, caller: Caller, new: NewImport) -> dict[str, Any]:
        """Queue an import and return it."""
        source, target = Place.parse(new.source), Place.parse(new.target)
        if target.host or ":" in target.reference:
            raise Invalid("The target is a repository of this registry.", remedy="Write REPOSITORY:TAG.")
        if not source.reference:
            raise Invalid("The source names no tag or digest.", remedy="Write HOST/REPOSITORY:TAG.")
        self._require(caller, target.repository)
        sees_held = False
        if source.host:
            NewRule("check", source.host, user=new.user, secret=new.secret, platforms=new.platforms)
            self._client.rules.check_url(f"{self._client.rules.scheme_of(source.host)}://{source.host}/v2/")
        else:
            self._rights.require(caller, source.repository, PULL)
            sees_held = self._rights.sees_held(caller, source.repository)
        identity = new_id()
        self._database.write(lambda tx: self._store(tx, identity, caller, new, source, target, sees_held=sees_held))
        return self.show(caller, identity)

    def show(self, caller: Caller, identity: str) -> dict[str, Any]:
        """Return one with how far it is; for those who may import there."""
        row, job = self._database.read(lambda tx: self._find(tx, identity))
        self._require(caller, RepositoryName.parse(row.repository))
        return _shown(row, job)

    def cancel(self, caller: Caller, identity: str) -> dict[str, Any]:
        """Ask one to stop; what it has brought as a whole stays."""
        self.show(caller, identity)

        def body(tx: Transaction) -> None:
            row, _ = self._find(tx, identity)
            self._jobs.cancel(tx, row.job_id)
            self._audit.with_change(tx, "registry.import.cancel", caller, row.repository, {"import": identity})

        self._database.write(body)
        return self.show(caller, identity)

    def _require(self, caller: Caller, name: RepositoryName) -> None:
        self._authorizer.require(caller, Permission.REGISTRY_CONTENT_IMPORT, Scope.for_repository(name.value))

    def _store(  # noqa: PLR0917  the columns of one row
        self, tx: Transaction, identity: str, caller: Caller, new: NewImport, source: Place, target: Place, *,
        sees_held: bool,
    ) -> None:  # fmt: skip
        if target.reference and not new.force:
            wanted = Reference(tag=target.reference)
            if find_manifest(tx, target.repository, wanted, sees_held=True) is not None:
                raise TagTaken(f"{new.target} is there already.", remedy="Choose another tag, or ask to move it.")
        secret = self._columns.seal("imports", identity, "secret", new.secret.encode()) if new.secret else None
        values = {
            "id": identity,
            "job_id": self._jobs.enqueue(tx, IMPORT, {"import": identity}, priority=40, max_attempts=5),
            "host": source.host,
            "origin": source.repository.value,
            "reference": source.reference,
            "repository": target.repository.value,
            "tag": target.reference,
            "platforms": list(new.platforms),
            "referrers": new.referrers,
            "sees_held": sees_held,
            "user_name": new.user,
            "secret": secret,
            "digest": "",
            "created_at": tx.now,
            "created_by": caller.principal_id,
            "created_name": caller.name,
        }
        tx.execute(sa.insert(imports), values)
        detail = {"source": new.source, "user": new.user}
        self._audit.with_change(tx, "registry.import.create", caller, new.target, detail)

    def _find(self, tx: Transaction, identity: str) -> tuple[sa.Row[Any], JobStatus]:
        row = tx.execute(sa.select(imports).where(_row.id == identity)).one_or_none()
        if row is None:
            raise ManifestUnknown("There is no such import.", remedy="Ask for it again.")
        return row, self._jobs.get(tx, row.job_id)


def _shown(row: sa.Row[Any], job: JobStatus) -> dict[str, Any]:
    return {
        "id": row.id,
        "source": f"{row.host}/{row.origin}" if row.host else row.origin,
        "reference": row.reference,
        "target": f"{row.repository}:{row.tag}" if row.tag else row.repository,
        "digest": row.digest or None,
        "state": job.state.value,
        "bytes": job.progress_done,
        "note": job.progress_note,
        "error": job.last_error if job.state is not JobState.DONE else None,
        "created_at": row.created_at,
        "operation": row.job_id,
    }
