"""The instant before which no token of anybody holds: how everything that was issued so far is revoked at once."""

from collections.abc import Callable

import sqlalchemy as sa

from pratique.core.audit import Audit
from pratique.core.clock import SECOND
from pratique.core.database import Transaction
from pratique.core.permissions import Caller
from pratique.identity.oauth.tables import token_floors

_ALL = "all"


def read_floor(tx: Transaction) -> int:
    """Return the instant, 0 if nothing was revoked so far."""
    statement = sa.select(token_floors.c.tokens_from).where(token_floors.c.name == _ALL)
    return int(tx.execute(statement).scalar_one_or_none() or 0)


def raise_floor(
    tx: Transaction, caller: Caller, changed: Callable[[Transaction], None], audit: Audit, *, why: str
) -> int:
    """Refuse every token issued before now, of everybody, and return the instant; sessions in browsers stay."""
    # Tokens count whole seconds; those of the running second are refused too.
    instant = (tx.now // SECOND + 1) * SECOND
    insert = tx.insert(token_floors).values(name=_ALL, tokens_from=instant)
    tx.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"tokens_from": instant}))
    changed(tx)
    audit.with_change(tx, "identity.tokens.revoke-all", caller, "all", {"why": why[:200]})
    return instant
