"""What runs now: every process of the tree with its memory, and whether the server is ready."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pratique.core.settings import Settings
from pratique.supervisor.runfiles import RunFiles

_KIB = 1024


def report(settings: Settings) -> dict[str, Any]:
    """Return state, address, folder and processes; `state` is `stopped` where no supervisor holds the lock."""
    files = RunFiles(settings.data.directory)
    holder = files.holder()
    base = {"state": "stopped", "ready": False, "data": str(settings.data.directory), "processes": []}
    if holder is None:
        return base
    from pratique.supervisor.control import probe

    status = files.read_status()
    pid = int(holder["pid"])
    processes = [_process("supervisor", pid, {}), *_children(status)]
    return {
        **base,
        "state": status.get("state", "starting"),
        "ready": probe(settings),
        "address": holder.get("address", ""),
        "started": holder.get("started"),
        "memory": sum(process["memory"] or 0 for process in processes),
        "processes": processes,
    }


def _children(status: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in status.get("processes", []):
        yield _process(entry["name"], entry["pid"], entry)
        for pid in _descendants(entry["pid"]) if entry["name"] == "worker" and entry["pid"] else ():
            yield _process("reader", pid, {})


def _process(name: str, pid: int | None, entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "pid": pid,
        "state": entry.get("state", "running"),
        "restarts": entry.get("restarts", 0),
        "memory": None if pid is None else memory_of(pid),
    }


def memory_of(pid: int) -> int | None:
    """Return the bytes that a process adds to the machine: its proportional share, or all it holds if that is hidden.

    The key process hides its maps, so that of it the resident size is counted, which is more.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * _KIB
    except (OSError, StopIteration):
        pass
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4 * _KIB
    except OSError:
        return None


def _descendants(pid: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield int(child)
        yield from _descendants(int(child))
