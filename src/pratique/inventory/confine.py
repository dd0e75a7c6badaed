"""Takes from the calling process what a reader of foreign bytes does not need, and says what held.

Each measure is tried on its own: kernels and containers differ in what they allow, and `ReaderPool.capabilities` shows
the outcome. Descriptors that are open stay usable; files, network, new processes and more memory are gone.
"""

import ctypes
import os
import resource
import struct
from collections.abc import Callable
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_NEW_USER, _NEW_NET, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_NO_NEW_PRIVILEGES, _DUMPABLE = 38, 4
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_NOBODY: Final = 65534
# Every right that version n of Landlock's ABI knows, so that a ruleset without rules denies them all.
_FILE_RIGHTS: Final = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}
_NETWORK_RIGHTS: Final = 0x3
_SCOPES: Final = 0x3


def confine(memory_bytes: int) -> dict[str, str]:
    """Confines this process for good; gives each measure with `held` or the reason why it did not."""
    measures: tuple[tuple[str, Callable[[], None]], ...] = (
        ("no-new-privileges", _no_new_privileges),
        ("not-dumpable", lambda: _checked(_LIBC.prctl(_DUMPABLE, 0, 0, 0, 0))),
        ("network-namespace", _leave_network),
        ("user", _drop_user),
        ("landlock", _landlock),
        ("limits", lambda: _limit(memory_bytes)),
    )
    return {name: _tried(measure) for name, measure in measures}


def _tried(measure: Callable[[], None]) -> str:
    try:
        measure()
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__
    return "held"


def _checked(result: int) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _no_new_privileges() -> None:
    _checked(_LIBC.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))


def _leave_network() -> None:
    """An empty network namespace; a plain user gets one only inside a user namespace of its own."""
    spaces = _NEW_NET | _NEW_IPC
    _checked(_LIBC.unshare(spaces if os.geteuid() == 0 else spaces | _NEW_USER))


def _drop_user() -> None:
    """Root becomes nobody. Anyone else keeps an account that the other measures leave powerless."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _landlock() -> None:
    version = int(_LIBC.syscall(_CREATE_RULESET, None, 0, 1))
    if version < 1:
        raise OSError("the kernel has no Landlock, or it is switched off")
    attribute = struct.pack(
        "=QQQ",
        _FILE_RIGHTS[min(version, max(_FILE_RIGHTS))],
        _NETWORK_RIGHTS if version >= 4 else 0,
        _SCOPES if version >= 6 else 0,
    )[: 24 if version >= 6 else 16 if version >= 4 else 8]
    ruleset = int(_LIBC.syscall(_CREATE_RULESET, attribute, len(attribute), 0))
    _checked(ruleset)
    try:
        _checked(_LIBC.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _limit(memory_bytes: int) -> None:
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 16),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def limit_cpu(seconds: float) -> None:
    """Ends the process when it uses this much more processor time: a net under the parent's own clock."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
