"""Gems that RubyGems installed are found with the versions that it lists."""

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.inventory.installed import packages_of

from pratique.inventory.readers.gem import parse_specification

SPEC = 'Gem::Specification.new {{ |s| s.name = "{}"; s.version = "{}"; s.summary = "x"; s.authors = ["a"]; s.files = [] }}\n'


def test_what_rubygems_installed_is_found(tmp_path: Path) -> None:
    if not shutil.which("gem"):
        pytest.skip("RubyGems is needed to install a gem")
    target = tmp_path / "root/usr/local/bundle"
    for name, version in (("plain", "1.2.3"), ("under_score-x", "2.0.0.rc1")):
        (tmp_path / f"{name}.gemspec").write_text(SPEC.format(name, version))
        subprocess.run(["gem", "build", f"{name}.gemspec"], cwd=tmp_path, check=True, capture_output=True)
        options = ["--local", "--no-document", "--install-dir", target]
        subprocess.run(
            ["gem", "install", *options, f"{name}-{version}.gem"], cwd=tmp_path, check=True, capture_output=True
        )
    command = ["gem", "list", "--local", "--no-details"]
    listed = subprocess.run(
        command, env={"GEM_HOME": str(target), "GEM_PATH": str(target), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found = {f"{package.name} ({package.version})" for package in packages_of(tmp_path / "root", "gem")}
    assert found == {"plain (1.2.3)", "under_score-x (2.0.0.rc1)"}
    assert found <= set(listed.splitlines())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"rubbish",
        b'# stub: a 1 ruby lib\nGem::Specification.new do |s|\n  s.name = "b"\n  s.version = "1"\nend\n',
        b"# stub: " + b"x" * 4000 + b" 1 r l\n",
    ],
    ids=["empty", "rubbish", "contradiction", "endless"],
)
def test_a_broken_specification_is_named(data: bytes) -> None:
    record = parse_specification("specifications/a-1.gemspec", data)
    assert record.problem is not None
    assert record.packages == ()
