"""Who holds a TCP port: read from the kernel's own tables, no tool needed."""

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


@dataclass(frozen=True)
class Holder:
    """The process behind a listening port; `pid` is None where the kernel does not let this user see it."""

    port: int
    pid: int | None
    command: str
    user: str

    def __str__(self) -> str:
        if self.pid is None:
            return f"a process of user {self.user}"
        return f"{self.command} (process {self.pid}, user {self.user})"


def can_listen(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def holder_of(port: int) -> Holder | None:
    """Return who listens on a port on any address, or None where nobody does."""
    for inode, account in _listeners(port):
        pid = _process_with(inode)
        command = _command(pid) if pid is not None else ""
        return Holder(port, pid, command, _user(account))
    return None


def free_port(host: str, after: int) -> int:
    """Return a port near `after` that is free."""
    return next((port for port in range(after + 1, min(after + 100, 65536)) if can_listen(host, port)), 0)


def _listeners(port: int) -> Iterator[tuple[str, int]]:
    for table in _TABLES:
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9], int(columns[7])


def _process_with(inode: str) -> int | None:
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(link.readlink()) == wanted for link in (process / "fd").iterdir()):
                return int(process.name)
        except OSError:  # gone meanwhile, or another user's
            continue
    return None


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "a process"


def _user(account: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(account).pw_name
    except KeyError:
        return str(account)
