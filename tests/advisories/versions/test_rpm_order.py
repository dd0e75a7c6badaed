"""RPM's order agrees with rpm itself on tens of thousands of pairs."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.advisories.versions.pairs import composed, neighbours, order

PAIRS = 40_000
SCRIPT = (
    '%{lua: for line in io.lines("PAIRS") do local a, b = line:match("(.-)\\t(.*)") print(rpm.vercmp(a, b) .. " ") end}'
)
WORDS = ("0", "1", "9", "10", "007", "a", "b", "Z", "rc1", "~", "^", ".", ".", ".", "_", "+", "git20", "el8", "el9_2")


def rpm_version(rand: random.Random) -> str:
    epoch = rand.choice(("", "", "", "0:", "1:", "10:"))
    return epoch + composed(rand, WORDS, 5) + "-" + composed(rand, WORDS, 3)


@pytest.mark.skipif(shutil.which("rpm") is None, reason="rpm is absent")
def test_rpm_order_is_that_of_rpm(tmp_path: Path) -> None:
    pairs = neighbours(1, rpm_version, "0123456789abZ.~^_+", PAIRS)
    pairs = [pair for pair in pairs if all(text.count("-") == 1 and not text.startswith("-") for text in pair)]
    (tmp_path / "pairs").write_text("".join(f"{left}\t{right}\n" for left, right in pairs))
    script = SCRIPT.replace("PAIRS", str(tmp_path / "pairs"))
    said = subprocess.run(["rpm", "--eval", script], capture_output=True, text=True, check=True).stdout.split()
    assert len(said) == len(pairs) > 0.8 * PAIRS
    wrong = [
        (pair, answer)
        for pair, answer in zip(pairs, said, strict=True)
        if (ours := order("rpm", *pair)) is not None and ours != int(answer)
    ]
    assert wrong == []
    assert sum(order("rpm", *pair) is None for pair in pairs) < len(pairs) / 20
