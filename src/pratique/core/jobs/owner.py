"""Names a running worker so that its neighbours can tell when it has ended."""

import os
from pathlib import Path


def this_owner() -> str:
    """Return boot, process namespace, process id and start time of this process."""
    return f"{_boot()}/{_namespace()}/{os.getpid()}/{_started(os.getpid())}"


def has_ended(owner: str) -> bool:
    """Whether `owner` is certain to run no more; False when it cannot be seen from here."""
    boot, namespace, process, started = (*owner.split("/"), "", "", "", "")[:4]
    if namespace != _namespace() or boot != _boot() or not boot or not process.isdigit():
        return False
    return _started(int(process)) != started


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")  # noqa: PTH115  a magic link, not a path
    except OSError:
        return ""


def _started(process: int) -> str:
    """Return the start time of a process in clock ticks since boot, '' if there is none or it is a zombie."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
