"""Layers laid over each other show what a container would show, and each package knows its layer."""

from typing import Any

import pytest
from tests.corpus.layers.archive import END, directory, file, header, stream, symlink

from pratique.inventory.service import merge, read_layer

DEBIAN = file(b"usr/lib/os-release", b'ID=debian\nVERSION_ID="12"\n') + symlink(
    b"etc/os-release", b"../usr/lib/os-release"
)


def status(*packages: str) -> bytes:
    text = "".join(
        f"Package: {p.split('=')[0]}\nStatus: install ok installed\nVersion: {p.split('=')[1]}\n\n" for p in packages
    )
    return file(b"var/lib/dpkg/status", text.encode())


def module(name: str, version: str = "1.0.0", root: str = "app") -> bytes:
    return file(
        f"{root}/node_modules/{name}/package.json".encode(), f'{{"name":"{name}","version":"{version}"}}'.encode()
    )


def image(*layers: bytes) -> Any:
    reports = [read_layer(stream(layer + END)) for layer in layers]
    assert all(report.complete for report in reports)
    return merge(reports, {"rootfs": {"type": "layers", "diff_ids": [report.diff_id for report in reports]}})


def placed(inventory: Any) -> Any:
    return {f"{package.name}={package.version}": origin.layer_index for package, origin in inventory.placed()}


def test_a_package_belongs_to_the_layer_that_brought_its_version() -> None:
    inventory = image(
        DEBIAN + status("a=1", "b=1"), status("a=1", "b=2", "c=1"), status("a=1", "c=1"), status("a=1", "b=2", "c=1")
    )
    assert placed(inventory) == {"a=1": 0, "b=2": 3, "c=1": 1}
    assert inventory.distro.key == "debian:12"
    assert [origin.diff_id for _, origin in inventory.placed()] == [inventory.diff_ids[at] for at in (0, 3, 1)]


def test_a_whiteout_removes_a_file_and_everything_below_it() -> None:
    base = DEBIAN + status("a=1") + module("one") + module("two") + module("other", root="srv")
    inventory = image(
        base, header(b"app/node_modules/one/.wh.package.json"), header(b"app/node_modules/.wh.two"), header(b".wh.srv")
    )
    assert placed(inventory) == {"a=1": 0}


def test_an_opaque_folder_hides_what_lies_below_and_not_its_own() -> None:
    inventory = image(
        DEBIAN + status("a=1") + module("old"),
        directory(b"app/node_modules") + header(b"app/node_modules/.wh..wh..opq") + module("new"),
    )
    assert placed(inventory) == {"a=1": 0, "new=1.0.0": 1}


def test_an_opaque_root_hides_everything_below() -> None:
    inventory = image(module("old"), header(b".wh..wh..opq") + module("new", root="srv"))
    assert placed(inventory) == {"new=1.0.0": 1}


def test_a_link_in_place_of_a_folder_hides_it() -> None:
    assert placed(image(module("x") + module("y", root="srv"), symlink(b"app", b"/opt"))) == {"y=1.0.0": 0}


def test_a_file_in_place_of_a_folder_hides_it() -> None:
    assert placed(image(module("x") + module("y", root="srv"), file(b"app", b"now a file"))) == {"y=1.0.0": 0}


def test_a_later_copy_of_one_file_replaces_the_earlier() -> None:
    assert placed(image(module("x", "1.0.0"), module("x", "2.0.0"))) == {"x=2.0.0": 1}


def test_a_path_through_a_lower_link_lands_where_the_link_leads() -> None:
    merged = symlink(b"lib", b"usr/lib") + file(b"etc/os-release", b"ID=alpine\nVERSION_ID=3.19.0\n")
    one = file(b"usr/lib/apk/db/installed", b"P:a\nV:1\n\n")
    two = file(b"lib/apk/db/installed", b"P:a\nV:1\n\nP:b\nV:1\n\n")
    assert placed(image(merged + one, two)) == {"a=1": 0, "b=1": 1}


def test_a_folder_replaces_a_lower_link() -> None:
    merged = symlink(b"lib", b"usr/lib") + file(b"etc/os-release", b"ID=alpine\nVERSION_ID=3.19.0\n")
    one = file(b"usr/lib/apk/db/installed", b"P:a\nV:1\n\n")
    two = directory(b"lib") + file(b"lib/apk/db/installed", b"P:b\nV:1\n\n")
    assert placed(image(merged + one, two)) == {"a=1": 0, "b=1": 1}


def test_os_release_is_found_through_links_of_any_layer() -> None:
    inventory = image(
        symlink(b"etc/os-release", b"/usr/lib/os-release") + status("a=1"),
        file(b"usr/lib/os-release", b"ID=debian\nVERSION_ID=11\n"),
        file(b"usr/lib/os-release", b"ID=debian\nVERSION_ID=12\n"),
    )
    assert inventory.distro.key == "debian:12"


