"""Trust policy and trust store of the Notary Project (trust-store-trust-policy specification, version 1.0). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from pratique.core.errors import Invalid

MAX_STATEMENTS = 1000


class Level(StrEnum):
    """How strictly each check is taken."""

    STRICT = "strict"
    PERMISSIVE = "permissive"
    AUDIT = "audit"
    SKIP = "skip"


class Check(StrEnum):
    """What verification looks at."""

    INTEGRITY = "integrity"
    AUTHENTICITY = "authenticity"
    AUTHENTIC_TIMESTAMP = "authenticTimestamp"
    EXPIRY = "expiry"
    REVOCATION = "revocation"


class Action(StrEnum):
    """What a check that fails does."""

    ENFORCE = "enforce"
    LOG = "log"
    SKIP = "skip"


_E, _L, _S = Action.ENFORCE, Action.LOG, Action.SKIP
_ACTIONS: dict[Level, dict[Check, Action]] = {
    Level.STRICT: dict.fromkeys(Check, _E),
    Level.PERMISSIVE: {**dict.fromkeys(Check, _L), Check.INTEGRITY: _E, Check.AUTHENTICITY: _E},
    Level.AUDIT: {**dict.fromkeys(Check, _L), Check.INTEGRITY: _E},
    Level.SKIP: dict.fromkeys(Check, _S),
}
_STORES = {"ca", "signingAuthority", "tsa"}
_MANDATORY = ("C", "ST", "O")
_SHORT = {
    "C": NameOID.COUNTRY_NAME, "ST": NameOID.STATE_OR_PROVINCE_NAME, "S": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME, "STREET": NameOID.STREET_ADDRESS, "UID": NameOID.USER_ID,
    "DC": NameOID.DOMAIN_COMPONENT,
}  # fmt: skip


@dataclass(frozen=True)
class TrustStore:
    """Certificates by kind and name of store, as the folders x509/{ca,signingAuthority,tsa}/NAME hold them."""

    stores: Mapping[str, tuple[x509.Certificate, ...]] = field(default_factory=dict)
    """Keyed `ca:NAME`, `signingAuthority:NAME`, `tsa:NAME`."""

    def certificates(self, names: tuple[str, ...], kind: str) -> tuple[x509.Certificate, ...]:
        """Return the certificates of the named stores of a kind."""
        return tuple(one for name in names if name.startswith(f"{kind}:") for one in self.stores.get(name, ()))


@dataclass(frozen=True)
class TrustPolicy:
    """One statement of a trust policy, with the certificates that its stores hold."""

    name: str
    scopes: tuple[str, ...]
    actions: Mapping[Check, Action]
    level: Level
    store_names: tuple[str, ...]
    identities: tuple[Mapping[x509.ObjectIdentifier, str], ...]
    """Attributes that the subject of the signing certificate must have; empty: any."""
    store: TrustStore
    after_expiry_alone: bool = True
    """True where time stamps are asked for once certificates have ended (`verifyTimestamp: afterCertExpiry`)."""

    def covers(self, repository: str) -> bool:
        """True if the statement is for this repository (host and path)."""
        return "*" in self.scopes or repository in self.scopes

    def names(self, subject: x509.Name) -> bool:
        """True if the subject is one of the trusted identities: it has each attribute that one of them lists."""
        if not self.identities:
            return True
        found = {attribute.oid: str(attribute.value) for attribute in subject}
        return any(all(found.get(oid) == value for oid, value in one.items()) for one in self.identities)


def read_policy(document: Mapping[str, Any], store: TrustStore) -> tuple[TrustPolicy, ...]:
    """Return the statements; raises Invalid for what the specification forbids."""
    if document.get("version") != "1.0":
        raise _wrong("the version is not 1.0")
    values = document.get("trustPolicies")
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_STATEMENTS:
        raise _wrong("it holds no statements")
    statements = tuple(_statement(value, store) for value in values)
    names = [one.name for one in statements]
    scopes = [scope for one in statements for scope in one.scopes]
    if len(set(names)) != len(names) or len(set(scopes)) != len(scopes):
        raise _wrong("a name or a scope stands in two statements")
    return statements


def statement_for(statements: tuple[TrustPolicy, ...], repository: str) -> TrustPolicy | None:
    """Return the statement that names the repository, else the one for all others, else None."""
    exact = [one for one in statements if repository in one.scopes]
    return next(iter(exact or [one for one in statements if "*" in one.scopes]), None)


def _statement(value: Any, store: TrustStore) -> TrustPolicy:
    if not isinstance(value, dict):
        raise _wrong("a statement is no object")
    name, verification = value.get("name"), value.get("signatureVerification")
    if not isinstance(name, str) or not name or not isinstance(verification, dict):
        raise _wrong("a statement lacks its name or its signatureVerification")
    level = _level(verification.get("level"))
    scopes = _texts(value, "registryScopes")
    if not scopes or ("*" in scopes and len(scopes) > 1) or any(_wild(scope) for scope in scopes):
        raise _wrong(f"the scopes of {name!r} are neither '*' alone nor whole repositories")
    stores = _texts(value, "trustStores")
    identities = _texts(value, "trustedIdentities")
    if level is not Level.SKIP and not (stores and identities):
        raise _wrong(f"{name!r} names no trust stores or no trusted identities")
    if any(store_name.partition(":")[0] not in _STORES for store_name in stores):
        raise _wrong(f"{name!r} names a trust store of an unknown kind")
    when = verification.get("verifyTimestamp", "always")
    if when not in {"always", "afterCertExpiry"}:
        raise _wrong("verifyTimestamp is neither always nor afterCertExpiry")
    return TrustPolicy(
        name=name,
        scopes=scopes,
        actions=_actions(level, verification.get("override")),
        level=level,
        store_names=stores,
        identities=() if identities == ("*",) else tuple(_identity(one, identities) for one in identities),
        store=store,
        after_expiry_alone=when == "afterCertExpiry",
    )


def _wild(scope: str) -> bool:
    return scope != "*" and ("*" in scope or "/" not in scope or ":" in scope.rpartition("/")[2])


def _level(value: Any) -> Level:
    try:
        return Level(str(value))
    except ValueError:
        raise _wrong("the level is none of strict, permissive, audit and skip") from None


def _actions(level: Level, override: Any) -> Mapping[Check, Action]:
    actions = dict(_ACTIONS[level])
    if override is None:
        return actions
    if not isinstance(override, dict) or level is Level.SKIP:
        raise _wrong("override is no object, or stands beside skip")
    for name, wanted in override.items():
        try:
            check, action = Check(name), Action(str(wanted))
        except ValueError:
            raise _wrong(f"override names the unknown check or action {name!r}: {wanted!r}"[:120]) from None
        if check is Check.INTEGRITY or (check is Check.AUTHENTICITY and action is Action.SKIP):
            raise _wrong(f"{name} cannot be overridden like that")
        actions[check] = action
    return actions


def _identity(text: str, all_of_them: tuple[str, ...]) -> Mapping[x509.ObjectIdentifier, str]:
    """Attributes of `x509.subject: C=US, ST=WA, O=acme`; the specification asks for C, ST and O."""
    kind, _, subject = text.partition(":")
    if kind.strip() != "x509.subject" or not subject.strip() or "*" in all_of_them:
        raise _wrong("a trusted identity is neither '*' alone nor x509.subject: …")
    try:
        name = x509.Name.from_rfc4514_string(",".join(_parts(subject)), _NAMES)
    except ValueError:
        raise _wrong(f"the subject {subject.strip()[:80]!r} cannot be read") from None
    found = {attribute.oid: str(attribute.value) for attribute in name}
    if len(found) != len(list(name)) or not all(_SHORT[short] in found for short in _MANDATORY):
        raise _wrong(f"the subject {subject.strip()[:80]!r} lacks C, ST or O, or has one twice")
    return found


_NAMES = dict(_SHORT)


def _parts(subject: str) -> list[str]:
    """Split at commas that are not escaped, without the blanks that people write behind them."""
    parts, current, escaped = [], "", False
    for character in subject:
        if character == "," and not escaped:
            parts.append(current.strip())
            current = ""
            continue
        escaped = character == "\\" and not escaped
        current += character
    return [*parts, current.strip()]


def _texts(value: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = value.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        raise _wrong(f"{key} is no list of texts")
    return tuple(found)


def _wrong(what: str) -> Invalid:
    return Invalid(f"The trust policy cannot be used: {what}.", remedy="Compare it with the Notary Project's examples.")
