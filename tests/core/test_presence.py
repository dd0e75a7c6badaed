import subprocess
import sys
from pathlib import Path

from pratique.core.presence import Presence

CHILD = """
import sys, time
from pathlib import Path
from pratique.core.presence import Presence
presence = Presence(Path(sys.argv[1]))
presence.announce("worker")
print("here", flush=True)
time.sleep(60)
"""


def test_a_process_is_present_until_it_ends_however_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert not Presence(folder).is_here("worker")
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "here\n"
    assert Presence(folder).is_here("worker")
    assert not Presence(folder).is_here("api")
    for left, child in zip((True, False), children, strict=True):
        child.kill()
        child.communicate()
        assert Presence(folder).is_here("worker") is left
