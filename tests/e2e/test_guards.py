"""What a rule keeps is kept on every road to it; what went with its repository can come back."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Installation
from tests.interop.layouts import write_layout
from tests.registry.images import Artifact, image

pytestmark = pytest.mark.usefixtures("skopeo")


def push(installation: Installation, account: str, made: Artifact, where: str, folder: Path) -> int:
    layout = write_layout(folder / where.translate(str.maketrans("/:", "--")) / made.digest[7:19], made)
    target = f"docker://{installation.host}/{where}"
    return installation.skopeo("copy", "--dest-creds", account, f"oci:{layout}", target).returncode


def test_an_immutable_tag_is_kept_from_clients_and_the_api(installation: Installation, tmp_path: Path) -> None:
    account = installation.account("guards-pusher", "Container Registry Repository Contributor", "/registry/guards")
    first, second = image(b"guards first"), image(b"guards second")
    installation.ok("registry", "immutability", "add", "v*", "--prefix", "guards")
    assert push(installation, account, first, "guards/app:v1", tmp_path) == 0
    assert push(installation, account, second, "guards/app:latest", tmp_path) == 0
    assert push(installation, account, second, "guards/app:v1", tmp_path) != 0
    target = f"docker://{installation.host}/guards/app:v1"
    assert installation.skopeo("delete", "--creds", account, target).returncode != 0
    for what in ("guards/app:v1", f"guards/app@{first.digest}"):
        refused = installation.run("registry", "delete", what)
        assert refused.returncode != 0
        assert "never changes" in refused.stderr
    assert installation.run("registry", "delete", "guards/app", "--yes").returncode != 0
    tags = json.loads(installation.ok("registry", "list", "guards/app", "-o", "json"))
    stands = {tag["name"]: tag["pending"] or tag["served"] for tag in tags}
    assert stands == {"v1": first.digest, "latest": second.digest}


def test_what_went_with_its_repository_can_come_back(installation: Installation, tmp_path: Path) -> None:
    account = installation.account("gone-pusher", "Container Registry Repository Contributor", "/registry/gone")
    made = image(b"gone and back")
    assert push(installation, account, made, "gone/app:v1", tmp_path) == 0
    installation.ok("registry", "delete", "gone/app", "--yes")
    assert installation.run("registry", "show", "gone/app").returncode != 0
    items = json.loads(installation.ok("registry", "deleted", "list", "gone/app", "-o", "json"))
    assert [(item["kind"], item["digest"]) for item in items] == [("manifest", made.digest)]
    installation.ok("registry", "deleted", "restore", "gone/app", str(items[0]["id"]))
    tags = json.loads(installation.ok("registry", "list", "gone/app", "-o", "json"))
    assert [tag["name"] for tag in tags] == ["v1"]
    source = f"docker://{installation.host}/gone/app:v1"
    pulled = installation.skopeo("copy", "--src-creds", account, source, f"oci:{tmp_path / 'out'}:v1")
    assert pulled.returncode == 0, pulled.stderr
