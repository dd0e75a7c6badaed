"""Which image another was built on, whichever of the two was pushed first."""

from pathlib import Path

import pytest

from pratique.core.database import Database
from pratique.core.findings.types import Severity
from pratique.scan.bases.chains import chain_ids
from pratique.scan.bases.told import ImageBase
from pratique.scan.types import Place
from tests.scan.bases.harbour import Harbour, built, own, system
from tests.scan.parts import Said

OLD = system({"openssl": "1.0", "zlib": "1.0", "curl": "1.0"})
NEW = system({"openssl": "1.1", "zlib": "1.0", "curl": "1.0"})


@pytest.fixture
def harbour(database: Database, tmp_path: Path) -> Harbour:
    made = Harbour(database, tmp_path)
    made.parts.store.say("openssl", Said("vg-1", ("1.0",), fix="1.1", severity=Severity.HIGH))
    made.parts.store.say("zlib", Said("vg-2", ("1.0",), severity=Severity.LOW))
    made.parts.rejudger.run()
    return made


def base_of(harbour: Harbour, place: Place) -> ImageBase | None:
    return harbour.database.read(lambda tx: harbour.parts.scan.base(tx, place.digest))


def test_chain_ids_are_those_of_the_image_specification() -> None:
    """The example of config.md: ChainID(A|B) = SHA256(ChainID(A) + " " + DiffID(B))."""
    from hashlib import sha256

    first, second = (f"sha256:{sha256(each).hexdigest()}" for each in (b"a", b"b"))
    assert chain_ids([first, second]) == [first, "sha256:" + sha256(f"{first} {second}".encode()).hexdigest()]


@pytest.mark.parametrize("base_first", [True, False])
def test_push_order_does_not_matter(harbour: Harbour, base_first: bool) -> None:
    pushes = [("team/base", built(OLD, own("tool")), "1.0"), ("team/app", built(OLD, own("tool"), own("app")), "7")]
    for name, image, tag in pushes if base_first else reversed(pushes):
        harbour.push(name, image, tag)
    child = Place(pushes[1][1].digest, "", "team/app")
    found = base_of(harbour, child)
    assert found is not None
    assert found.upgrade is not None
    assert (found.layers, found.of) == (2, 3)
    assert (found.upgrade.repository, found.upgrade.tag, found.upgrade.named) == ("team/base", "1.0", True)
    evidence = harbour.evidence(child)["CVE-1"]
    assert (evidence["base_layers"], evidence["from_base"]) == (2, True)


def test_the_longest_base_is_chosen_and_a_nearer_one_takes_over(harbour: Harbour) -> None:
    child = harbour.push("team/app", built(OLD, own("tool"), own("lib"), own("app")), "7")
    harbour.push("team/distribution", built(OLD), "12")
    assert [base_of(harbour, child).layers] == [1]  # type: ignore[union-attr]
    middle = harbour.push("team/base", built(OLD, own("tool"), own("lib")), "1.0")
    assert [base_of(harbour, child).layers] == [3]  # type: ignore[union-attr]
    assert base_of(harbour, middle).upgrade.repository == "team/distribution"  # type: ignore[union-attr]
    harbour.push("team/shorter", built(OLD, own("tool")), "1.0")
    assert base_of(harbour, child).upgrade.repository == "team/base"  # type: ignore[union-attr]
    assert base_of(harbour, middle).layers == 2  # type: ignore[union-attr]


def test_an_image_is_not_its_own_base_and_builds_that_differ_in_configuration_are_none(harbour: Harbour) -> None:
    one = harbour.push("team/app", built(OLD, own("app"), salt="one"), "1")
    two = harbour.push("team/app", built(OLD, own("app"), salt="two"), "2")
    assert base_of(harbour, one) is None
    assert base_of(harbour, two) is None


def test_layers_that_differ_in_one_bit_are_no_base(harbour: Harbour) -> None:
    harbour.push("team/base", built(OLD, own("tool")), "1.0")
    child = harbour.push("team/app", built(OLD, own("other"), own("app")), "7")
    assert base_of(harbour, child) is None
    assert "base_layers" not in harbour.evidence(child)["CVE-1"]


def test_of_builds_with_the_same_layers_the_one_with_a_tag_is_named(harbour: Harbour) -> None:
    harbour.push("team/scratch", built(OLD, own("tool"), salt="untagged"))
    tagged = harbour.push("team/base", built(OLD, own("tool"), salt="tagged"), "1.0", "latest")
    harbour.push("team/late", built(OLD, own("tool"), salt="late"))
    child = harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    upgrade = base_of(harbour, child).upgrade  # type: ignore[union-attr]
    assert upgrade is not None
    assert (upgrade.digest, upgrade.repository, upgrade.tag) == (tagged.digest, "team/base", "1.0")


def test_a_base_keeps_the_name_under_which_it_was_served(harbour: Harbour) -> None:
    harbour.push("team/base", built(OLD, own("tool")), "1.0")
    harbour.push("team/base", built(NEW, own("tool")), "1.0")
    child = harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    upgrade = base_of(harbour, child).upgrade  # type: ignore[union-attr]
    assert upgrade is not None
    assert (upgrade.tag, upgrade.named) == ("1.0", False)


def test_a_base_without_any_name_is_said_to_have_none(harbour: Harbour) -> None:
    harbour.push("team/base", built(OLD, own("tool")))
    child = harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    upgrade = base_of(harbour, child).upgrade  # type: ignore[union-attr]
    assert upgrade is not None
    assert (upgrade.repository, upgrade.tag, upgrade.target) == ("team/base", "", "")
    assert "no tag is known" in upgrade.why_not


def test_images_that_were_read_before_chains_were_kept_are_placed_later(harbour: Harbour) -> None:
    import sqlalchemy as sa

    from pratique.scan.tables import bases, chains, image_chains

    harbour.push("team/base", built(OLD, own("tool")), "1.0")
    child = harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    for table in (bases, chains, image_chains):
        harbour.database.write(lambda tx, table=table: tx.execute(sa.delete(table)))  # type: ignore[misc]
    assert base_of(harbour, child) is None
    assert harbour.keeper.fill() == 2
    harbour.settle()
    assert base_of(harbour, child).upgrade.tag == "1.0"  # type: ignore[union-attr]


def test_files_of_the_base_that_later_layers_replace_are_named(harbour: Harbour) -> None:
    from tests.scan.parts import tarred

    harbour.push("team/base", built(OLD, own("tool")), "1.0")
    over = tarred({"etc/os-release": b'ID=debian\nVERSION_ID="12"\n', "srv/.wh.tool": b""})
    child = harbour.push("team/app", built(OLD, own("tool"), over), "7")
    found = harbour.database.read(lambda tx: harbour.parts.scan.replaced(tx, child.digest))
    assert [(each.path, each.how, each.layer) for each in found] == [
        ("etc/os-release", "replaced", 2),
        ("srv/tool", "deleted", 2),
    ]
