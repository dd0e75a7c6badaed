"""Access reviews: what is held and not needed, or about to end, as findings beside those of images.

Everything is read from what is there now, in a handful of statements over all principals; nothing is guessed. A right
counts as unused only once this installation has watched for as long as `identity.unused_after`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from pratique.core.clock import DAY, SECOND
from pratique.core.database import Transaction
from pratique.core.events import Event, EventBus
from pratique.core.findings.store import FindingStore
from pratique.core.findings.types import Finding, Occurrence, Severity
from pratique.core.settings.schema import Identity as IdentitySettings
from pratique.identity.access_tables import group_members, review_marks, uses
from pratique.identity.federation.tables import federated_credentials
from pratique.identity.rights_reading import assignment_of, roles_by_id
from pratique.identity.tables import assignments, credentials, principals
from pratique.identity.types import Assignment

DOMAIN = "identity"
FINDINGS_CHANGED = "pratique.identity.findings.changed.v1"
"""`data` names the lineages whose findings changed, as `lineages`."""
STANDING_OWNERS = 2
"""So many may hold everything for good, in case that roles can not be activated."""
_WATCHING = "watching"
_DELEGATE = "identity/assignments/delegate"

Rule = Literal[
    "unused-principal", "unused-role", "credential-ends", "credential-without-end", "standing-administrator",
    "secret-beside-federation", "disabled-with-roles",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Review:
    """One thing to settle, and what it is about."""

    rule: Rule
    principal_id: str
    principal: str
    target: str
    """Id of the assignment or credential, or of the principal itself."""
    title: str
    severity: Severity
    fix: str
    """What the quick fix does, as a sentence."""
    command: str

    @property
    def lineage(self) -> str:
        return f"identity/{self.principal}"

    def finding(self) -> Finding:
        return Finding(
            domain=DOMAIN,
            rule=f"identity/{self.rule}",
            lineage=self.lineage,
            location=f"/{self.target}",
            title=self.title,
            severity=self.severity,
            severity_source="pratique",
            fix=self.fix,
            action=f"access|{self.rule}|{self.principal}",
        )

    @property
    def key(self) -> str:
        return self.finding().key

    def occurrence(self) -> Occurrence:
        evidence = {"rule": self.rule, "principal": self.principal, "target": self.target}
        return Occurrence(self.finding(), self.principal_id, "", evidence, f"{self.fix} {self.command}")


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the rules look at, read once."""

    now: int
    since: int
    """Since when uses of rights are watched."""
    settings: IdentitySettings
    principals: Mapping[str, Any]
    assignments: tuple[Assignment, ...]
    permitted: Mapping[str, frozenset[str]]
    role_names: Mapping[str, str]
    credentials: Mapping[str, list[Any]]
    federated: frozenset[str]
    members: Mapping[str, frozenset[str]]
    used: Mapping[tuple[str, str], Mapping[str, int]]
    """When rights were last used, by (principal, scope of the assignment)."""

    @property
    def unused_before(self) -> int:
        return self.now - int(self.settings.unused_after * SECOND)

    def holders(self, assignment: Assignment) -> Collection[str]:
        return self.members.get(assignment.principal_id, (assignment.principal_id,))


def find(tx: Transaction, settings: IdentitySettings) -> list[Review]:
    """Return everything to settle now, by principal."""
    facts = _read(tx, settings)
    found = [review for rule in _RULES for review in rule(facts)]
    return sorted(found, key=lambda review: (review.principal, review.rule, review.target))


def refresh(tx: Transaction, settings: IdentitySettings, events: EventBus | None) -> int:
    """Make the findings those of now, and say which lineages changed; returns how many things are to settle."""
    by_principal: defaultdict[tuple[str, str], list[Occurrence]] = defaultdict(list)
    found = find(tx, settings)
    for review in found:
        by_principal[review.lineage, review.principal_id].append(review.occurrence())
    _add_settled(tx, by_principal)
    items = [(lineage, subject, shown) for (lineage, subject), shown in by_principal.items()]
    change = FindingStore().replace_many(tx, domain=DOMAIN, items=items)
    if change.changed and events is not None:
        lineages = sorted({lineage for lineage, _ in by_principal})
        events.publish(tx, Event(FINDINGS_CHANGED, DOMAIN, {"lineages": lineages}))
    return len(found)


