"""Base images through the real product: pushed with skopeo before or after their children, named, and upgraded."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Installation
from tests.interop.layouts import write_layout
from tests.registry.images import Artifact
from tests.scan.bases.harbour import built, own, system
from tests.scan.parts import tarred

pytestmark = pytest.mark.usefixtures("skopeo")

SYSTEM = system({"zlib1g": "1:1.2.13.dfsg-1"})


def modules(version: str) -> bytes:
    """A layer with minimist: every version below 1.2.6 has a critical vulnerability that the starter data knows."""
    record = json.dumps({"name": "minimist", "version": version}).encode()
    return tarred({"usr/lib/node_modules/minimist/package.json": record})


OLD, NEW = modules("1.2.0"), modules("1.2.8")


@pytest.fixture(scope="session")
def builder(installation: Installation) -> str:
    return installation.account("base-builder", "Contributor", "/registry")


def push(installation: Installation, folder: Path, image: Artifact, target: str, account: str) -> str:
    layout = write_layout(folder / target.replace("/", "_").replace(":", "_"), image)
    destination = f"docker://{installation.host}/{target}"
    done = installation.skopeo("copy", "--preserve-digests", "--dest-creds", account, f"oci:{layout}", destination)
    assert done.returncode == 0, done.stderr
    installation.status(target)
    return image.digest


def lines(installation: Installation, repository: str, wanted: int) -> list[dict[str, Any]]:
    """The lines about bases of a repository, as soon as there are as many as wanted."""
    words = ("recommendations", "--kind", "base-upgrade", "--repository", repository, "-o", "json")
    end = time.monotonic() + 30
    while True:
        items: list[dict[str, Any]] = json.loads(installation.ok(*words))["items"]
        if len(items) == wanted or time.monotonic() > end:
            return items
        time.sleep(0.3)


@pytest.mark.parametrize("base_first", [True, False])
def test_a_base_is_named_whichever_was_pushed_first_and_its_line_goes_with_the_rebuilt_image(
    installation: Installation, builder: str, tmp_path: Path, base_first: bool
) -> None:
    group = "first" if base_first else "later"
    base, app = f"bases/{group}/base", f"bases/{group}/app"
    tool = own(group)  # other layers than those of the other order
    pushes = [(built(SYSTEM, tool, OLD), f"{base}:1.0"), (built(SYSTEM, tool, OLD, own("app")), f"{app}:7")]
    for image, target in pushes if base_first else reversed(pushes):
        push(installation, tmp_path, image, target, builder)
    assert lines(installation, app, 0) == []
    push(installation, tmp_path, built(SYSTEM, tool, NEW), f"{base}:1.1", builder)

    (line,) = lines(installation, app, 1)
    assert line["title"] == f"Upgrade base {base}:1.0 → 1.1"
    assert (line["images"], line["base"]["target_tag"], sum(line["base"]["left"].values())) == (1, "1.1", 0)
    shown = installation.ok("recommendations", "show", line["id"])
    assert f"FROM {installation.host}/{base}:1.1" in shown
    told = installation.status(f"{app}:7")["base"]
    assert (told["base"]["layers"], told["base"]["of"], told["build"]["tag"]) == (3, 4, "1.0")
    assert told["findings"]["from_base"] == told["findings"]["settled"] > 0
    assert told["findings"]["own"] == 0
    printed = installation.run("status", f"{app}:7").stdout
    assert f"build on {base}:1.1 instead" in printed

    push(installation, tmp_path, built(SYSTEM, tool, NEW, own("app")), f"{app}:8", builder)
    assert installation.status(f"{app}:8")["state"] == "open"
    assert installation.status(f"{app}:8")["base"]["build"]["tag"] == "1.1"
    old = f"docker://{installation.host}/{app}@{pushes[1][0].digest}"
    done = installation.skopeo("delete", "--creds", builder, old)
    assert done.returncode == 0, done.stderr
    assert lines(installation, app, 0) == []
