"""Retention by the command line and the API, against a running installation."""

import json

from tests.e2e.conftest import Installation
from tests.e2e.test_locks import signed_in
from tests.registry.images import image

NAME = "retained/app"


def test_a_rule_is_previewed_run_and_taken_off(installation: Installation) -> None:
    account = installation.account("retention-pusher", "AcrPush", "/registry/retained")
    with signed_in(installation, account, NAME) as client:
        for tag in ("v1.0.0", "v1.1.0", "v1.10.0", "latest"):
            client.push(NAME, image(tag.encode()), tag)
        refused = client.http.get("/api/v1/retention-rules")
        assert refused.status_code in (401, 403, 404), "a registry token is none for this"
    empty = installation.run("registry", "retention", "add", "*", "--prefix", "retained")
    assert empty.returncode != 0
    assert "keep no tag at all" in empty.stderr
    added = installation.ok(
        "registry", "retention", "add", "*", "--prefix", "retained", "--keep-versions", "1", "-o", "json"
    )
    rule = json.loads(added)["id"]
    installation.ok("registry", "retention", "add", "--prefix", "retained", "--untagged-after", "14d")
    listed = json.loads(installation.ok("registry", "retention", "list", "--prefix", "retained", "-o", "json"))
    assert [(one["tags"], one["keep_versions"], one["untagged_after"]) for one in listed] == [
        ("*", 1, None),
        ("", None, 14),
    ]
    said = json.loads(installation.ok("registry", "retention", "preview", rule, "-o", "json"))
    assert {one["tag"]: one["goes"] for one in said} == {
        "v1.0.0": True, "v1.1.0": True, "v1.10.0": False, "latest": False,
    }  # fmt: skip
    done = json.loads(installation.ok("registry", "retention", "run", "--prefix", "retained", "--watch", "-o", "json"))
    assert (done["tags"], done["manifests"], done["requested_by"]) == (2, 2, "local-operator")
    tags = json.loads(installation.ok("registry", "list", NAME, "-o", "json"))
    assert {one["name"] for one in tags} == {"v1.10.0", "latest"}
    binned = json.loads(installation.ok("registry", "deleted", "list", NAME, "-o", "json"))
    assert {tuple(one["tags"]) for one in binned} == {("v1.0.0",), ("v1.1.0",)}
    assert "2" in installation.ok("registry", "retention", "runs", "--prefix", "retained")
    for one in listed:
        installation.ok("registry", "retention", "remove", one["id"])
    assert json.loads(installation.ok("registry", "retention", "list", "-o", "json")) == []
    installation.ok("registry", "delete", NAME, "--yes")