def _add_settled(tx: Transaction, wanted: "defaultdict[tuple[str, str], list[Occurrence]]") -> None:
    """Let principals that had something to settle, and have nothing now, show nothing."""
    from pratique.core.findings.tables import subjects

    known = sa.select(subjects.c.lineage, subjects.c.subject).where(subjects.c.domain == DOMAIN)
    for row in tx.execute(known).all():
        wanted[row.lineage, row.subject]


def _read(tx: Transaction, settings: IdentitySettings) -> _Facts:
    given = tuple(assignment_of(row) for row in tx.execute(sa.select(assignments)).all())
    known = roles_by_id(tx, {assignment.role_id for assignment in given})
    held: defaultdict[str, list[Any]] = defaultdict(list)
    for row in tx.execute(sa.select(credentials)).all():
        held[row.principal_id].append(row)
    members: defaultdict[str, set[str]] = defaultdict(set)
    for row in tx.execute(sa.select(group_members.c.group_id, group_members.c.principal_id)).all():
        members[row.group_id].add(row.principal_id)
    used: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in tx.execute(sa.select(uses)).all():
        used[row.principal_id, row.scope][row.permission] = row.last_at
    owned = sa.select(credentials.c.principal_id).join(
        federated_credentials, federated_credentials.c.credential_id == credentials.c.id
    )
    return _Facts(
        now=tx.now,
        since=_watching_since(tx),
        settings=settings,
        principals={row.id: row for row in tx.execute(sa.select(principals)).all()},
        assignments=given,
        permitted={role.id: frozenset(p.value for p in role.permissions) for role in known.values()},
        role_names={role.id: role.name for role in known.values()},
        credentials=held,
        federated=frozenset(tx.execute(owned).scalars()),
        members={group: frozenset(several) for group, several in members.items()},
        used=used,
    )


def _watching_since(tx: Transaction) -> int:
    since = tx.execute(sa.select(review_marks.c.at).where(review_marks.c.name == _WATCHING)).scalar_one_or_none()
    if since is None:
        tx.execute(tx.insert(review_marks).values(name=_WATCHING, at=tx.now).on_conflict_do_nothing())
        return tx.now
    return int(since)


def _unused_principals(facts: _Facts) -> Iterator[Review]:
    last: defaultdict[str, int] = defaultdict(int)
    for (principal_id, _), rights in facts.used.items():
        last[principal_id] = max(last[principal_id], *rights.values())
    for row in facts.principals.values():
        if row.kind != "service" or row.state != "active":
            continue
        noted = [held.last_used_at or 0 for held in facts.credentials.get(row.id, ())]
        seen = max([last[row.id], row.created_at, *noted])
        if seen < facts.unused_before:
            days = (facts.now - seen) // DAY
            yield Review(
                "unused-principal", row.id, row.name, row.id, f"{row.name} was not used for {days} days",
                Severity.MEDIUM, f"Disable {row.name}; it can be enabled again.",
                f"pratique principal disable {row.name}",
            )  # fmt: skip


def _unused_roles(facts: _Facts) -> Iterator[Review]:
    if facts.since > facts.unused_before:
        return
    for given in facts.assignments:
        row, permitted = facts.principals[given.principal_id], facts.permitted.get(given.role_id, frozenset())
        if given.effect != "allow" or given.expires_at is not None or given.created_at > facts.unused_before:
            continue
        rights = (facts.used.get((holder, str(given.scope)), {}) for holder in facts.holders(given))
        if any(permission in permitted and at >= facts.unused_before for r in rights for permission, at in r.items()):
            continue
        role = facts.role_names.get(given.role_id, "a role that is gone")
        yield Review(
            "unused-role", row.id, row.name, given.id, f"{row.name} does not use {role} at {given.scope}",
            Severity.LOW, f"Take {role} at {given.scope} away.", f"pratique assignment delete {given.id}",
        )  # fmt: skip


