"""An apk database written by go-apk, the library under apko, is read with the names and versions that it prints."""

import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pratique.inventory.service import merge, read_layer

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("go"):
        pytest.skip("Go is needed to build the writer of apk databases")
    target = tmp_path_factory.mktemp("go") / "writer"
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    source = Path(__file__).parent / "go_apk"
    fetched = subprocess.run(["go", "mod", "download"], cwd=source, env=environment, capture_output=True, check=False)
    if fetched.returncode:
        pytest.skip("the Go modules of the writer of apk databases cannot be fetched")
    subprocess.run(["go", "build", "-o", target, "."], cwd=source, env=environment, check=True, capture_output=True)
    return target


@pytest.mark.timeout(600)
def test_what_the_library_installed_is_found(writer: Path, tmp_path: Path) -> None:
    printed = subprocess.run([writer, tmp_path], capture_output=True, text=True, check=True).stdout.splitlines()
    (tmp_path / "etc/os-release").write_text("ID=alpine\nVERSION_ID=3.19.1\n")
    copy = tmp_path / "usr/lib/python3.11/site-packages/six-1.16.0-py3.11.egg-info/PKG-INFO"
    copy.parent.mkdir(parents=True)
    copy.write_text("Name: six\nVersion: 1.16.0\n")
    data = subprocess.run(["tar", "-C", tmp_path, "-cf", "-", "."], capture_output=True, check=True).stdout
    report = read_layer(io.BytesIO(data))
    inventory = merge([report], {"rootfs": {"diff_ids": [report.diff_id]}})
    packages = [one for one in inventory.package_set.packages if one.ecosystem == "apk"]
    assert [f"{one.name} {one.version} {one.arch} {one.source_name}" for one in packages] == printed
    assert len(printed) == 2
    assert {one.repository for one in packages} == {"v3.19"}
    (six,) = [one for one in inventory.package_set.packages if one.ecosystem == "pypi"]
    assert six.owned_by == "apk/py3-six"
    assert inventory.assessable
