import subprocess
import sys
from pathlib import Path

from tests.repository.files import ROOT


def test_domains_import_only_lower_ones() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_command_line_imports_nothing_heavy_for_its_help() -> None:
    program = "import sys; from pratique.cli import main; main.main(['--help'])"
    check = (
        "import atexit, sys; atexit.register(lambda: print(sorted(set(sys.modules) & "
        "{'rich', 'sqlalchemy', 'cryptography', 'fastapi', 'granian', 'msgspec', 'httpx2'}), file=sys.stderr))"
    )
    done = subprocess.run([sys.executable, "-c", f"{check}\n{program}"], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "recommendations" in done.stdout


def test_every_command_can_be_loaded() -> None:
    program = (
        "from pratique.cli.main import COMMANDS\n"
        "from pratique.cli.lazy import load_command\n"
        "for section in COMMANDS.values():\n"
        "    for name, entry in section.items():\n"
        "        load_command(name, entry)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_server_is_up_before_what_only_its_management_api_needs_is_imported() -> None:
    program = (
        "import sys, pratique.app; print(sorted(set(sys.modules) & {'fastapi', 'pydantic', 'alembic', 'sigstore'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
