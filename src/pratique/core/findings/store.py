"""The one place where findings are kept, for every domain."""

from collections.abc import Collection, Iterable, Sequence
from types import EllipsisType

import sqlalchemy as sa

from pratique.core.database.epochs import bump_epoch
from pratique.core.database.paging import Cursors, Page
from pratique.core.database.transaction import Transaction
from pratique.core.errors import NotFound
from pratique.core.findings import exempting, queries, recording
from pratique.core.findings.recording import EPOCH, Item
from pratique.core.findings.tables import findings, subjects
from pratique.core.findings.types import (
    ActionGroup,
    Exemption,
    Finding,
    FindingChange,
    FindingFilter,
    Occurrence,
    Severity,
    Sort,
    StoredFinding,
    StoredOccurrence,
)


class FindingStore:
    """Findings by key, with what hangs on the key.

    - First seen, owner, due date and exemption outlive every build, and a finding that comes back has them again.
    - What is recorded for a subject is exactly what was given last; recording the same again writes nothing.
    - The epoch 'findings' is bumped, and the hint 'findings' sent, by every change.
    """

    def replace(
        self, tx: Transaction, *, domain: str, lineage: str, subject: str, occurrences: Sequence[Occurrence]
    ) -> FindingChange:
        """Make `occurrences` all that `domain` says about `subject` in `lineage`; publishes nothing."""
        return recording.record(tx, domain, [(lineage, subject, occurrences)], None)

    def replace_many(self, tx: Transaction, *, domain: str, items: Sequence[Item]) -> FindingChange:
        """`replace` for many subjects at once, (lineage, subject, occurrences) each, in as few statements."""
        return recording.record(tx, domain, items, None)

    def patch(
        self,
        tx: Transaction,
        *,
        domain: str,
        lineage: str,
        subject: str,
        rules: Collection[str],
        occurrences: Sequence[Occurrence],
    ) -> FindingChange:
        """Make `occurrences` all that the subject shows of `rules`, and leave its other rules alone."""
        return recording.record(tx, domain, [(lineage, subject, occurrences)], rules)

    def patch_many(
        self, tx: Transaction, *, domain: str, rules: Collection[str], items: Sequence[Item]
    ) -> FindingChange:
        """`patch` for many subjects of one change."""
        return recording.record(tx, domain, items, rules)

    def forget(self, tx: Transaction, *, domain: str, lineage: str, subject: str) -> FindingChange:
        """Record that a subject is gone: what only it showed is resolved."""
        change = self.replace(tx, domain=domain, lineage=lineage, subject=subject, occurrences=())
        place = subjects.c.domain == domain, subjects.c.lineage == lineage, subjects.c.subject == subject
        tx.execute(sa.delete(subjects).where(*place))
        return change

    def assign(self, tx: Transaction, key: str, *, owner: str, due_at: int | None) -> None:
        """Set who is to settle a finding, and by when."""
        values = {"owner": owner, "due_at": due_at, "changed_at": tx.now}
        if not tx.execute(sa.update(findings).where(findings.c.key == key).values(**values)).rowcount:
            raise NotFound("There is no such finding.")
        tx.hint(EPOCH)
        bump_epoch(tx, EPOCH)

    def assign_all(
        self,
        tx: Transaction,
        chosen: sa.ColumnElement[bool],
        *,
        owner: str | None,
        due_at: int | EllipsisType | None,
    ) -> int:
        """`assign` for the findings that `chosen` selects; None and `...` leave owner and date as they are."""
        values: dict[str, object] = {"changed_at": tx.now}
        if owner is not None:
            values["owner"] = owner
        if due_at is not ...:
            values["due_at"] = due_at
        count = tx.execute(sa.update(findings).where(chosen).values(**values)).rowcount
        tx.hint(EPOCH)
        bump_epoch(tx, EPOCH)
        return int(count)

    def get(self, tx: Transaction, key: str) -> StoredFinding:
        return queries.get(tx, key)

    def search(
        self,
        tx: Transaction,
        chosen: FindingFilter,
        cursors: Cursors,
        *,
        sort: Sort = "risk",
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[StoredFinding]:
        return queries.listed(tx, chosen, cursors, sort=sort, cursor=cursor, limit=limit)

    def counts(self, tx: Transaction, chosen: FindingFilter) -> dict[Severity, int]:
        return queries.counts(tx, chosen)

    def by_action(
        self, tx: Transaction, chosen: FindingFilter, *, limit: int = 100, least: tuple[int, int, str] | None = None
    ) -> list[ActionGroup]:
        return queries.by_action(tx, chosen, limit=limit, least=least)

    def occurrences_of(
        self, tx: Transaction, key: str, *, after_subject: str = "", limit: int = 100
    ) -> list[StoredOccurrence]:
        return queries.occurrences_of(tx, key, after_subject=after_subject, limit=limit)

    def of_subject(
        self, tx: Transaction, subject: str, *, domain: str = "", lineage: str = ""
    ) -> list[tuple[StoredFinding, StoredOccurrence]]:
        return queries.of_subject(tx, subject, domain=domain, lineage=lineage)

    def add_exemption(self, tx: Transaction, exemption: Exemption) -> None:
        exempting.add(tx, exemption)

    def revoke_exemption(self, tx: Transaction, exemption_id: str) -> Exemption:
        return exempting.revoke(tx, exemption_id)

    def get_exemption(self, tx: Transaction, exemption_id: str) -> Exemption:
        return exempting.get(tx, exemption_id)

    def list_exemptions(self, tx: Transaction, *, before: str = "", limit: int = 100) -> list[Exemption]:
        return exempting.listed(tx, before=before, limit=limit)

    def exemptions_active(self, tx: Transaction, lineage: str | None = None) -> tuple[Exemption, ...]:
        """Return the exemptions in force now, of those that can cover `lineage` if it is given."""
        return exempting.active(tx, lineage)

    def exemptions_for(self, tx: Transaction, wanted: Iterable[Finding]) -> dict[str, Exemption]:
        """Return for each key that is exempt now the exemption that lasts longest."""
        return exempting.covering(tx, wanted)

    def next_expiry(self, tx: Transaction) -> int | None:
        """Return the next instant at which some exemption ends by time alone."""
        return exempting.next_expiry(tx)