def _credentials(facts: _Facts) -> Iterator[Review]:
    soon = facts.now + int(facts.settings.expiry_warning * SECOND)
    for principal_id, several in facts.credentials.items():
        row = facts.principals[principal_id]
        for held in several:
            if held.kind not in ("client-secret", "certificate") or row.state != "active":
                continue
            name = f"{'secret' if held.kind == 'client-secret' else 'certificate'} {held.label or held.id[-6:]}"
            if held.expires_at is None and held.kind == "client-secret":
                yield Review(
                    "credential-without-end", row.id, row.name, held.id, f"The {name} of {row.name} never ends",
                    Severity.LOW, "Let it end in 90 days; make a new one before.",
                    f"pratique principal rotate {row.name} --overlap 7d --expires 90d",
                )  # fmt: skip
            elif held.expires_at is not None and held.expires_at <= facts.now:
                yield Review(
                    "credential-ends", row.id, row.name, held.id, f"The {name} of {row.name} has ended",
                    Severity.LOW, "Remove it: it opens nothing any more.", f"pratique principal show {row.name}",
                )  # fmt: skip
            elif held.expires_at is not None and held.expires_at <= soon:
                days = max(0, (held.expires_at - facts.now) // DAY)
                yield Review(
                    "credential-ends", row.id, row.name, held.id,
                    f"The {name} of {row.name} ends in {days} days", Severity.MEDIUM,
                    "Make a new secret; the old one works until it ends.",
                    f"pratique principal rotate {row.name} --overlap 7d --expires 90d",
                )  # fmt: skip


def _administrators(facts: _Facts) -> Iterator[Review]:
    standing = [
        given
        for given in facts.assignments
        if given.effect == "allow"
        and given.expires_at is None
        and not given.scope.segments
        and _DELEGATE in facts.permitted.get(given.role_id, ())
        and facts.principals[given.principal_id].state == "active"
    ]
    people = {
        holder
        for given in standing
        for holder in facts.holders(given)
        if holder in facts.principals and facts.principals[holder].kind == "user"
    }
    for given in standing:
        row = facts.principals[given.principal_id]
        if row.kind == "user" and len(people) <= STANDING_OWNERS:
            continue
        role = facts.role_names[given.role_id]
        title = f"{row.name} is {role} of everything all the time"
        if row.kind in ("user", "group"):
            yield Review(
                "standing-administrator", row.id, row.name, given.id, title, Severity.HIGH,
                f"Let {row.name} take on {role} for 4 hours at a time instead.",
                f"pratique assignment offer {row.name} --role {role} --scope / --longest 4h",
            )  # fmt: skip
        else:
            yield Review(
                "standing-administrator", row.id, row.name, given.id, title, Severity.HIGH,
                f"Take {role} away; give {row.name} only what it does.", f"pratique assignment delete {given.id}",
            )  # fmt: skip


def _needless_secrets(facts: _Facts) -> Iterator[Review]:
    for principal_id in sorted(facts.federated):
        row = facts.principals[principal_id]
        secrets = [held for held in facts.credentials[principal_id] if held.kind == "client-secret"]
        for held in secrets:
            yield Review(
                "secret-beside-federation", row.id, row.name, held.id,
                f"{row.name} has a secret, and needs none: it proves itself by federation", Severity.MEDIUM,
                "Revoke the secret, and every token that came from it.", f"pratique principal show {row.name}",
            )  # fmt: skip


def _disabled(facts: _Facts) -> Iterator[Review]:
    held: defaultdict[str, list[Assignment]] = defaultdict(list)
    for given in facts.assignments:
        if given.effect == "allow":
            held[given.principal_id].append(given)
    for principal_id, several in held.items():
        row = facts.principals[principal_id]
        if row.state == "disabled":
            yield Review(
                "disabled-with-roles", row.id, row.name, row.id,
                f"{row.name} is disabled and would have {len(several)} roles at once if enabled", Severity.LOW,
                "Take its roles away.", f"pratique assignment list --principal {row.name}",
            )  # fmt: skip


_RULES = (
    _unused_principals, _unused_roles, _credentials, _administrators, _needless_secrets, _disabled,
)  # fmt: skip


def texts(found: Iterable[Review]) -> list[dict[str, str]]:
    """Return reviews as JSON has them."""
    return [
        {
            "id": one.key, "rule": one.rule, "principal": one.principal, "severity": one.severity.value,
            "title": one.title, "fix": one.fix, "command": one.command,
        }
        for one in found
    ]  # fmt: skip
