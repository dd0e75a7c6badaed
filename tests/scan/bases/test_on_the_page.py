"""What the page of an image says of its base: all of it to those who may see where the base lies, its figures to all."""

from dataclasses import replace
from pathlib import Path

import pytest

from pratique.console.bindings.bases import base_view
from pratique.console.sources import BaseView, ImageView
from pratique.core.database import Database
from pratique.core.findings.types import Severity
from pratique.core.permissions import Extent, Scope
from pratique.scan.types import Place
from tests.scan.bases.harbour import Harbour, built, own, system
from tests.scan.parts import Said

OLD, NEW = system({"openssl": "1.0", "zlib": "1.0"}), system({"openssl": "1.1", "zlib": "1.0"})


@pytest.fixture
def harbour(database: Database, tmp_path: Path) -> Harbour:
    made = Harbour(database, tmp_path)
    made.parts.store.say("openssl", Said("vg-1", ("1.0",), fix="1.1", severity=Severity.HIGH))
    made.parts.store.say("zlib", Said("vg-2", ("1.0",), severity=Severity.LOW))
    made.parts.rejudger.run()
    return made


def view(harbour: Harbour, place: Place, scope: str) -> BaseView | None:
    image = ImageView(
        repository=place.repository, digest=place.digest, kind="image", media_type="", size=1, gate="open", summary="",
        remedy="", decided=None, decision_id="", valid_until=None, pushed=None, pusher="",
    )  # fmt: skip
    extent = Extent(allowed=(Scope.parse(scope),))
    parts = harbour.parts
    return harbour.database.read(lambda tx: base_view(tx, parts.scan, parts.registry, image, extent))


def test_the_page_names_the_base_its_findings_and_the_newer_build(harbour: Harbour) -> None:
    harbour.push("platform/base", built(OLD, own("tool")), "1.0")
    child = harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    alone = view(harbour, child, "/registry")
    assert alone is not None
    assert (alone.layers, alone.of, alone.from_base, alone.own, alone.settled) == (2, 3, 2, 0, 0)
    assert (alone.name, alone.target) == ("platform/base:1.0", "")
    assert alone.why_not == "no newer build of it is open in platform/base"
    harbour.push("platform/base", built(NEW, own("tool")), "1.1")
    better = view(harbour, child, "/registry")
    assert better is not None
    assert (better.target, better.settled, better.why_not) == ("platform/base:1.1", 1, "")
    hidden = view(harbour, child, "/registry/team")
    assert hidden == replace(better, name="", href="", target="", target_href="")


def test_an_image_whose_base_was_never_here_shows_none(harbour: Harbour) -> None:
    assert view(harbour, harbour.push("team/app", built(OLD, own("app")), "7"), "/registry") is None
