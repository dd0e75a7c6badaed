"""Programs with which people sign in: public clients, that prove nothing of themselves and are shown by name.

The list is closed. A stranger's program cannot make up a name that a person would then be asked to trust.
"""

from collections.abc import Mapping

from pratique.identity.oauth.errors import ClientNotPublic

OWN = "pratique"

_PUBLIC: Mapping[str, str] = {
    OWN: "pratique on the command line",
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "a program with Azure's developer sign-in (azure-identity, az)",
    "1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
    "872cd9fa-d31f-45e0-9eab-6e460a02d1f1": "Visual Studio",
    "aebc6443-996d-45c2-90f0-388ff96faa56": "Visual Studio Code",
}


def name_of(client_id: str) -> str:
    """What a person is told of a client, or raise ClientNotPublic."""
    name = _PUBLIC.get(client_id)
    if name is None:
        raise ClientNotPublic(
            f"{client_id[:80]!r} is not a program with which people sign in here.",
            remedy=f"Use the client id {OWN}, or leave the one that azure-identity sends.",
        )
    return name
