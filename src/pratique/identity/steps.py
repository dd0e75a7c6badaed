"""Tickets that carry somebody from one step of a sign-in to the next; each is used up once, by one request."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from pratique.core.clock import MINUTE
from pratique.core.database import Transaction
from pratique.core.ids import new_id
from pratique.core.sealed import SealedColumns
from pratique.identity.errors import LinkGone
from pratique.identity.tables import principals, sign_in_steps

LIFE = 15 * MINUTE
StepKind = Literal["enrol", "code"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to go on with a sign-in; `value` is known only to the browser that is in the middle of it."""

    value: str
    name: str
    expires_at: int

    def __repr__(self) -> str:
        return f"Ticket(name={self.name!r})"


@dataclass(frozen=True, slots=True)
class Step:
    """A ticket's row: whose it is, and what the next step needs."""

    id: str
    principal_id: str
    name: str
    state: dict[str, Any]

    def __repr__(self) -> str:
        return f"Step(name={self.name!r})"


class Steps:
    """Keeps what must be remembered between two steps, sealed, for a quarter of an hour."""

    def __init__(self, sealed: SealedColumns) -> None:
        self._sealed = sealed

    def begin(self, tx: Transaction, kind: StepKind, principal_id: str, name: str, state: dict[str, Any]) -> Ticket:
        """Begin a step for a principal who has proved something already."""
        value, step_id = secrets.token_urlsafe(32), new_id()
        tx.execute(sa.delete(sign_in_steps).where(sign_in_steps.c.expires_at <= tx.now))
        tx.execute(
            sa.insert(sign_in_steps).values(
                id=step_id,
                principal_id=principal_id,
                proof=_proof(kind, value),
                kind=kind,
                state=self._seal(step_id, state),
                expires_at=tx.now + LIFE,
            )
        )
        return Ticket(value, name, tx.now + LIFE)

    def look(self, tx: Transaction, kind: StepKind, value: str) -> Step:
        """Return the step of a ticket without using it up, or raise LinkGone."""
        row = tx.execute(
            sa.select(sign_in_steps, principals.c.name, principals.c.state.label("principal_state"))
            .join(principals, principals.c.id == sign_in_steps.c.principal_id)
            .where(sign_in_steps.c.proof == _proof(kind, value), sign_in_steps.c.expires_at > tx.now)
        ).one_or_none()
        if row is None or row.principal_state != "active":
            raise _gone()
        state = msgspec.json.decode(self._sealed.open("sign_in_steps", row.id, "state", row.state))
        return Step(row.id, row.principal_id, row.name, state)

    def keep(self, tx: Transaction, step: Step, **more: Any) -> None:
        """Remember more for the next step."""
        state = self._seal(step.id, {**step.state, **more})
        tx.execute(sa.update(sign_in_steps).where(sign_in_steps.c.id == step.id).values(state=state))

    def use_up(self, tx: Transaction, step: Step) -> None:
        """End the step, or raise LinkGone when another request was quicker."""
        done = tx.execute(sa.delete(sign_in_steps).where(sign_in_steps.c.id == step.id))
        if not done.rowcount:
            raise _gone()

    def _seal(self, step_id: str, state: dict[str, Any]) -> bytes:
        return self._sealed.seal("sign_in_steps", step_id, "state", msgspec.json.encode(state))


def _proof(kind: str, value: str) -> bytes:
    return hashlib.sha256(f"{kind}:{value[:128]}".encode()).digest()


def _gone() -> LinkGone:
    return LinkGone("This sign-in was finished or has ended.", remedy="Begin again.")
