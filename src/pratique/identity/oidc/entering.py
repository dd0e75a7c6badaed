"""Who may come in through a provider, and as whom.

A person is known by the provider and its lasting name for them, never by an address or a name that could be another's:
whoever comes first becomes somebody new, without rights, and no existing account can be reached by its name. People
who were linked may always come; others need an address in an allowed domain that the provider has verified, or an
allowed group. The provider's groups become groups here, exactly those that were mapped, anew at each sign-in.
"""

import hashlib

import sqlalchemy as sa

from pratique.core.clock import HOUR
from pratique.core.database import Transaction
from pratique.core.errors import Invalid
from pratique.core.ids import new_id
from pratique.core.permissions import SYSTEM
from pratique.identity.errors import NameTaken, SignInRefused
from pratique.identity.ground import Ground
from pratique.identity.groups import GroupService
from pratique.identity.oidc.flow import Returned
from pratique.identity.oidc.providers import Providers
from pratique.identity.oidc.tables import external_identities
from pratique.identity.oidc.types import Person, Provider
from pratique.identity.principals import PrincipalService
from pratique.identity.sessions import SessionService
from pratique.identity.tables import sign_in_steps
from pratique.identity.types import NewSession, Principal, PrincipalName

METHOD = "oidc/"


class Entering:
    """Turns somebody who came back from a provider into a session."""

    def __init__(
        self,
        ground: Ground,
        sessions: SessionService,
        *,
        principals: PrincipalService,
        groups: GroupService,
        providers: Providers,
    ) -> None:
        self._ground = ground
        self._sessions = sessions
        self._principals = principals
        self._groups = groups
        self._providers = providers

    def enter(self, tx: Transaction, returned: Returned, *, address: str, agent: str) -> NewSession:
        """Begin a session, or raise SignInRefused; an answer of the provider begins one session and no second."""
        provider, person = self._providers.get(tx, returned.provider.id), returned.person
        principal = self._known(tx, provider, person)
        if principal is None:
            self._require_may_enter(provider, person)
            principal = self._welcome(tx, provider, person)
        if principal.state != "active":
            raise SignInRefused("This account is disabled.", remedy="Ask an administrator.")
        _use_once(tx, principal.id, returned.state)
        wanted = {group for value, group in self._providers.mapped(tx, provider.id) if value in person.groups}
        self._groups.follow(tx, principal, provider.id, wanted)
        return self._sessions.begin(tx, principal.id, method=METHOD + provider.id, address=address, agent=agent)

    def _known(self, tx: Transaction, provider: Provider, person: Person) -> Principal | None:
        own = (
            external_identities.c.provider_id == provider.id,
            external_identities.c.subject == person.subject,
        )
        held = tx.execute(sa.select(external_identities).where(*own)).one_or_none()
        if held is None:
            return None
        if not held.linked:
            self._require_may_enter(provider, person)
        tx.execute(sa.update(external_identities).where(*own).values(seen_at=tx.now, email=person.email or held.email))
        return self._principals.get(tx, held.principal_id)

    def _require_may_enter(self, provider: Provider, person: Person) -> None:
        domain = person.email.rpartition("@")[2]
        if domain and domain in provider.allowed_domains:
            return
        if set(person.groups) & set(provider.allowed_groups):
            return
        self._ground.audit.count("identity.provider.refuse", SYSTEM, provider.id)
        raise SignInRefused(
            f"{provider.title} knows you, but you may not come in here.",
            remedy="Ask an administrator to allow your domain or group, or to link your account.",
        )

    def _welcome(self, tx: Transaction, provider: Provider, person: Person) -> Principal:
        principal = self._created(tx, provider, person)
        tx.execute(
            sa.insert(external_identities).values(
                provider_id=provider.id,
                subject=person.subject,
                principal_id=principal.id,
                email=person.email,
                linked=False,
                created_at=tx.now,
                seen_at=tx.now,
            )
        )
        return principal

    def _created(self, tx: Transaction, provider: Provider, person: Person) -> Principal:
        """Make a person under their verified address; where that is none or taken, under a name of the provider's."""
        digest = hashlib.sha256(person.subject.encode()).hexdigest()[:16]
        for text in (person.email, f"{provider.id}-{digest}"):
            try:
                return self._principals.create(tx, SYSTEM, PrincipalName.parse(text), "user", person.name)
            except (Invalid, NameTaken):
                continue
        raise SignInRefused("No name is free for this account.", remedy="Ask an administrator.")


def _use_once(tx: Transaction, principal_id: str, state: str) -> None:
    insert = tx.insert(sign_in_steps).values(
        id=new_id(),
        principal_id=principal_id,
        proof=hashlib.sha256(b"oidc:" + state.encode()).digest(),
        kind="used",
        state=b"",
        expires_at=tx.now + HOUR,
    )
    insert = insert.on_conflict_do_nothing(index_elements=[sign_in_steps.c.proof])
    if tx.execute(insert.returning(sign_in_steps.c.id)).one_or_none() is None:
        raise SignInRefused("That answer was used already.", remedy="Begin again.")
