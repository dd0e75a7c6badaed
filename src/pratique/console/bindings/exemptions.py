"""Exemptions, out of trust; who may grant one where is asked of the authorizer at that very scope."""

from collections.abc import Sequence
from typing import Literal

from pratique.console.sources import ExemptionView, NewExemption
from pratique.core.database import Database
from pratique.core.errors import Invalid
from pratique.core.findings.store import FindingStore
from pratique.core.findings.types import Exemption
from pratique.core.permissions import Authorizer, Caller, Extent, Permission, Scope
from pratique.trust.exemptions import Exemptions
from pratique.trust.exemptions import NewExemption as Asked

State = Literal["active", "expired", "withdrawn"]


class BoundExemptions:
    """Lists, grants and withdraws; the person who grants one is its approver."""

    def __init__(
        self, database: Database, exemptions: Exemptions, findings: FindingStore, authorizer: Authorizer
    ) -> None:
        self._database = database
        self._exemptions = exemptions
        self._findings = findings
        self._authorizer = authorizer

    def all(self, extent: Extent, limit: int) -> Sequence[ExemptionView]:
        now, rows = self._database.read(lambda tx: (tx.now, self._findings.list_exemptions(tx, limit=limit)))
        shown = [_view(row, now) for row in rows if extent.covers(scope_of(row.lineage))]
        return sorted(shown, key=lambda row: row.state != "active")

    def add(self, caller: Caller, wanted: NewExemption) -> str:
        lineage = canonical(wanted.lineage)
        self._authorizer.require(caller, Permission.TRUST_EXEMPTIONS_WRITE, scope_of(lineage))
        asked = Asked(
            rule=wanted.rule,
            lineage=lineage,
            reason=wanted.reason,
            approver=caller.name,
            expires_at=wanted.expires,
            location=wanted.location,
        )
        return self._exemptions.add(asked, caller).exemption.id

    def withdraw(self, caller: Caller, exemption_id: str) -> None:
        found = self._exemptions.get(exemption_id)
        self._authorizer.require(caller, Permission.TRUST_EXEMPTIONS_WRITE, scope_of(found.lineage))
        self._exemptions.revoke(exemption_id, caller)


def canonical(lineage: str) -> str:
    """Return a lineage of the registry as it is stored; '' is everything; raises Invalid for what is none."""
    text = lineage.strip().lstrip("/")
    if not text:
        return ""
    if not text.startswith("registry/"):
        text = f"registry/{text}"
    scope = str(scope_of(text)).lstrip("/")
    return f"{scope}/" if text.endswith("/") else scope


def scope_of(lineage: str) -> Scope:
    """Return the scope at which a right over a lineage is asked for."""
    try:
        return Scope.parse(f"/{lineage}")
    except Invalid as error:
        raise Invalid(
            f"{lineage[:100]!r} is no repository.", remedy="Write registry/team/app, or registry/team/ for all below."
        ) from error


def _view(row: Exemption, now: int) -> ExemptionView:
    state: State = "active" if row.active(now) else "withdrawn" if row.revoked_at is not None else "expired"
    return ExemptionView(
        id=row.id,
        rule=row.rule,
        lineage=row.lineage,
        location=row.location,
        reason=row.reason,
        approver=row.approver,
        created=row.created_at,
        expires=row.expires_at,
        state=state,
    )
