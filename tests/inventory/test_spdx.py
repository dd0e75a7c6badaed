"""SPDX out: valid by the tools and the model of SPDX's own authors, the same each time, and read again without loss."""

import json
from pathlib import Path
from typing import Any

import pytest
import spdx_python_model
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
from tests.inventory.test_sbom import APK, DEB, SCOPED, TWICE, WHEEL, inventory

from pratique.inventory.sbom import spdx2, spdx3
from pratique.inventory.sbom.read import inventory_of
from pratique.inventory.types import ImageInventory, NotAssessed, Package, PackageSet

WHEN = "2026-01-01T00:00:00Z"
DIGEST = "sha256:" + "1" * 64
PROBLEM = NotAssessed("layer 0", "it is encrypted\nand ≠ plain", "encrypted", scope="layer")
HOSTILE = Package("npm", 'a"</script>\u202e', "1.0\t<b>", location="x=y\nz", vendor="Evil (a@b)\nTool: x")
FULL = inventory(DEB, APK, SCOPED, TWICE, WHEEL, HOSTILE, problems=(PROBLEM,))
EMPTY = ImageInventory(package_set=PackageSet.of([], None))


def problems_of_spdx2(document: Any) -> list[str]:
    parsed = JsonLikeDictParser().parse(document)
    return [message.validation_message for message in validate_full_spdx_document(parsed, "SPDX-2.3")]


def objects_of_spdx3(document: Any) -> Any:
    """Load with the model that SPDX generates from its shapes: types, counts and values are checked."""
    _, objects = spdx_python_model.load_data(json.loads(json.dumps(document)))
    missing = objects.link()
    assert not missing
    return objects


@pytest.mark.parametrize("held", [FULL, EMPTY], ids=["full", "empty"])
@pytest.mark.parametrize("digest", ["", DIGEST])
def test_spdx_2_is_valid(held: ImageInventory, digest: str) -> None:
    document = spdx2.document(held, "registry.example/app:1", digest, WHEN)
    assert problems_of_spdx2(document) == []
    assert len(document["packages"]) == len(held.package_set.packages) + (2 if held.distro else 1)
    assert document == spdx2.document(held, "registry.example/app:1", digest, WHEN)


@pytest.mark.parametrize("held", [FULL, EMPTY], ids=["full", "empty"])
@pytest.mark.parametrize("digest", ["", DIGEST])
def test_spdx_3_is_valid(held: ImageInventory, digest: str) -> None:
    document = spdx3.document(held, "registry.example/app:1", digest, WHEN)
    objects = objects_of_spdx3(document)
    packages = list(objects.foreach_type("software_Package", match_subclass=False))
    assert len(packages) == len(held.package_set.packages) + (2 if held.distro else 1)
    assert document == spdx3.document(held, "registry.example/app:1", digest, WHEN)
    named = {one["spdxId"] for one in document["@graph"] if "spdxId" in one}
    for element in document["@graph"]:
        targets = [*element.get("element", ()), *element.get("to", ()), *element.get("rootElement", ())]
        assert set(targets) <= named


def test_the_oracles_tell_what_is_wrong() -> None:
    two = spdx2.document(FULL, "app", DIGEST, WHEN)
    assert problems_of_spdx2({**two, "documentNamespace": "no uri"})
    assert problems_of_spdx2({**two, "relationships": two["relationships"][1:]})
    three = spdx3.document(FULL, "app", DIGEST, WHEN)
    for key, value in (("software_primaryPurpose", "nonsense"), ("software_packageVersion", 1), ("extra", "x")):
        broken = json.loads(json.dumps(three))
        next(one for one in broken["@graph"] if one["type"] == "software_Package")[key] = value
        with pytest.raises((ValueError, TypeError, KeyError)):
            objects_of_spdx3(broken)


@pytest.mark.parametrize("form", [spdx2, spdx3])
def test_reading_it_again_keeps_what_matching_needs(form: Any) -> None:
    kept = [DEB, SCOPED, TWICE, WHEEL]
    back = inventory_of(json.loads(json.dumps(form.document(inventory(*kept), "app", "", WHEN))), "x")

    def needed(package: Package) -> tuple[str, ...]:
        return (
            package.ecosystem, package.name, package.version, package.arch, package.source_name,
            package.source_version, package.distro, package.location,
        )  # fmt: skip

    assert [needed(one) for one in back.package_set.packages] == [needed(one) for one in sorted(kept)]
    assert back.assessable


@pytest.mark.parametrize("form", [spdx2, spdx3])
def test_what_was_not_assessed_is_said_in_the_document(form: Any) -> None:
    text = json.dumps(form.document(FULL, "app", DIGEST, WHEN))
    assert "pratique:not-assessed=layer 0" in text
    assert "pratique:not-assessed" not in json.dumps(form.document(inventory(DEB), "app", DIGEST, WHEN))


@pytest.mark.parametrize("graph", [None, [], ["x"], [{"type": "software_Package"}], {"a": 1}])
def test_a_broken_spdx_3_document_is_no_clean_image(graph: Any, tmp_path: Path) -> None:
    assert not inventory_of({"@context": spdx3.CONTEXT, "@graph": graph}, str(tmp_path)).assessable
