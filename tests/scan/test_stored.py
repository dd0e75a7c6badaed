"""The SBOM of a stored image says what reading its layers says, in valid documents, the same bytes each time."""

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pratique.core.database import Database
from pratique.inventory.service import merge
from pratique.scan.stored import SBOM_FORMS, sbom, stored_inventory
from pratique.scan.types import Place
from tests.inventory.test_spdx import objects_of_spdx3, problems_of_spdx2
from tests.scan.parts import Parts, debian_layer, tarred

MODULE = json.dumps({"name": "minimist", "version": "1.2.0"}).encode()


@pytest.fixture
def parts(database: Database) -> Parts:
    return Parts(database)


@pytest.fixture
def place(parts: Parts) -> Place:
    """An image of two layers, with one package that lies in two places."""
    files = {f"{folder}/node_modules/minimist/package.json": MODULE for folder in ("a", "b")}
    put = parts.shelf.put("team/app", [debian_layer({"zlib": "1:1.2", "nginx": "1.0"}), tarred(files)])
    parts.index(put)
    return put


def written(parts: Parts, place: Place, form: str) -> tuple[str, bytes]:
    found = parts.database.read(lambda tx: stored_inventory(tx, place.digest))
    assert found is not None
    return sbom(found, place.repository, place.digest, form)


def test_what_is_stored_is_what_the_layers_hold(parts: Parts, place: Place) -> None:
    source = parts.database.read(lambda tx: parts.registry.image_source(tx, place.repository_id, place.digest))
    reports = [parts.reader.read(parts.registry.open_blob(layer.digest)) for layer in source.layers]
    config: dict[str, Any] = {"rootfs": {"type": "layers", "diff_ids": [one.diff_id for one in reports]}}
    direct = merge(reports, config)
    found = parts.database.read(lambda tx: stored_inventory(tx, place.digest))
    assert found is not None
    assert list(found.inventory.placed()) == list(direct.placed())
    assert found.inventory.diff_ids == direct.diff_ids
    assert found.inventory.distro is not None
    assert direct.distro is not None
    assert found.inventory.distro.key == direct.distro.key
    assert len(found.inventory.package_set.packages) == 4


@pytest.mark.parametrize("form", sorted(SBOM_FORMS))
def test_documents_are_valid_and_the_same_bytes_each_time(parts: Parts, place: Place, form: str) -> None:
    media_type, content = written(parts, place, form)
    assert (media_type, content) == written(parts, place, form)
    document = json.loads(content)
    if form == "cyclonedx":
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(content.decode()) is None
        assert len(document["components"]) == 5
    elif form == "spdx-json":
        assert problems_of_spdx2(document) == []
        assert len(document["packages"]) == 6
    else:
        assert len(list(objects_of_spdx3(document).foreach_type("software_Package", match_subclass=False))) == 6


def test_an_image_that_was_not_read_has_no_sbom(parts: Parts) -> None:
    waiting = parts.shelf.put("team/app", [debian_layer({"zlib": "1"})])
    assert parts.database.read(lambda tx: stored_inventory(tx, waiting.digest)) is None
