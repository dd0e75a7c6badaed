"""Lock files give the packages that they name; those that their own tools make, the ones which these tools list."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pratique.core.progress import NullReporter
from pratique.inventory import locks
from pratique.inventory.readers import Index
from pratique.inventory.types import RecordFile
from pratique.scan.local import read_source

INDEX = Index(locks.ALL)
FROM = "https://registry.invalid"


def read(name: str, text: str) -> RecordFile:
    wanted = INDEX.match(f"app/{name}".encode(), b"app", name.encode())
    assert wanted is not None
    assert wanted.parse is not None
    return wanted.parse(f"app/{name}", text.encode())


def shown(record: RecordFile) -> list[str]:
    return [f"{one.ecosystem} {one.name} {one.version}" for one in record.packages]


NPM = {
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "app", "version": "1.0.0"},
        "node_modules/lodash": {"version": "4.17.15", "resolved": f"{FROM}/lodash"},
        "node_modules/a/node_modules/@scope/b": {"version": "2.0.0"},
        "node_modules/other": {"name": "real", "version": "3.0.0"},
        "node_modules/own": {"resolved": "packages/own", "link": True},
        "packages/own": {"version": "1.0.0"},
    },
}
NPM_1 = {
    "lockfileVersion": 1,
    "dependencies": {"a": {"version": "1.0.0", "dependencies": {"@scope/b": {"version": "2.0.0"}}}},
}
LOCKS: dict[str, tuple[str, str, list[str]]] = {
    "npm 3": ("package-lock.json", json.dumps(NPM), ["npm @scope/b 2.0.0", "npm lodash 4.17.15", "npm real 3.0.0"]),
    "npm 2": ("package-lock.json", json.dumps(NPM_1 | NPM | {"lockfileVersion": 2}),
              ["npm @scope/b 2.0.0", "npm lodash 4.17.15", "npm real 3.0.0"]),
    "npm 1": ("package-lock.json", json.dumps(NPM_1), ["npm @scope/b 2.0.0", "npm a 1.0.0"]),
    "yarn 1": ("yarn.lock", ('# yarn lockfile v1\n\n"@a/b@^1.0.0", "@a/b@^1.2.0":\n  version "1.2.3"\n  resolved "'
               f'{FROM}/b"\n  dependencies:\n    c "^2"\n\nc@^2:\n  version "2.0.1"\n'), ["npm @a/b 1.2.3", "npm c 2.0.1"]),
    "yarn berry": ("yarn.lock", ('__metadata:\n  version: 8\n\n"app@workspace:.":\n  version: 0.0.0-use.local\n\n'
                   '"c@npm:^2":\n  version: 2.0.1\n  resolution: "c@npm:2.0.1"\n'), ["npm c 2.0.1"]),
    "pnpm 9": ("pnpm-lock.yaml", ("lockfileVersion: '9.0'\n\npackages:\n\n  '@a/b@1.2.3':\n    resolution: {integrity: x}\n\n"
               "  c@2.0.1:\n    engines: {node: '>=4'}\n\nsnapshots:\n\n  d@1.0.0: {}\n"), ["npm @a/b 1.2.3", "npm c 2.0.1"]),
    "pnpm 6": ("pnpm-lock.yaml", ("lockfileVersion: '6.0'\n\npackages:\n\n  /@a/b@1.2.3(c@2.0.1):\n    dev: false\n\n"
               "  /c@2.0.1:\n    dev: false\n"), ["npm @a/b 1.2.3", "npm c 2.0.1"]),
    "pnpm 5": ("pnpm-lock.yaml", "lockfileVersion: 5.4\n\npackages:\n\n  /@a/b/1.2.3:\n    dev: false\n", ["npm @a/b 1.2.3"]),
    "requirements": ("requirements.txt", ("# x\n-r other.txt\nDjango==3.2.0 ; python_version > '3'\nzope.interface[x] == 5.0 \\\n"
                     "  --hash=sha256:00\n"), ["pypi django 3.2.0", "pypi zope-interface 5.0"]),
    "pipenv": ("Pipfile.lock", '{"default": {"django": {"version": "==3.2.0"}}, "develop": {"six": {"version": "==1.0"}}}',
               ["pypi django 3.2.0", "pypi six 1.0"]),
    "poetry": ("poetry.lock", '[[package]]\nname = "Django"\nversion = "3.2.0"\n', ["pypi django 3.2.0"]),
    "pdm": ("pdm.lock", '[metadata]\nlock_version = "4.5"\n[[package]]\nname = "six"\nversion = "1.0"\n', ["pypi six 1.0"]),
    "uv": ("uv.lock", ('version = 1\n[[package]]\nname = "app"\nversion = "0.1"\nsource = { editable = "." }\n[[package]]\n'
           f'name = "six"\nversion = "1.0"\nsource = {{ registry = "{FROM}" }}\n'), ["pypi six 1.0"]),
    "cargo": ("Cargo.lock", ('version = 4\n[[package]]\nname = "app"\nversion = "0.1.0"\n[[package]]\nname = "time"\n'
              f'version = "0.1.43"\nsource = "registry+{FROM}"\n'), ["cargo time 0.1.43"]),
    "go": ("go.mod", ("module example.invalid/app\n\ngo 1.22\n\nrequire golang.org/x/text v0.3.0 // indirect\nrequire (\n\ta.invalid/b"
           " v1.0.0\n\tc.invalid/d/v2 v2.1.0\n\te.invalid/f v1.0.0\n)\nreplace a.invalid/b => a.invalid/fork v1.0.1\n"
           "replace e.invalid/f => ../f\n"),
           ["golang a.invalid/fork v1.0.1", "golang c.invalid/d/v2 v2.1.0", "golang golang.org/x/text v0.3.0"]),
    "gradle": ("gradle.lockfile", "# x\norg.a:b:1.0=compileClasspath,runtimeClasspath\nempty=annotationProcessor\n",
               ["maven org.a:b 1.0"]),
    "bundler": ("Gemfile.lock", (f"PATH\n  remote: .\n  specs:\n    app (0.1)\n\nGEM\n  remote: {FROM}/\n  specs:\n    nokogiri "
                "(1.10.0-x86_64-linux)\n      mini_portile2 (~> 2.4)\n    rake (13.0.0)\n\nPLATFORMS\n  ruby\n"),
                ["gem nokogiri 1.10.0", "gem rake 13.0.0"]),
    "composer": ("composer.lock", '{"packages": [{"name": "a/b", "version": "v1.2.0"}], "packages-dev": []}', ["composer a/b 1.2.0"]),
    "nuget": ("packages.lock.json", ('{"version": 1, "dependencies": {"net8.0": {"A.B": {"type": "Direct", "resolved": "1.0.0"}, '
              '"own": {"type": "Project"}}}}'), ["nuget A.B 1.0.0"]),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(LOCKS))
def test_each_format_gives_what_it_names(name: str) -> None:
    file, text, packages = LOCKS[name]
    record = read(file, text)
    assert record.problem is None
    assert shown(record) == packages


@pytest.mark.parametrize("file", sorted({file for file, _, _ in LOCKS.values()}))
def test_rubbish_is_named_or_empty_and_never_raises(file: str) -> None:
    nested = '{"dependencies":{"a":' * 5000
    for text in (
        "",
        "{",
        "[]",
        "\0",
        nested,
        "[[package]]\n" * 3,
        '{"packages": [1], "dependencies": {"a": 1}}',
        "=" * 10_000,
    ):
        record = read(file, text)
        assert record.packages == ()
    assert read("package-lock.json", nested).problem is not None


def test_what_names_no_version_is_counted() -> None:
    record = read("requirements.txt", "django>=3\nsix==1.0\nflask\nx==1.*\n")
    assert shown(record) == ["pypi six 1.0"]
    assert record.problem is not None
    assert "3 of its entries" in record.problem.reason


def test_a_source_tree_is_read_and_what_tools_fetched_is_not(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/package-lock.json").write_text(LOCKS["npm 3"][1])
    (tmp_path / "requirements.txt").write_text("django==3.2.0\n")
    (tmp_path / "web/node_modules/x").mkdir(parents=True)
    (tmp_path / "web/node_modules/x/package-lock.json").write_text(LOCKS["npm 1"][1])
    inventory = read_source(tmp_path, NullReporter())
    assert inventory.assessable
    assert {one.name for one in inventory.package_set.packages} == {"lodash", "@scope/b", "real", "django"}


def test_what_npm_locks_is_what_npm_lists(tmp_path: Path) -> None:
    if not shutil.which("npm"):
        pytest.skip("npm is needed to lock a tree")
    packed = []
    for name in ("plain", "@scope/other"):
        folder = tmp_path / name.rpartition("/")[2]
        folder.mkdir()
        (folder / "package.json").write_text(json.dumps({"name": name, "version": "1.2.3"}))
        done = subprocess.run(["npm", "pack", "--silent"], cwd=folder, capture_output=True, text=True, check=True)
        packed.append((name, folder / done.stdout.strip()))
    app = tmp_path / "app"
    app.mkdir()
    needs = {name: f"file:{path}" for name, path in packed}
    (app / "package.json").write_text(json.dumps({"name": "app", "version": "0.0.1", "dependencies": needs}))
    command = ["npm", "install", "--package-lock-only", "--offline", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=app, capture_output=True, check=True)
    found = read("package-lock.json", (app / "package-lock.json").read_text())
    assert shown(found) == ["npm @scope/other 1.2.3", "npm plain 1.2.3"]
    listed = subprocess.run(
        ["npm", "ls", "--package-lock-only", "--json"], cwd=app, capture_output=True, text=True, check=True
    )
    assert {one.name for one in found.packages} == set(json.loads(listed.stdout)["dependencies"])
