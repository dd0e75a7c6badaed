"""Who may do what with which key: the one table that the key process enforces and the docs show."""

from enum import StrEnum

from pratique.core.keys.types import KEYED_HASH, SIGNING, Purpose, Role


class Operation(StrEnum):
    """Everything that the key process can be asked."""

    AUTHORITY = "authority"
    DISCARD = "discard"
    HMAC = "hmac"
    INSTALLATION = "installation"
    ISSUE_CERTIFICATE = "issue-certificate"
    OPERATOR_TOKEN = "operator-token"  # noqa: S105 - the name of an operation
    PUBLIC_KEYS = "public-keys"
    RENEW_AUTHORITY = "renew-authority"
    ROTATE = "rotate"
    SIGN = "sign"
    SIGN_APPROVAL = "sign-approval"
    UNWRAP = "unwrap"


Grant = tuple[Operation, Purpose | None]

_EVERYONE: frozenset[Grant] = frozenset(
    {
        (Operation.INSTALLATION, None),
        (Operation.AUTHORITY, Purpose.CA),
        *((Operation.PUBLIC_KEYS, purpose) for purpose in SIGNING),
    }
)

GRANTS: dict[Role, frozenset[Grant]] = {
    Role.ADMIN: _EVERYONE
    | {
        (Operation.ISSUE_CERTIFICATE, Purpose.CA),
        (Operation.RENEW_AUTHORITY, Purpose.CA),
        (Operation.OPERATOR_TOKEN, Purpose.TOKEN),
        (Operation.SIGN, Purpose.AUDIT),
        (Operation.SIGN, Purpose.BUNDLE),
        (Operation.ROTATE, Purpose.BLOBS),
        (Operation.DISCARD, Purpose.TOKEN),
        *((Operation.ROTATE, purpose) for purpose in SIGNING),
    },
    Role.API: _EVERYONE
    | {
        (Operation.SIGN, Purpose.AUDIT),
        (Operation.SIGN, Purpose.BUNDLE),
        (Operation.SIGN, Purpose.TOKEN),
        (Operation.UNWRAP, Purpose.BLOBS),
        (Operation.UNWRAP, Purpose.RECORDS),
        *((Operation.HMAC, purpose) for purpose in KEYED_HASH),
    },
    Role.WORKER: _EVERYONE
    | {
        (Operation.SIGN, Purpose.AUDIT),
        (Operation.SIGN, Purpose.BUNDLE),
        (Operation.SIGN, Purpose.WEBHOOK),
        (Operation.SIGN_APPROVAL, Purpose.APPROVAL),
        (Operation.UNWRAP, Purpose.BLOBS),
        (Operation.UNWRAP, Purpose.RECORDS),
        (Operation.HMAC, Purpose.FINGERPRINT),
    },
}


def table() -> str:
    """Return the grants as the Markdown table of docs/reference/keys.md."""
    rows = sorted(
        {(str(operation), str(purpose or "-")) for grants in GRANTS.values() for operation, purpose in grants}
    )
    lines = ["| operation | purpose | " + " | ".join(Role) + " |", "|---|---|" + "---|" * len(Role)]
    for operation, purpose in rows:
        held = Operation(operation), None if purpose == "-" else Purpose(purpose)
        marks = " | ".join("yes" if held in GRANTS[role] else "" for role in Role)
        lines.append(f"| {operation} | {purpose} | {marks} |")
    return "\n".join(lines) + "\n"
