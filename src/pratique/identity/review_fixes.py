"""Quick fixes of access reviews: each is a use case that exists, done by whoever asks and with their rights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from pratique.core.clock import DAY, HOUR, SECOND
from pratique.core.database import Transaction
from pratique.core.errors import NotFound
from pratique.core.events import EventBus
from pratique.core.permissions import Caller, Permission, Scope
from pratique.identity import reviews
from pratique.identity.activation import ActivationService
from pratique.identity.assignments import AssignmentService
from pratique.identity.ground import Ground
from pratique.identity.principals import PrincipalService
from pratique.identity.reviews import Review
from pratique.identity.rights_reading import assignment_of, roles_by_id
from pratique.identity.tables import assignments, credentials
from pratique.identity.types import Principal

_LIFE = 90 * DAY


@dataclass(frozen=True, slots=True)
class Done:
    """What a fix did; a secret that it made is known only now."""

    said: str
    secret: str = field(default="", repr=False)


class Reviews:
    """Lists what is to settle, and settles it."""

    def __init__(
        self,
        ground: Ground,
        *,
        principals: PrincipalService,
        service: AssignmentService,
        activations: ActivationService,
        events: EventBus | None,
    ) -> None:
        self._authorizer = ground.authorizer
        self._settings = ground.settings
        self._audit = ground.audit
        self._memory = ground.memory
        self._principals = principals
        self._assignments = service
        self._activations = activations
        self._events = events
        self._fixes: Mapping[str, Callable[[Transaction, Caller, Review, Principal], Done]] = {
            "unused-principal": self._disable,
            "unused-role": self._take_away,
            "credential-ends": self._renew,
            "credential-without-end": self._let_end,
            "standing-administrator": self._offer,
            "secret-beside-federation": self._revoke,
            "disabled-with-roles": self._strip,
        }

    def list(self, tx: Transaction, caller: Caller) -> list[Review]:
        """Return everything to settle now."""
        self._authorizer.require(caller, Permission.IDENTITY_PRINCIPALS_READ, Scope.root())
        return reviews.find(tx, self._settings)

    def fix(self, tx: Transaction, caller: Caller, key: str) -> Done:
        """Settle one thing as it proposes; raises NotFound when there is nothing left to settle."""
        wanted = next((one for one in self.list(tx, caller) if one.key == key), None)
        if wanted is None:
            raise NotFound("That is settled already.", remedy="See pratique access review.")
        done = self._fixes[wanted.rule](tx, caller, wanted, self._principals.get(tx, wanted.principal_id))
        self._audit.with_change(
            tx, "identity.review.fix", caller, wanted.principal_id, {"rule": wanted.rule, "target": wanted.target}
        )
        reviews.refresh(tx, self._settings, self._events)
        return done

    def _disable(self, tx: Transaction, caller: Caller, review: Review, principal: Principal) -> Done:
        self._require_write(caller)
        self._principals.set_active(tx, caller, principal, active=False)
        return Done(f"{review.principal} is disabled.")

    def _take_away(self, tx: Transaction, caller: Caller, review: Review, _: Principal) -> Done:
        self._assignments.delete(tx, caller, self._assignments.get(tx, review.target))
        return Done("The role is taken away.")

    def _renew(self, tx: Transaction, caller: Caller, review: Review, principal: Principal) -> Done:
        self._require_write(caller)
        row = tx.execute(sa.select(credentials).where(credentials.c.id == review.target)).one()
        if row.expires_at <= tx.now or row.kind != "client-secret":
            if row.expires_at > tx.now:
                return Done("A new certificate is made by its owner; the old one works until it ends.")
            self._principals.revoke_secret(tx, caller, principal, row.id)
            return Done("What has ended is removed.")
        life = max(row.expires_at - row.created_at, DAY) / SECOND
        made = self._principals.add_secret(tx, caller, principal, label=row.label, lifetime=life)
        return Done("A new secret is made; the old one works until it ends.", made.value)

    def _let_end(self, tx: Transaction, caller: Caller, review: Review, principal: Principal) -> Done:
        self._require_write(caller)
        self._principals.require_no_more_than_own(tx, caller, principal)
        ends = tx.now + _LIFE
        tx.execute(sa.update(credentials).where(credentials.c.id == review.target).values(expires_at=ends))
        self._memory.changed(tx)
        return Done("The secret ends in 90 days.")

    def _offer(self, tx: Transaction, caller: Caller, review: Review, principal: Principal) -> Done:
        given = self._assignments.get(tx, review.target)
        role = roles_by_id(tx, [given.role_id])[given.role_id]
        self._assignments.delete(tx, caller, given)
        if principal.kind not in ("user", "group"):
            return Done(f"{role.name} is taken away.")
        self._activations.offer(tx, caller, principal, role, given.scope, longest=4 * HOUR / SECOND)
        return Done(f"{principal.name} may take on {role.name} for 4 hours at a time.")

    def _revoke(self, tx: Transaction, caller: Caller, review: Review, principal: Principal) -> Done:
        self._require_write(caller)
        self._principals.revoke_secret(tx, caller, principal, review.target)
        return Done("The secret is revoked.")

    def _strip(self, tx: Transaction, caller: Caller, _: Review, principal: Principal) -> Done:
        own = sa.select(assignments).where(assignments.c.principal_id == principal.id, assignments.c.effect == "allow")
        for row in tx.execute(own).all():
            self._assignments.delete(tx, caller, assignment_of(row))
        return Done(f"{principal.name} holds no roles any more.")

    def _require_write(self, caller: Caller) -> None:
        self._authorizer.require(caller, Permission.IDENTITY_PRINCIPALS_WRITE, Scope.root())
