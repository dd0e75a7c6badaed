"""Checks of the machine: Python, libraries, disk, memory, limits, clock, and what the reader's sandbox can use."""

import ctypes
import importlib.util
import os
import platform
import resource
import shutil
import sys
import time
from pathlib import Path

from pratique.cli.diagnosis.packages import install_line
from pratique.cli.diagnosis.result import Check, Result, fail, ok, warn
from pratique.core.settings import Settings

_MIB = 1024 * 1024
_REQUIRED = (
    "alembic",
    "argon2",
    "cryptography",
    "fastapi",
    "granian",
    "httpx2",
    "isal",
    "jinja2",
    "jwt",
    "msgspec",
    "packaging",
    "pyotp",
    "segno",
    "sqlalchemy",
    "starlette",
    "structlog",
    "typer",
    "webauthn",
    "zstandard",
)
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_CREATE_RULESET_VERSION = 1
_STA_UNSYNC = 0x40
_NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "glusterfs", "ceph"})


def python(_settings: Settings) -> Result:
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] < (3, 15) and platform.python_implementation() == "CPython":
        return ok(f"CPython {version}")
    return fail(f"{platform.python_implementation()} {version}", "CPython 3.11 to 3.14 is needed")


def libraries(settings: Settings) -> Result:
    needed = [*_REQUIRED]
    if settings.database.url.startswith("postgresql"):
        needed.append("psycopg")
    if settings.blobs.store == "s3":
        needed.append("obstore")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if not missing:
        return ok(f"all {len(needed)} are here")
    return fail("missing: " + ", ".join(missing), "`make up` installs what is missing; extras: `make environment`")


def disk(settings: Settings) -> Result:
    place = settings.data.directory
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    found = f"{free // _MIB:,} MB free for {settings.data.directory}"
    if not os.access(place, os.W_OK):
        return fail(f"{place} cannot be written", "choose another folder: PRATIQUE_DATA__DIRECTORY=PATH")
    if free < settings.data.minimum_free:
        return fail(found, f"uploads are refused below {settings.data.minimum_free // _MIB} MB: free some space")
    if free < 4096 * _MIB:
        return warn(found, "images need space: 10 GB are a good start")
    return ok(found)


def file_system(settings: Settings) -> Result:
    kind = _file_system_of(settings.data.directory)
    if kind in _NETWORK_FILE_SYSTEMS:
        return warn(
            f"the data folder is on {kind}", "SQLite needs locks that hold: use a local disk, or set database.url"
        )
    if kind == "tmpfs":
        return warn("the data folder is in memory", "its content is lost at the next start of the machine")
    return ok(kind or "local")


def memory(_settings: Settings) -> Result:
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(lines["MemAvailable"].split()[0]) // 1024
    if available < 512:
        return warn(f"{available:,} MB available", "250 MB are used when idle, and up to 300 MB more to read a layer")
    return ok(f"{available:,} MB available")


def open_files(_settings: Settings) -> Result:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1024:
        return warn(f"{soft} open files", f"raise the limit: ulimit -n {min(hard, 65536)}")
    return ok(f"{soft:,}")


def clock(_settings: Settings) -> Result:
    built = Path(__file__).stat().st_mtime
    if time.time() < built - 86400:
        return fail("the clock is older than this program", "set it: tokens and certificates depend on it")
    if _clock_is_synchronised():
        return ok("synchronised")
    return warn("nothing keeps the clock right", install_line("systemd-timesyncd", "chrony"))


def sandbox(_settings: Settings) -> Result:
    landlock = ctypes.CDLL(None, use_errno=True).syscall(
        _LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_CREATE_RULESET_VERSION
    )
    spaces = _user_namespaces()
    found = (
        f"Landlock {'version ' + str(landlock) if landlock > 0 else 'no'}, user namespaces {'yes' if spaces else 'no'}"
    )
    if landlock > 0 or spaces:
        return ok(found)
    return warn(found, "layers are still read in a child with limits; boot with lsm=landlock,… for a tighter one")


def _file_system_of(path: Path) -> str:
    best, kind = "", ""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        mount, found = line.split()[1:3]
        inside = mount == "/" or str(path) == mount or str(path).startswith(mount + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, found
    return kind


def _clock_is_synchronised() -> bool:
    buffer = ctypes.create_string_buffer(256)  # struct timex: `modes` 0 only reads; `status` stands at byte 40
    ctypes.CDLL(None).adjtimex(buffer)
    return not int.from_bytes(buffer.raw[40:44], sys.byteorder) & _STA_UNSYNC


def _user_namespaces() -> bool:
    switches = {
        "/proc/sys/user/max_user_namespaces": "0",
        "/proc/sys/kernel/unprivileged_userns_clone": "0",
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
    }
    return not any(Path(file).exists() and Path(file).read_text().strip() == off for file, off in switches.items())


HOST_CHECKS = (
    Check("python", python),
    Check("libraries", libraries),
    Check("disk", disk),
    Check("file system", file_system),
    Check("memory", memory),
    Check("open files", open_files),
    Check("clock", clock),
    Check("sandbox", sandbox),
)
