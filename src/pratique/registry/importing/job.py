"""The job that imports: manifests with all their platforms, then everything that speaks about them."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from pratique.core.database import Database
from pratique.core.errors import Denied, NotFound, PratiqueError
from pratique.core.jobs import JobContext, JobHandlers
from pratique.core.jobs.errors import GiveUp
from pratique.core.outward import OutwardClient
from pratique.core.permissions import Caller
from pratique.core.sealed import SealedColumns
from pratique.registry.errors import ManifestUnknown
from pratique.registry.importing.local import LocalSource
from pratique.registry.importing.service import IMPORT
from pratique.registry.importing.tables import imports
from pratique.registry.parsing import Descriptor, parse_manifest, strict_json
from pratique.registry.types import RepositoryName, parse_digest
from pratique.registry.upstream.client import Login, UpstreamRegistry
from pratique.registry.upstream.errors import UpstreamDenied, UpstreamInvalid
from pratique.registry.upstream.transfer import Choose, Journey, Transfer
from pratique.registry.upstream.types import platform_of

MOST_REFERRERS: Final = 500
_COSIGN: Final = ("sig", "att", "sbom")
_HUB: Final = {"docker.io": "registry-1.docker.io"}
_HOPELESS: Final = (UpstreamInvalid, UpstreamDenied, NotFound, Denied)


class ImportJobs:
    """Carries imports out in a worker."""

    def __init__(
        self,
        database: Database,
        columns: SealedColumns,
        client: OutwardClient,
        transfer: Transfer,
        *,
        manifest_limit: int,
    ) -> None:
        self._database = database
        self._columns = columns
        self._client = client
        self._transfer = transfer
        self._manifest_limit = manifest_limit

    def register(self, handlers: JobHandlers) -> None:
        handlers.register(IMPORT, self.run, timeout=24 * 3600.0, concurrency=1)

    def run(self, context: JobContext) -> None:
        """Bring one image; what an earlier attempt has brought is not fetched again."""
        row = self._database.read(
            lambda tx: tx.execute(sa.select(imports).where(imports.c.id == context.job.payload["import"])).one()
        )
        counted = _Counted(context)
        caller = Caller(principal_id=row.created_by, name=row.created_name, kind="service")
        source = self._source(row)
        name = RepositoryName.parse(row.repository)
        journey = Journey(source, row.origin, name, caller, _choose(row.platforms), counted.add)
        try:
            digest = self._transfer.bring(journey, row.reference, [row.tag] if row.tag else [])
            if row.referrers:
                for about in self._with_members(journey, digest):
                    self._bring_referrers(journey, source, about)
        except _HOPELESS as error:
            self._end(row.id, "")
            raise GiveUp(error.message) from error
        self._end(row.id, digest)

    def _source(self, row: sa.Row[Any]) -> UpstreamRegistry | LocalSource:
        if not row.host:
            return LocalSource(self._database, sees_held=row.sees_held)
        login = None
        if row.secret is not None:
            login = Login(row.user_name, self._columns.open("imports", row.id, "secret", row.secret).decode())
        host = _HUB.get(row.host, row.host)
        return UpstreamRegistry(self._client, host, login, manifest_limit=self._manifest_limit)

    def _with_members(self, journey: Journey, digest: str) -> list[str]:
        """Return the digests that others may speak about: the manifest and, of an index, its members."""
        fetched = journey.source.manifest(journey.origin, digest)
        manifest = parse_manifest(fetched.content, fetched.media_type)
        return [digest, *(member.digest for member in journey.choose(manifest.members))]

    def _bring_referrers(self, journey: Journey, source: UpstreamRegistry | LocalSource, digest: str) -> None:
        """Bring what speaks about a manifest: by the list of OCI 1.1, its fallback tag, and cosign's tags."""
        algorithm, _, encoded = digest.partition(":")
        for referrer in _listed(source, journey.origin, digest, f"{algorithm}-{encoded}"):
            if not self._transfer.holds(journey.name, referrer):
                self._transfer.bring(journey, referrer)
        for suffix in _COSIGN:
            tag = f"{algorithm}-{encoded}.{suffix}"
            try:
                self._transfer.bring(journey, tag, [tag])
            except ManifestUnknown:
                continue

    def _end(self, identity: str, digest: str) -> None:
        """Forget the secret, and remember what was brought."""
        done = sa.update(imports).where(imports.c.id == identity).values(secret=None, digest=digest)
        self._database.write(lambda tx: tx.execute(done))


class _Counted:
    """Tells the job's row how many bytes have come."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._bytes = 0

    def add(self, size: int) -> None:
        self._context.raise_if_cancelled()
        self._bytes += size
        self._context.progress(self._bytes, None, "bytes")


def _choose(platforms: Sequence[str]) -> Choose:
    """Return what takes every member, or those of some platforms with what speaks about them."""

    def choose(members: Sequence[Descriptor]) -> Sequence[Descriptor]:
        if not platforms:
            return members
        kept = {each.digest for each in members if platform_of(each) in platforms}
        return [each for each in members if each.digest in kept or each.statement_subject in kept]

    return choose


def _listed(source: UpstreamRegistry | LocalSource, origin: str, digest: str, fallback: str) -> list[str]:
    content = source.referrers(origin, digest)
    if content is None:
        try:
            content = source.manifest(origin, fallback).content
        except ManifestUnknown:
            return []
    return _digests(content)


def _digests(content: bytes) -> list[str]:
    """Return the digests of a list that another registry has made; raises UpstreamInvalid for what is none."""
    try:
        entries = strict_json(content)["manifests"][:MOST_REFERRERS]
        return [str(parse_digest(entry["digest"])) for entry in entries]
    except (PratiqueError, LookupError, TypeError) as error:
        raise UpstreamInvalid("the list of referrers is none") from error