@pytest.mark.parametrize("target", [b"os-release", b"../etc/os-release", b"/etc/loop"])
def test_a_cycle_of_links_ends(target: bytes) -> None:
    inventory = image(symlink(b"etc/os-release", target) + symlink(b"etc/loop", b"os-release") + status("a=1"))
    assert inventory.distro is None
    assert "no-release" in {problem.code for problem in inventory.blockers}


def test_a_link_cannot_lead_out_of_the_root() -> None:
    inventory = image(
        symlink(b"etc/os-release", b"../../../../usr/lib/os-release")
        + file(b"usr/lib/os-release", b"ID=debian\nVERSION_ID=12\n")
        + status("a=1")
    )
    assert inventory.distro.key == "debian:12"


def test_a_hard_link_to_a_record_is_that_record() -> None:
    inventory = image(
        module("x") + header(b"srv/node_modules/x/package.json", kind=b"1", link=b"app/node_modules/x/package.json")
    )
    assert sorted(package.location for package in inventory.package_set.packages) == [
        "app/node_modules/x/package.json", "srv/node_modules/x/package.json",
    ]  # fmt: skip


def test_an_image_without_package_data_cannot_be_assessed() -> None:
    inventory = image(header(b"server", 4, mode=0o755) + b"\x7fELF".ljust(512, b"\0"))
    assert [problem.code for problem in inventory.blockers] == ["no-package-data"]
    assert "unmanaged-executables" in {problem.code for problem in inventory.not_assessed}


def test_a_distribution_without_its_database_cannot_be_assessed() -> None:
    inventory = image(DEBIAN + module("x"))
    assert [problem.code for problem in inventory.blockers] == ["no-database"]


def test_an_unread_database_blocks_and_an_unread_language_is_shown() -> None:
    fedora = file(b"etc/os-release", b"ID=arch\n") + file(b"var/lib/pacman/local/x-1-1/desc", b"x")
    inventory = image(
        fedora + module("x") + file(b"opt/conda-meta/a.json", b"{}") + file(b"opt/conda-meta/b.json", b"{}")
    )
    assert [(problem.code, problem.ecosystem) for problem in inventory.blockers] == [("no-reader", "alpm")]
    states = {row.ecosystem: row.state for row in inventory.coverage}
    told = {"alpm": "not-assessed", "apk": "absent", "conda": "not-assessed", "npm": "read", "pypi": "absent"}
    assert {name: states[name] for name in told} == told
    (conda,) = [problem for problem in inventory.not_assessed if problem.ecosystem == "conda"]
    assert "1 more" in conda.reason


def test_layers_that_the_configuration_does_not_name_block() -> None:
    report = read_layer(stream(DEBIAN + status("a=1") + END))
    for config in ({}, {"rootfs": 1}, {"rootfs": {"diff_ids": []}}, {"rootfs": {"diff_ids": ["sha256:" + "0" * 64]}}):
        assert not merge([report], config).assessable


def test_the_digest_of_a_set_depends_on_the_packages_alone() -> None:
    one, two = image(DEBIAN + status("a=1", "b=1")), image(DEBIAN + status("a=1"), status("b=1", "a=1"))
    other = image(DEBIAN + status("a=1", "b=2"))
    assert one.package_set.digest == two.package_set.digest != other.package_set.digest


def test_the_configuration_is_read_defensively() -> None:
    report = read_layer(stream(DEBIAN + status("a=1") + END))
    config = {
        "architecture": "amd64", "os": 7, "config": {"User": "app", "Env": ["A=b=c", 3], "ExposedPorts": {"80/tcp": {}},
        "Labels": {"x": 1, "y": "z"}, "Cmd": "not a list"},
        "history": [{"created_by": "ADD"}, {"created_by": "ENV", "empty_layer": True}, 5],
        "rootfs": {"diff_ids": [report.diff_id]},
    }  # fmt: skip
    facts = merge([report], config).facts
    assert (facts.architecture, facts.os, facts.user, facts.command) == ("amd64", "", "app", ())
    assert facts.environment == (("A", "b=c"),)
    assert facts.exposed_ports == ("80/tcp",)
    assert [step.layer_index for step in facts.history] == [0, -1, 1]


def test_setuid_files_follow_deletions() -> None:
    setuid = header(b"usr/bin/su", mode=0o4755) + header(b"opt/su", mode=0o4755)
    inventory = image(DEBIAN + status("a=1") + setuid, header(b"opt/.wh.su"))
    assert [file.path for file in inventory.privileged] == ["usr/bin/su"]
