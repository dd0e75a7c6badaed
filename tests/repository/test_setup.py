import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.repository.files import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

import bundle
import environment

FIND = ROOT / "scripts/find-python"


def fake_python(folder: Path, name: str, *, version: str, venv: bool) -> None:
    """A program that answers as an interpreter of a version, with or without venv, would."""
    major, minor = version.split(".")
    script = f"""#!/bin/sh
case "$2" in
*version_info\\[:2\\]\\ \\<*) [ {major} -eq 3 ] && [ {minor} -ge 11 ] && [ {minor} -lt 15 ] ;;
*ensurepip*) {"true" if venv else "false"} ;;
*print*) echo {version} ;;
esac
"""
    file = folder / name
    file.write_text(script)
    file.chmod(0o755)


def find(folder: Path, *tools: str, **variables: str) -> subprocess.CompletedProcess[str]:
    for tool in tools:
        (folder / tool).write_text("#!/bin/sh\n")
        (folder / tool).chmod(0o755)
    (folder / "id").write_text("#!/bin/sh\necho 1000\n")
    (folder / "id").chmod(0o755)
    environment = {"PATH": str(folder), **variables}
    return subprocess.run(["/bin/sh", FIND], env=environment, capture_output=True, text=True, check=False)


def test_the_newest_python_with_venv_is_taken(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3.15", version="3.15", venv=True)
    fake_python(tmp_path, "python3.13", version="3.13", venv=False)
    fake_python(tmp_path, "python3.12", version="3.12", venv=True)
    fake_python(tmp_path, "python3", version="3.11", venv=True)
    assert find(tmp_path).stdout.strip() == str(tmp_path / "python3.12")


def test_a_name_that_lies_about_its_version_is_not_taken(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3", version="3.9", venv=True)
    done = find(tmp_path, "apt-get")
    assert done.returncode == 1
    assert "no Python from 3.11 to 3.14" in done.stderr
    assert "sudo apt-get install -y python3 python3-venv" in done.stderr


@pytest.mark.parametrize(
    ("tool", "line"),
    [("apt-get", "sudo apt-get install -y python3.11-venv"), ("dnf", "sudo dnf install -y"), ("", "install")],
)
def test_a_missing_venv_is_named_with_the_line_that_installs_it(tmp_path: Path, tool: str, line: str) -> None:
    fake_python(tmp_path, "python3", version="3.11", venv=False)
    done = find(tmp_path, *([tool] if tool else []))
    assert done.returncode == 1
    assert "has no venv module" in done.stderr
    assert line in done.stderr


def test_a_python_can_be_chosen(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3.12", version="3.12", venv=True)
    fake_python(tmp_path, "mine", version="3.11", venv=True)
    assert find(tmp_path, PRATIQUE_PYTHON="mine").stdout.strip() == str(tmp_path / "mine")
    assert "PRATIQUE_PYTHON=gone is not" in find(tmp_path, PRATIQUE_PYTHON="gone").stderr


# The bundle


def make_bundle(path: Path, content: dict[str, bytes], **changes: object) -> Path:
    manifest: dict[str, object] = {
        "format": bundle.FORMAT,
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "machine": platform.machine(),
        "requirements": environment.hash_of(ROOT / "requirements/runtime.txt"),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
    }
    with tarfile.open(path, "w") as archive:
        for name, data in {"manifest.json": json.dumps({**manifest, **changes}).encode(), **content}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def test_a_bundle_is_unpacked_with_every_file_checked(tmp_path: Path) -> None:
    made = make_bundle(tmp_path / "b.tar", {"wheels/a.whl": b"wheel", "static/manifest.json": b"{}"})
    with bundle.opened(made) as place:
        assert (place / "wheels/a.whl").read_bytes() == b"wheel"
    assert not place.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "another format"),
        ({"python": "3.9"}, "is for python 3.9"),
        ({"machine": "riscv64"}, "is for machine riscv64"),
        ({"requirements": "0"}, "another version of Pratique"),
        ({"files": {"wheels/a.whl": "0" * 64}}, "is damaged"),
        ({"files": {"wheels/gone.whl": "0" * 64}}, "not a bundle, or is damaged"),
        ({"files": {"wheels/../../x": "0"}}, "outside its folders"),
        ({"files": {"/etc/x": "0"}}, "outside its folders"),
        ({"files": {"wheels/..": "0"}}, "outside its folders"),
        ({"files": []}, "not a bundle"),
    ],
)
def test_a_bundle_that_does_not_fit_says_why(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    made = make_bundle(tmp_path / "b.tar", {"wheels/a.whl": b"wheel"}, **changes)
    with pytest.raises(environment.SetupError, match=message) as caught, bundle.opened(made):
        pass
    assert caught.value.remedy
    assert not (tmp_path / "x").exists()


def test_a_bundle_that_is_none_or_missing_says_so(tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(b"\0" * 100)
    for name, message in (("b.tar", "not a bundle"), ("c.tar", "there is no bundle")):
        with pytest.raises(environment.SetupError, match=message), bundle.opened(tmp_path / name):
            pass


# The environment


def test_without_network_the_way_without_network_is_told() -> None:
    text = "WARNING: Retrying after NewConnectionError\nERROR: No matching distribution found for alembic==1.20.1\n"
    error = environment.install_error(text, None)
    assert "make bundle" in error.remedy
    assert "BUNDLE=FILE" in error.remedy


def test_a_full_disk_is_told() -> None:
    error = environment.install_error("ERROR: Could not install: [Errno 28] No space left on device", None)
    assert "disk is full" in error.message


def test_the_command_runs_from_any_folder_with_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a folder with spaces"
    packages = place / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    packages.mkdir(parents=True)
    (place / "bin").mkdir()
    (place / "bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (place / "bin/python").chmod(0o755)
    monkeypatch.setattr(environment, "VENV", place)
    monkeypatch.setattr(environment, "PYTHON", place / "bin/python")
    environment.link_source()
    environment.link_source()
    done = subprocess.run(
        [place / "bin/pratique", "--version"], cwd="/", capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout.startswith("pratique ")
    assert (packages / "pratique-source.pth").read_text() == f"{ROOT / 'src'}\n"


# The Makefile


def test_every_target_is_documented_and_help_lists_it() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    wanted = [
        "up",
        "down",
        "logs",
        "status",
        "test",
        "test-system",
        "test-interop",
        "bench",
        "bench-peers",
        "bundle",
        "lint",
        "docs",
        "clean",
    ]
    assert set(wanted) <= targets
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in listed.splitlines()} == targets
    phony = re.search(r"\.PHONY: ((?:.*\\\n)*.*)", text)
    assert phony is not None
    assert set(phony[1].replace("\\", " ").split()) == targets
