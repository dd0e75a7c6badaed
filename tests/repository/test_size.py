import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.repository.files import ROOT, SOURCES, shown

MODULE_LINES = 400
FUNCTION_LINES = 60
ALLOWED = tomllib.loads((Path(__file__).parent / "size.toml").read_text())


def long_modules() -> Iterator[tuple[str, int]]:
    for file in sorted(SOURCES.rglob("*.py")):
        lines = len(file.read_text().splitlines())
        if lines > MODULE_LINES:
            yield shown(file), lines


def long_functions() -> Iterator[tuple[str, int]]:
    for file in sorted((*SOURCES.rglob("*.py"), *(ROOT / "scripts").glob("*.py"))):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    yield f"{shown(file)}::{node.name}", lines


def test_no_module_is_long() -> None:
    assert [entry for entry in long_modules() if entry[0] not in ALLOWED["modules"]] == []


def test_no_function_is_long() -> None:
    assert [entry for entry in long_functions() if entry[0] not in ALLOWED["functions"]] == []


def test_every_exception_is_still_needed_and_has_a_reason() -> None:
    found = {name for name, _ in (*long_modules(), *long_functions())}
    listed = {**ALLOWED["modules"], **ALLOWED["functions"]}
    assert set(listed) <= found
    assert all(len(reason) > 20 for reason in listed.values())
