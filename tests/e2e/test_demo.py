"""`pratique demo` tells its story, and every line of it is true."""

import pytest

from tests.e2e.conftest import Installation, with_downloads

STORY = [
    "refused: CVE-2023-44487 in nginx",
    "403: refused: CVE-2023-44487 in nginx",
    "open: nothing stands against this image (1 of 2 layers were there already)",
    "200: sha256:",
    "the repaired image: readers keep what was served",
    "refused: CVE-2021-44906 in minimist 1.2.0 is critical",
]


@pytest.mark.usefixtures("demo_layout")
def test_the_demo_refuses_repairs_opens_and_leaves_nothing_behind(own_installation: Installation) -> None:
    with_downloads(own_installation)
    done = own_installation.run("demo", "--offline", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("   ")]
    assert [line[: len(start)] for line, start in zip(lines, STORY, strict=True)] == STORY
    assert "demo-pusher" not in own_installation.ok("principal", "list")
    own_installation.ok("demo", "--clean")
    assert own_installation.status_code("demo/web:1") == 3
