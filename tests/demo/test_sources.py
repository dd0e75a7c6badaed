"""Apt sources in both forms, as sources.list(5) describes them."""

from pathlib import Path

import pytest

from pratique.demo.errors import NoMirror
from pratique.demo.sources import archives

DEB822 = """Types: deb
# a comment
URIs: http://mirror.invalid/debian
Suites: trixie trixie-updates
Components: main

Types: deb
URIs: http://mirror.invalid/debian-security/
Suites: trixie-security
Components: main contrib
"""
ONE_LINE = """deb [arch=amd64 signed-by=/keys.gpg] https://mirror.invalid/debian bookworm main # main
deb https://mirror.invalid/debian-security bookworm-security main
deb https://other.invalid/apt cloud-sdk main
deb-src https://mirror.invalid/debian bookworm main
"""


def apt(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text"),
    [("sources.list.d/debian.sources", DEB822), ("sources.list", ONE_LINE), ("sources.list.d/debian.list", ONE_LINE)],
)
def test_archives_are_found_in_the_machines_own_sources(tmp_path: Path, name: str, text: str) -> None:
    found = archives("bookworm", apt=apt(tmp_path, name, text))
    assert found.main.url.endswith("mirror.invalid/debian")
    assert found.main.suite == "bookworm"
    assert found.security.url.endswith("mirror.invalid/debian-security")
    assert found.security.suite == "bookworm-security"


@pytest.mark.parametrize(
    "text",
    [
        "",
        DEB822.replace("Types: deb\n", "Types: deb-src\n"),
        DEB822.replace("Types: deb\n", "Enabled: no\nTypes: deb\n"),
        "deb http://mirror.invalid/ubuntu jammy main\n",
        DEB822.partition("\n\n")[0],
    ],
)
def test_without_a_debian_archive_and_its_security_suite_a_mirror_is_asked_for(tmp_path: Path, text: str) -> None:
    with pytest.raises(NoMirror) as caught:
        archives("bookworm", apt=apt(tmp_path, "sources.list.d/x.sources", text))
    assert "--mirror" in caught.value.remedy


def test_a_named_mirror_wins_and_has_its_security_suite_beside_it(tmp_path: Path) -> None:
    found = archives("bookworm", "http://own.invalid/debian/", apt=apt(tmp_path, "sources.list", ONE_LINE))
    assert found.main.url == "http://own.invalid/debian"
    assert found.security.url == "http://own.invalid/debian-security"
