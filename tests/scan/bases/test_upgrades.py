"""Which newer build of a base is named, what it settles, and what would remain."""

from pathlib import Path

import pytest

from pratique.core.database import Database
from pratique.core.findings.types import Severity
from pratique.scan.bases.told import BaseUpgrade
from pratique.scan.types import Place
from tests.registry.images import index
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


def upgrade_of(harbour: Harbour, place: Place) -> BaseUpgrade:
    found = harbour.database.read(lambda tx: harbour.parts.scan.base(tx, place.digest))
    assert found is not None
    assert found.upgrade is not None
    return found.upgrade


@pytest.mark.parametrize("child_first", [True, False])
@pytest.mark.parametrize("newer", ["1.0", "1.1"])
def test_a_newer_build_makes_its_findings_one_action(harbour: Harbour, newer: str, child_first: bool) -> None:
    app = built(OLD, own("tool"), own("app"))
    child = harbour.push("team/app", app, "7") if child_first else None
    harbour.push("team/base", built(OLD, own("tool")), "1.0")
    child = child or harbour.push("team/app", app, "7")
    before = harbour.actions(child)
    assert before == {"CVE-1": "os-update|debian:12|openssl", "CVE-2": "os-update|debian:12|zlib"}
    assert "no newer build of it is open in team/base" in upgrade_of(harbour, child).why_not
    harbour.push("team/base", built(NEW, own("tool")), newer)
    upgrade = upgrade_of(harbour, child)
    assert (upgrade.target_tag, upgrade.rebuilt, upgrade.why_not) == (newer, newer == "1.0", "")
    assert upgrade.compared.before == {"high": 1, "low": 1}
    assert upgrade.compared.cleared == {"high": 1}
    assert upgrade.compared.left == {"low": 1}
    assert upgrade.compared.brought == {}
    actions = harbour.actions(child)
    assert actions["CVE-1"] == f"base-upgrade|debian:12|{upgrade.key}"
    assert actions["CVE-2"] == "os-update|debian:12|zlib"


def test_an_image_built_on_the_newer_base_has_no_such_action(harbour: Harbour) -> None:
    harbour.push("team/base", built(OLD, own("tool")), "1.0")
    harbour.push("team/base", built(NEW, own("tool")), "1.1")
    rebuilt = harbour.push("team/app", built(NEW, own("tool"), own("app")), "8")
    assert harbour.actions(rebuilt) == {"CVE-2": "os-update|debian:12|zlib"}
    assert "no newer build" in upgrade_of(harbour, rebuilt).why_not


def test_what_a_later_layer_brought_is_not_laid_at_the_base(harbour: Harbour) -> None:
    clean = system({"zlib": "1.0"})
    harbour.push("team/base", built(clean), "1.0")
    harbour.push("team/base", built(NEW, own("new")), "1.1")
    child = harbour.push("team/app", built(clean, system({"zlib": "1.0", "openssl": "1.0"})), "7")
    assert harbour.actions(child)["CVE-1"] == "os-update|debian:12|openssl"
    assert harbour.evidence(child)["CVE-1"]["from_base"] is False
    assert harbour.evidence(child)["CVE-2"]["from_base"] is True


def test_a_newer_build_that_is_no_better_is_not_named(harbour: Harbour) -> None:
    harbour.push("team/base", built(NEW, own("tool")), "1.0")
    harbour.push("team/base", built(OLD, own("tool")), "1.1")
    child = harbour.push("team/app", built(NEW, own("tool"), own("app")), "7")
    assert upgrade_of(harbour, child).target == ""
    assert "(1.1) has no fewer" in upgrade_of(harbour, child).why_not
    assert harbour.actions(child) == {"CVE-2": "os-update|debian:12|zlib"}


def test_a_newer_build_whose_gate_is_closed_is_not_named_and_one_that_closes_is_named_no_more(harbour: Harbour) -> None:
    harbour.parts.store.say("curl", Said("vg-3", ("9.9",), fix="9.10", exploited=True))
    harbour.judge_again()
    harbour.push("team/base", built(OLD, own("tool")), "1.0")
    child = harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    harbour.push("team/base", built(system({"curl": "9.9"}), own("tool")), "1.2")
    assert upgrade_of(harbour, child).target == ""
    harbour.push("team/base", built(system({"openssl": "1.2"}), own("tool")), "1.1")
    assert upgrade_of(harbour, child).target_tag == "1.1"
    harbour.parts.store.say("openssl", Said("vg-1", ("1.0",), fix="1.1"), Said("vg-9", ("1.2",), exploited=True))
    harbour.judge_again()
    assert upgrade_of(harbour, child).target == ""
    assert harbour.actions(child)["CVE-1"] == "os-update|debian:12|openssl"


