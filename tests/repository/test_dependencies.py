import ast
import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from tests.repository.files import ROOT, SOURCES

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PAGE = (ROOT / "docs/dependencies.md").read_text()
# Imported by a library when it is asked to, by name, and never by us.
BY_NAME = {
    "psycopg": "SQLAlchemy's dialect imports it",
    "python-multipart": "Starlette imports it for forms",
    "opentelemetry-sdk": "set up by its own variables",
    "opentelemetry-exporter-otlp-proto-http": "set up by its own variables",
}


def plain(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-")


def declared() -> set[str]:
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    return {plain(text) for text in [*project["dependencies"], *(text for extra in extras for text in extra)]}


def imported() -> set[str]:
    modules = set()
    for file in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    return modules - set(sys.stdlib_module_names) - {"pratique"}


def listed() -> set[str]:
    return {match[1].lower() for match in re.finditer(r"^\| ([@a-zA-Z0-9./-]+) \|", PAGE, re.MULTILINE)} - {"package"}


def test_what_is_imported_is_declared() -> None:
    found = {name: {plain(entry) for entry in packages_distributions().get(name, [name])} for name in imported()}
    assert {module: names for module, names in found.items() if not names & declared()} == {}


def test_what_is_declared_is_imported() -> None:
    found = {plain(entry) for module in imported() for entry in packages_distributions().get(module, [module])}
    assert declared() - found - set(BY_NAME) == set()


def test_every_dependency_has_its_line() -> None:
    groups = {plain(text) for group in PROJECT["dependency-groups"].values() for text in group}
    package = json.loads((ROOT / "console/package.json").read_text())
    browser = {*package["dependencies"], *package.get("devDependencies", {})}
    assert declared() | groups | browser == listed()


def test_every_dependency_is_pinned_with_hashes_and_without_an_address() -> None:
    for file in sorted((ROOT / "requirements").glob("*.txt")):
        lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
        for line in lines:
            assert re.fullmatch(r"[a-z0-9.-]+==[^ ]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line


def test_the_pins_are_those_of_the_project_and_agree_with_each_other() -> None:
    pins: dict[tuple[str, str], str] = {}
    for file in sorted((ROOT / "requirements").glob("*.txt")):
        for name, version, marker in re.findall(
            r"^([a-z0-9.-]+)==([^\s;]+)( ; [^\\]+)?", file.read_text(), re.MULTILINE
        ):
            assert pins.setdefault((name, marker), version) == version, f"{name} in {file.name}"
    wanted = {plain(text) for group in PROJECT["dependency-groups"].values() for text in group} | declared()
    assert wanted <= {name for name, _ in pins}
