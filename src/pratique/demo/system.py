"""Builds the system layers of the demo images from Debian packages, as dpkg would have left them.

A layer holds the files of its packages and dpkg's database of everything installed so far, so that any scanner that
reads dpkg's status file reads these images. Maintainer scripts are not run.
"""

import tarfile
from collections.abc import Sequence

from pratique.demo.debs import Deb
from pratique.demo.layers import Layer, LayerFiles
from pratique.demo.repository import parse_control

_LINKS = ("bin", "lib", "lib64", "sbin")
_STATUS = "var/lib/dpkg/status"


class System:
    """Packages installed so far; each `install` makes one layer."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._status: dict[str, str] = {}

    def copy(self) -> "System":
        """A second system that starts from what this one has."""
        twin = System(self._seconds)
        twin._status = dict(self._status)
        return twin

    def install(self, debs: Sequence[Deb], created_by: str) -> Layer:
        """Return the layer that installing these packages makes."""
        files = LayerFiles(self._seconds)
        if not self._status:
            self._root(files)
        for deb in debs:
            self._unpack(deb, files)
        _accounts(files)
        files.directory("var/lib/dpkg")
        files.file(_STATUS, "\n".join(self._status[name] for name in sorted(self._status)).encode())
        return files.build(created_by)

    def _root(self, files: LayerFiles) -> None:
        for name in _LINKS:
            files.link(name, f"usr/{name}")
            files.directory(f"usr/{name}")
        files.directory("tmp", 0o1777)
        files.file("var/lib/dpkg/info/format", b"1\n")  # lists of multi-arch packages carry the architecture

    def _unpack(self, deb: Deb, files: LayerFiles) -> None:
        fields = parse_control(deb.control)
        name = fields["Package"]
        self._status[name] = _installed(deb)
        stem = f"{name}:{fields['Architecture']}" if fields.get("Multi-Arch") == "same" else name
        files.file(f"var/lib/dpkg/info/{stem}.list", ("\n".join(deb.paths()) + "\n").encode())
        for part in ("conffiles", "md5sums", "shlibs", "triggers", "templates"):
            if part in deb.info:
                files.file(f"var/lib/dpkg/info/{stem}.{part}", deb.info[part])
        for member, body in deb.entries():
            if member.type in {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE}:
                files.add(member, body)


def _installed(deb: Deb) -> str:
    """The paragraph of an installed package: `Status` stands right after `Package`, as dpkg writes it."""
    first, _, rest = deb.control.partition("\n")
    return f"{first}\nStatus: install ok installed\n{rest}"


def _accounts(files: LayerFiles) -> None:
    """What base-passwd's script does at first: the master files become the accounts."""
    for name in ("passwd", "group"):
        master = files.body(f"usr/share/base-passwd/{name}.master")
        if master is not None:
            files.file(f"etc/{name}", master)
