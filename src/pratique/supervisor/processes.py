"""The entry points of forked processes: what each imports beforehand and what it runs."""

import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pratique.core.errors import PratiqueError
from pratique.core.settings import load
from pratique.supervisor.children import REFUSED
from pratique.supervisor.runfiles import RunFiles

_APPLICATION = os.environ.get("PRATIQUE_APPLICATION", "pratique.app")
"""The composition root; tests of the supervisor put a small one in its place."""


def preload() -> None:
    """Import what API and worker share; opens nothing, so that a fork inherits neither threads nor connections."""
    # structlog imports rich for coloured traces if it can: 0.1 s and 8 MB that a server has no use for.
    hidden: dict[str, Any] = {"rich": None}  # None is how an import is made to fail
    sys.modules.update(hidden)
    try:
        import_module(_APPLICATION)
    finally:
        del sys.modules["rich"]


def prepare() -> None:
    """Create or upgrade the database and the certificate; returns quickly when there is nothing to do."""
    _application().prepare(load())


def run_api() -> None:
    """Serve until SIGTERM."""
    _application().serve(load())


def run_worker() -> None:
    """Work until SIGTERM."""
    _application().work(load())


ENTRIES: dict[str, Callable[[], None]] = {"prepare": prepare, "api": run_api, "worker": run_worker}


def run(name: str) -> int:
    """Run an entry and return the exit code; an error with a remedy is kept for `pratique up` to show."""
    try:
        ENTRIES[name]()
    except PratiqueError as error:
        sys.stderr.write(f"{name}: {error.message}\n  {error.remedy}\n")
        _keep(f"{error.message}\n  {error.remedy}".strip())
        return REFUSED
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException as error:  # noqa: BLE001  the edge of the process: the log gets the trace
        traceback.print_exc()
        _keep(f"{name} failed: {type(error).__name__}: {error}")
        return 1
    return 0


def _keep(text: str) -> None:
    try:
        file = RunFiles(load().data.directory).failure
        file.write_text(text)
        file.chmod(0o600)
    except (OSError, PratiqueError):
        os.write(2, b"the failure could not be kept in the run folder\n")


def _application() -> Any:
    # Not a static import: the supervisor stands beside the composition root, and must not load it by accident.
    return import_module(_APPLICATION)