def test_advisories_that_change_change_what_a_base_settles(harbour: Harbour) -> None:
    harbour.push("team/base", built(OLD, own("tool")), "1.0")
    harbour.push("team/base", built(system({"curl": "2.0"}), own("tool")), "1.1")
    child = harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    assert upgrade_of(harbour, child).compared.cleared == {"high": 1, "low": 1}
    harbour.parts.store.say("curl", Said("vg-3", ("1.0",), severity=Severity.MEDIUM))
    harbour.judge_again()
    assert upgrade_of(harbour, child).compared.cleared == {"high": 1, "medium": 1, "low": 1}
    assert set(harbour.actions(child).values()) == {f"base-upgrade|debian:12|{upgrade_of(harbour, child).key}"}
    harbour.parts.store.say("curl", Said("vg-3", ("1.0", "2.0"), severity=Severity.MEDIUM))
    harbour.judge_again()
    assert upgrade_of(harbour, child).compared.left == {"medium": 1}
    assert harbour.actions(child)["CVE-3"] == "os-update|debian:12|curl"


def test_the_best_build_is_named_and_of_equal_ones_the_nearest(harbour: Harbour) -> None:
    harbour.push("team/base", built(OLD, own("tool")), "1.0")
    child = harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    harbour.push("team/base", built(NEW, own("tool")), "1.1")
    harbour.push("team/base", built(system({"curl": "2.0"}), own("tool")), "1.2")
    harbour.push("team/base", built(system({"curl": "3.0"}), own("tool")), "1.10")
    harbour.push("team/base", built(system({"curl": "3.0"}), own("other")), "2.0-slim")
    assert upgrade_of(harbour, child).target_tag == "1.2"


def test_another_release_of_the_distribution_is_not_the_same_base(harbour: Harbour) -> None:
    from tests.scan.parts import tarred

    harbour.push("team/base", built(OLD, own("tool")), "1.0")
    child = harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    other = tarred({"etc/os-release": b'ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n'})
    harbour.push("team/base", built(NEW, other), "1.1")
    harbour.push("team/base", built(NEW, own("arm"), architecture="arm64"), "1.2")
    assert upgrade_of(harbour, child).target == ""


def test_a_newer_build_inside_an_index_is_found_for_its_platform(harbour: Harbour) -> None:
    old, arm = built(OLD, own("tool")), built(OLD, own("arm"), architecture="arm64")
    new, new_arm = built(NEW, own("tool")), built(system({"curl": "1"}), own("arm"), architecture="arm64")
    for image in (old, arm):
        harbour.push("team/base", image)
    harbour.push("team/base", index(old, arm), "1.0")
    child = harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    assert upgrade_of(harbour, child).tag == "1.0"
    for image in (new, new_arm):
        harbour.push("team/base", image)
    harbour.push("team/base", index(new, new_arm), "1.1")
    upgrade = upgrade_of(harbour, child)
    assert (upgrade.target, upgrade.target_tag) == (new.digest, "1.1")


def test_a_worker_that_ends_between_base_and_children_leaves_work_that_is_finished_later(harbour: Harbour) -> None:
    harbour.push("team/base", built(OLD, own("tool")), "1.0")
    children = [harbour.push(f"team/{n}", built(OLD, own("tool"), own(str(n))), "7") for n in range(3)]
    real = harbour.keeper._rewrite

    def die(*_: object) -> None:
        raise RuntimeError("the worker ended here")

    harbour.keeper._rewrite = die  # type: ignore[method-assign,assignment]
    harbour.push("team/base", built(NEW, own("tool")), "1.1")
    assert harbour.actions(children[0])["CVE-1"].startswith("os-update|")
    harbour.keeper._rewrite = real  # type: ignore[method-assign]
    harbour.keeper.refresh_all("team/base")
    assert {harbour.actions(child)["CVE-1"].partition("|")[0] for child in children} == {"base-upgrade"}


def test_a_base_that_is_deleted_keeps_its_name_and_a_newer_build_that_is_deleted_is_named_no_more(
    harbour: Harbour,
) -> None:
    old = harbour.push("team/base", built(OLD, own("tool")), "1.0")
    child = harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    new = harbour.push("team/base", built(NEW, own("tool")), "1.1")
    harbour.delete("team/base", old.digest)
    assert (upgrade_of(harbour, child).tag, upgrade_of(harbour, child).target_tag) == ("1.0", "1.1")
    harbour.delete("team/base", new.digest)
    assert upgrade_of(harbour, child).target == ""
    assert harbour.actions(child)["CVE-1"] == "os-update|debian:12|openssl"
