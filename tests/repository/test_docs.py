import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository.files import ROOT, shown, tracked

PAGES = ("azure-actions", "settings", "cli", "permissions", "metrics", "keys", "routes")
STATES = {"works", "partial", "absent"}
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES)
def test_reference_pages_say_what_the_code_says(page: str) -> None:
    command = [sys.executable, ROOT / "scripts/write_docs.py", "--check", page]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{shown(file)}: {target}"
        for file in tracked()
        if file.suffix == ".md"
        for target in LINK.findall(file.read_text())
        if "://" not in target and not (file.parent / target).exists()
    ]
    assert broken == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 120


def test_every_decision_record_has_its_parts_and_one_page() -> None:
    for file in sorted((ROOT / "docs/adr").glob("[0-9]*.md")):
        text = file.read_text()
        for part in ("## Context", "## Decision", "## Consequences"):
            assert part in text, f"{file.name} lacks {part}"
        assert len(text.splitlines()) <= 80, file.name


def feature_rows() -> list[list[str]]:
    lines = (ROOT / "docs/features.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in rows if row[1] not in {"state", "---"}]


def test_every_feature_has_a_state_and_what_works_names_a_test_that_exists() -> None:
    rows = feature_rows()
    assert len(rows) > 20
    for name, state, tests, *_ in rows:
        assert state in STATES, name
        ids = re.findall(r"`(tests/[^`]+)`", tests)
        assert ids or state == "absent", f"{name} names no test"
        for test in ids:
            path, _, function = test.partition("::")
            file = ROOT / path
            assert file.is_file(), f"{name}: {path} does not exist"
            bare = function.split("::")[-1].split("[")[0]
            assert f"def {bare}(" in file.read_text(), f"{name}: {test} does not exist"


def test_figures_name_the_script_that_prints_them() -> None:
    for page in sorted((ROOT / "docs").glob("*.md")):
        for script in re.findall(r"benchmarks/[\w./]+\.py", page.read_text()):
            assert Path(ROOT / script).is_file(), f"{page.name}: {script}"
