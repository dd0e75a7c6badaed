import configparser
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.repository.files import SOURCES, shown, text_of, tracked

ROOMS_WITHOUT_A_NAME = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}
LEFT_OPEN = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK")) + r")\b")


def test_no_module_is_named_for_nothing() -> None:
    names = {part for file in SOURCES.rglob("*.py") for part in (file.stem, file.parent.name)}
    assert not names & ROOMS_WITHOUT_A_NAME


def test_nothing_is_left_for_later() -> None:
    found = [f"{shown(file)}: {match[0]}" for file in tracked() for match in LEFT_OPEN.finditer(text_of(file) or "")]
    assert found == []


def test_no_file_names_a_package_registry() -> None:
    hosts = set(registry_hosts())
    assert hosts
    found = [
        f"{shown(file)}: {host}"
        for file in tracked()
        if (text := text_of(file)) is not None
        for host in hosts
        if re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", text)
    ]
    assert found == []


def registry_hosts() -> Iterator[str]:
    """The hosts that this machine's own package clients are set up with: so that none need be named here."""
    yield from host_names(pip_addresses())
    yield from host_names(npm_addresses())
    yield from host_names(apt_addresses())


def pip_addresses() -> Iterator[str]:
    program = "from pip._internal.models.index import PyPI as p; print('https://' + p.netloc, 'https://' + p.file_storage_domain)"
    yield from subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    yield from re.findall(r"https?://[^\s'\"]+", listed.stdout)


def npm_addresses() -> Iterator[str]:
    if npm := shutil.which("npm"):
        done = subprocess.run([npm, "config", "get", "registry"], capture_output=True, text=True, check=False)
        yield from done.stdout.split()


def apt_addresses() -> Iterator[str]:
    places = (Path("/etc/apt/sources.list"), *Path("/etc/apt").glob("sources.list.d/*"))
    for place in places:
        if place.is_file():
            yield from re.findall(r"https?://\S+", place.read_text())


def host_names(addresses: Iterator[str]) -> Iterator[str]:
    for address in addresses:
        host = urlsplit(address).hostname
        if host and "." in host and not host[0].isdigit():
            yield host


def test_editors_and_tools_leave_nothing_behind() -> None:
    assert [shown(file) for file in tracked() if file.suffix in {".orig", ".rej", ".swp", ".pyc", ".log"}] == []


def test_the_configuration_of_npm_keeps_addresses_out_of_the_lock() -> None:
    text = "[npm]\n" + (SOURCES.parents[1] / "console/.npmrc").read_text()
    parser = configparser.ConfigParser()
    parser.read_string(text)
    assert parser["npm"]["omit-lockfile-registry-resolved"] == "true"
