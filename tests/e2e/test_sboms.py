"""The SBOM of a pushed image through the real product: by command and API, for those who may see findings."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.e2e.conftest import Installation
from tests.e2e.test_base_images import OLD, SYSTEM, push
from tests.inventory.test_spdx import objects_of_spdx3, problems_of_spdx2
from tests.scan.bases.harbour import built

pytestmark = pytest.mark.usefixtures("skopeo")


def test_a_pushed_image_has_an_sbom_in_each_form(installation: Installation, tmp_path: Path) -> None:
    account = installation.account("sbom-builder", "Contributor", "/registry")
    digest = push(installation, tmp_path, built(SYSTEM, OLD), "sboms/app:1", account)
    text = installation.ok("registry", "sbom", "sboms/app:1")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    assert document["metadata"]["component"]["version"] == digest
    assert "pkg:npm/minimist@1.2.0" in {one.get("purl") for one in document["components"]}
    assert text == installation.ok("registry", "sbom", f"sboms/app@{digest}")

    file = tmp_path / "sbom.json"
    installation.ok("registry", "sbom", "sboms/app:1", "--format", "spdx-json", "--output-file", str(file))
    assert problems_of_spdx2(json.loads(file.read_text())) == []
    objects_of_spdx3(json.loads(installation.ok("registry", "sbom", "sboms/app:1", "--format", "spdx3-json")))
    assert installation.run("registry", "sbom", "sboms/app:2").returncode == 3
