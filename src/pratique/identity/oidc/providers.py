"""Providers: added, changed and removed by administrators; what their groups mean; who of them is whom here.

Whoever says that a provider's group is a group here lets the provider hand out that group, and so holds what it holds.
Whoever says that a person of a provider is a principal lets that person act as it. A provider's issuer is never
changed: it would turn every person of one into one of another.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.errors import Conflict, Invalid
from pratique.core.outward import OutwardClient
from pratique.core.permissions import Caller, Permission, Scope
from pratique.identity.access_tables import group_members
from pratique.identity.errors import NameTaken, ProviderNotFound
from pratique.identity.ground import Ground
from pratique.identity.oidc.tables import external_identities, provider_groups, providers
from pratique.identity.oidc.types import Link, NewProvider, Provider
from pratique.identity.principals import PrincipalService
from pratique.identity.rights_reading import all_that_is_given
from pratique.identity.types import Principal

_ID = re.compile(r"[a-z][a-z0-9-]{0,30}[a-z0-9]")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_SCOPE = re.compile(r"[A-Za-z0-9:/._-]{1,100}")
_MAX_PROVIDERS = 20
_MAX_ENTRIES = 200
_MAX_TEXT = 255


class Providers:
    """Use cases on providers; each write is audited in its own transaction."""

    def __init__(self, ground: Ground, service: PrincipalService, outward: OutwardClient) -> None:
        self._authorizer = ground.authorizer
        self._growth = ground.growth
        self._audit = ground.audit
        self._sealed = ground.sealed
        self._memory = ground.memory
        self._principals = service
        self._outward = outward

    def add(self, tx: Transaction, caller: Caller, wanted: NewProvider) -> Provider:
        """Add a provider; nobody can come from it before somebody was allowed to."""
        self._require_write(caller)
        wanted = self._checked(wanted)
        if tx.execute(sa.select(providers.c.id).where(providers.c.id == wanted.id)).first() is not None:
            raise NameTaken(f"There is a provider {wanted.id} already.", remedy="Choose another short name.")
        if tx.execute(sa.select(sa.func.count()).select_from(providers)).scalar_one() >= _MAX_PROVIDERS:
            raise Conflict(f"There are {_MAX_PROVIDERS} providers.", remedy="Remove one first.")
        tx.execute(
            sa.insert(providers).values(
                id=wanted.id,
                issuer=wanted.issuer,
                enabled=True,
                created_at=tx.now,
                created_by=caller.principal_id,
                **self._values(wanted),
            )
        )
        detail = {"issuer": wanted.issuer, "domains": wanted.allowed_domains, "groups": wanted.allowed_groups}
        self._audit.with_change(tx, "identity.provider.create", caller, wanted.id, detail)
        return self.get(tx, wanted.id)

    def change(self, tx: Transaction, caller: Caller, provider: Provider, wanted: NewProvider) -> Provider:
        """Change a provider; id and issuer stay, and so does the secret where none is given."""
        self._require_write(caller)
        wanted = self._checked(replace(wanted, id=provider.id, issuer=provider.issuer))
        values = self._values(wanted)
        if not wanted.client_secret:
            values.pop("client_secret")
        tx.execute(sa.update(providers).where(providers.c.id == provider.id).values(**values))
        detail = {"domains": wanted.allowed_domains, "groups": wanted.allowed_groups}
        self._audit.with_change(tx, "identity.provider.change", caller, provider.id, detail)
        return self.get(tx, provider.id)

    def set_enabled(self, tx: Transaction, caller: Caller, provider: Provider, *, enabled: bool) -> None:
        """Let people come from a provider, or let nobody; sessions that were begun stay."""
        self._require_write(caller)
        tx.execute(sa.update(providers).where(providers.c.id == provider.id).values(enabled=enabled))
        verb = "enable" if enabled else "disable"
        self._audit.with_change(tx, f"identity.provider.{verb}", caller, provider.id)

    def delete(self, tx: Transaction, caller: Caller, provider: Provider) -> None:
        """Remove a provider, and who is whom; the people stay as principals without that way to sign in."""
        self._require_write(caller)
        tx.execute(sa.delete(group_members).where(group_members.c.source == provider.id))
        tx.execute(sa.delete(providers).where(providers.c.id == provider.id))
        self._memory.changed(tx)
        self._audit.with_change(tx, "identity.provider.delete", caller, provider.id)

    def get(self, tx: Transaction, provider_id: str) -> Provider:
        """Return a provider by its short name, or raise ProviderNotFound."""
        row = tx.execute(sa.select(providers).where(providers.c.id == provider_id[:64].lower())).one_or_none()
        if row is None:
            raise ProviderNotFound("There is no such provider.", remedy="See pratique person provider list.")
        return provider_of(row)

    def list(self, tx: Transaction) -> Sequence[Provider]:
        """Return all providers by short name."""
        return [provider_of(row) for row in tx.execute(sa.select(providers).order_by(providers.c.id)).all()]

    def secret(self, tx: Transaction, provider: Provider) -> str:
        """Return the client's secret at the provider, '' for a public client; for the exchange of a code alone."""
        sealed = tx.execute(sa.select(providers.c.client_secret).where(providers.c.id == provider.id)).scalar_one()
        return self._sealed.open("sign_in_providers", provider.id, "client_secret", sealed).decode() if sealed else ""

    def map_group(self, tx: Transaction, caller: Caller, provider: Provider, value: str, group: Principal) -> None:
        """Let a value of the provider's group claim mean a group here, from the next sign-in on."""
        self._require_write(caller)
        self._growth.require_all(caller, all_that_is_given(tx, group.id), what=group.name)
        if not 1 <= len(value) <= _MAX_TEXT:
            raise Invalid("The group of the provider has no name, or one too long.")
        insert = tx.insert(provider_groups).values(provider_id=provider.id, value=value, group_id=group.id)
        tx.execute(insert.on_conflict_do_nothing())
        detail = {"value": value, "group": group.name}
        self._audit.with_change(tx, "identity.provider.map-group", caller, provider.id, detail)

    def unmap_group(self, tx: Transaction, caller: Caller, provider: Provider, value: str, group: Principal) -> None:
        """Let a value mean that group no more, from the next sign-in on."""
        self._require_write(caller)
        tx.execute(
            sa.delete(provider_groups).where(
                provider_groups.c.provider_id == provider.id,
                provider_groups.c.value == value,
                provider_groups.c.group_id == group.id,
            )
        )
        detail = {"value": value, "group": group.name}
        self._audit.with_change(tx, "identity.provider.unmap-group", caller, provider.id, detail)

    def mapped(self, tx: Transaction, provider_id: str) -> Sequence[tuple[str, str]]:
        """Return what values of the group claim mean: (value, id of the group)."""
        statement = sa.select(provider_groups).where(provider_groups.c.provider_id == provider_id)
        rows = tx.execute(statement.order_by(provider_groups.c.value)).all()
        return [(row.value, row.group_id) for row in rows]

    def link(self, tx: Transaction, caller: Caller, provider: Provider, subject: str, principal: Principal) -> None:
        """Say that a person of a provider, by their lasting name there, is a person here."""
        self._require_write(caller)
        if principal.kind != "user":
            raise Invalid(f"{principal.name} is no person.", remedy="Clients use federated credentials.")
        self._principals.require_no_more_than_own(tx, caller, principal)
        if not 1 <= len(subject) <= _MAX_TEXT:
            raise Invalid("The subject is empty or too long.")
        insert = tx.insert(external_identities).values(
            provider_id=provider.id,
            subject=subject,
            principal_id=principal.id,
            email="",
            linked=True,
            created_at=tx.now,
        )
        made = tx.execute(insert.on_conflict_do_nothing().returning(external_identities.c.subject)).one_or_none()
        if made is None:
            raise Conflict("That person is linked already.", remedy="Unlink them first.")
        self._audit.with_change(tx, "identity.provider.link", caller, principal.id, {"provider": provider.id})

    def unlink(self, tx: Transaction, caller: Caller, provider: Provider, principal: Principal) -> None:
        """Take from a person the way in through a provider, and the groups that it said."""
        self._require_write(caller)
        tx.execute(
            sa.delete(external_identities).where(
                external_identities.c.provider_id == provider.id, external_identities.c.principal_id == principal.id
            )
        )
        own = group_members.c.principal_id == principal.id, group_members.c.source == provider.id
        tx.execute(sa.delete(group_members).where(*own))
        self._memory.changed(tx)
        self._audit.with_change(tx, "identity.provider.unlink", caller, principal.id, {"provider": provider.id})

    def links(self, tx: Transaction, principal: Principal) -> Sequence[Link]:
        """Return through which providers a person comes."""
        statement = sa.select(external_identities).where(external_identities.c.principal_id == principal.id)
        return [Link(**row._mapping) for row in tx.execute(statement).all()]  # noqa: SLF001  SQLAlchemy's public name

    def _require_write(self, caller: Caller) -> None:
        self._authorizer.require(caller, Permission.IDENTITY_PROVIDERS_WRITE, Scope.root())

    def _checked(self, wanted: NewProvider) -> NewProvider:
        if not _ID.fullmatch(wanted.id) or wanted.id == "direct":
            raise Invalid("A provider's short name is a word of a-z, 0-9 and -.", remedy="Write for instance: corp")
        self._outward.rules.check_url(wanted.issuer)
        if "?" in wanted.issuer or "#" in wanted.issuer:
            raise Invalid("An issuer has no query.", remedy="Copy it from the provider's configuration.")
        if not 1 <= len(wanted.client_id) <= _MAX_TEXT or not wanted.client_id.isprintable():
            raise Invalid("The client id is missing.", remedy="The provider gives it when this server is registered.")
        domains = tuple(dict.fromkeys(domain.strip().lower().lstrip("@") for domain in wanted.allowed_domains))
        scopes = tuple(dict.fromkeys(("openid", *wanted.scopes)))
        lists = (domains, scopes, wanted.allowed_groups)
        if any(len(entries) > _MAX_ENTRIES for entries in lists) or not all(map(_SCOPE.fullmatch, scopes)):
            raise Invalid("A list is too long, or a scope is none.")
        if not all(domain.isascii() and _DOMAIN.fullmatch(domain) and "." in domain for domain in domains):
            raise Invalid("A domain is written like corp.example.", remedy="Not *.corp.example: list each.")
        title = " ".join(wanted.title.split())[:60] or wanted.id
        return replace(wanted, title=title, allowed_domains=domains, scopes=scopes)

    def _values(self, wanted: NewProvider) -> dict[str, Any]:
        secret = wanted.client_secret.encode()
        return {
            "title": wanted.title,
            "client_id": wanted.client_id,
            "client_secret": self._sealed.seal("sign_in_providers", wanted.id, "client_secret", secret)
            if secret
            else None,
            "scopes": list(wanted.scopes),
            "group_claim": wanted.group_claim[:_MAX_TEXT],
            "allowed_domains": list(wanted.allowed_domains),
            "allowed_groups": list(wanted.allowed_groups),
        }


def provider_of(row: Any) -> Provider:
    """Read a provider from its row, without its secret."""
    return Provider(
        id=row.id,
        title=row.title,
        issuer=row.issuer,
        client_id=row.client_id,
        has_secret=row.client_secret is not None,
        scopes=tuple(row.scopes),
        group_claim=row.group_claim,
        allowed_domains=tuple(row.allowed_domains),
        allowed_groups=tuple(row.allowed_groups),
        enabled=row.enabled,
        created_at=row.created_at,
        created_by=row.created_by,
    )
