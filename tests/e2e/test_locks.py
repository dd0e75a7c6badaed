"""Locks, marks and deletion by the command line, against a running installation and its default policy."""

import base64
import json
import ssl

import httpx2

from tests.e2e.conftest import Installation
from tests.registry.clients import Client, error_of
from tests.registry.images import image

NAME = "locks/app"


def signed_in(installation: Installation, account: str, repository: str = NAME) -> Client:
    """A client with a token for a repository, as docker gets one."""
    trusting = ssl.create_default_context(cafile=str(installation.clients / "certs" / "ca.crt"))
    base = f"https://{installation.host}"
    query = {"service": installation.host, "scope": f"repository:{repository}:pull,push"}
    basic = {"authorization": f"Basic {base64.b64encode(account.encode()).decode()}"}
    answer = httpx2.get(f"{base}/oauth2/token", params=query, headers=basic, verify=trusting)
    return Client(base, answer.json()["token"], verify=trusting)


def test_lock_mark_and_delete(installation: Installation) -> None:
    account = installation.account("locks-pusher", "AcrPush", "/registry/locks")
    first, second = image(b"first"), image(b"second")
    with signed_in(installation, account) as client:
        client.push(NAME, first, "v1")
        installation.ok("registry", "lock", f"{NAME}:v1")
        for content in second.blobs.values():
            client.push_blob(NAME, content)
        refused = error_of(client.put_manifest(NAME, second, "v1"))
        assert refused[:2] == (405, "UNSUPPORTED")
        assert "the tag v1 is locked for writing" in refused[2]
    kept = installation.run("registry", "delete", NAME, "--yes")
    assert kept.returncode != 0
    assert "locked" in kept.stderr
    shown = json.loads(installation.ok("registry", "attributes", f"{NAME}:v1", "-o", "json"))
    assert (shown["delete_enabled"], shown["write_enabled"], shown["read_enabled"]) == (False, False, True)

    at = f"{NAME}@{first.digest}"
    marked = json.loads(installation.ok("registry", "mark", at, "Failed", "--details", "no", "-o", "json"))
    assert marked["quarantine"]["state"] == "Failed"
    gate = json.loads(installation.ok("registry", "show", at, "-o", "json"))["gate"]
    assert gate["state"] == "refused"
    assert "a scanner has failed this artifact" in gate["reason"]["summary"]

    installation.ok("registry", "unlock", f"{NAME}:v1")
    gone = json.loads(installation.ok("registry", "delete", NAME, "--yes", "-o", "json"))
    assert gone == {"manifests": [first.digest], "tags": ["v1"]}
    assert installation.run("registry", "show", NAME).returncode != 0
