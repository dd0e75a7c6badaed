"""What the command line does with a supervisor: start one in the background, wait until it serves, stop it."""

import hashlib
import http.client
import os
import select
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pratique
from pratique.core.errors import Conflict, PratiqueError, Unavailable
from pratique.core.settings import Loaded, Settings, value_of
from pratique.supervisor.launch import Launch
from pratique.supervisor.ports import can_listen, free_port, holder_of
from pratique.supervisor.runfiles import RunFiles

_TRIES = 5
"""Restarts after which `start` no longer waits for a process that ends at once."""


class StartFailed(PratiqueError):  # noqa: N818  said as the tree of errors says it
    """The server did not become ready; the message is the one of the process that gave up."""

    code = "start-failed"
    status = 500


class PortTaken(Conflict):
    """Another process listens on the port."""

    code = "port-taken"


@dataclass(frozen=True)
class Started:
    """What `start` found or did."""

    seconds: float
    already: bool


def launch_of(settings: Settings, *, foreground: bool) -> Launch:
    """Return what a supervisor for these settings is started with."""
    return Launch(
        directory=settings.data.directory,
        address=address_of(settings),
        build=build_id(),
        drain=settings.server.drain,
        log_size=settings.telemetry.log_size,
        log_files=settings.telemetry.log_files,
        foreground=foreground,
    )


def address_of(settings: Settings) -> str:
    """Return the address to open in a browser: the console's own host, to which sign-in links lead."""
    return f"https://{settings.server.host_of('console')}:{settings.server.port}"


def build_id() -> str:
    """Return a short id of the code that would run: it changes with every edit, so that a second `up` takes it."""
    digest = hashlib.sha256(pratique.__version__.encode())
    root = Path(pratique.__file__).parent
    for file in sorted(root.rglob("*.py")):
        status = file.stat()
        digest.update(f"{file.relative_to(root)} {status.st_mtime_ns} {status.st_size}\n".encode())
    return digest.hexdigest()[:16]


def start(loaded: Loaded, *, timeout: float = 60.0) -> Started:
    """Have the server run with these settings and this code, and return when it is ready.

    One that runs already is left alone; if it runs older code it is stopped first. Raises StartFailed, PortTaken.
    """
    settings, begin = loaded.settings, time.monotonic()
    files = RunFiles(settings.data.directory)
    files.create()
    holder = files.holder()
    launch = launch_of(settings, foreground=False)
    current = holder is not None and holder.get("build") == launch.build and holder.get("address") == launch.address
    if holder is not None and not current:
        stop(files, timeout=settings.server.drain + 10)
    if not current:
        check_port(settings)
        _spawn(launch, files, environment_of(loaded))
    wait_ready(settings, files, timeout)
    return Started(time.monotonic() - begin, current)


def check_port(settings: Settings) -> None:
    """Raise PortTaken with the name of the process that holds the port, and a port that is free."""
    host, port = settings.server.host, settings.server.port
    if port == 0 or can_listen(host, port):
        return
    other = free_port(host, port)
    raise PortTaken(
        f"port {port} is held by {holder_of(port) or 'another process'}",
        remedy=f"stop it, or take another port:  PRATIQUE_SERVER__PORT={other} make up",
    )


def environment_of(loaded: Loaded) -> dict[str, str]:
    """Return the environment for the server: settings that are paths no longer depend on the working folder."""
    environment = dict(os.environ)
    for key, source in loaded.sources.items():
        value = value_of(loaded.settings, key)
        if source in environment and isinstance(value, Path):
            environment[source] = str(value)
    if loaded.file_exists:
        environment["PRATIQUE_CONFIG"] = str(loaded.file)
    if loaded.settings.keys.unseal_file is not None:  # the key process reads no settings file
        environment["PRATIQUE_KEYS__UNSEAL_FILE"] = str(loaded.settings.keys.unseal_file.absolute())
    environment["PRATIQUE_DATA__DIRECTORY"] = str(loaded.settings.data.directory)
    return environment


def exec_foreground(loaded: Loaded) -> None:
    """Become the supervisor: nothing of the command line stays in memory. Does not return."""
    check_port(loaded.settings)
    command = supervisor_command(launch_of(loaded.settings, foreground=True))
    os.execve(command[0], command, environment_of(loaded))  # noqa: S606  an argument list, on purpose


def supervisor_command(launch: Launch) -> list[str]:
    return [sys.executable, "-m", "pratique.supervisor", *launch.words()]


def _spawn(launch: Launch, files: RunFiles, environment: Mapping[str, str]) -> None:
    log = os.open(files.logs / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        subprocess.Popen(
            supervisor_command(launch),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(environment),
            cwd=files.directory,
            start_new_session=True,
        )
    finally:
        os.close(log)


def wait_ready(settings: Settings, files: RunFiles, timeout: float) -> None:
    """Return when `/readyz` is green; raises StartFailed with the reason that was kept, as soon as there is one."""
    end = time.monotonic() + timeout
    seen = False
    while time.monotonic() < end:
        if probe(settings):
            return
        status, holder = files.read_status(), files.holder()
        seen = seen or holder is not None
        if seen and (holder is None or status.get("pid") == holder.get("pid")):
            _raise_failure(status, files)
        time.sleep(0.05)
    reason = _kept_failure(files) or f"the server is not ready after {timeout:.0f} s"
    raise StartFailed(reason, remedy=f"read the logs in {files.logs}")


def _raise_failure(status: Mapping[str, Any], files: RunFiles) -> None:
    """Raise if the supervisor has given up, or a process ends again and again."""
    if status.get("message"):
        message, _, remedy = str(status["message"]).partition("\n")
        raise StartFailed(message, remedy=remedy.strip() or f"read the logs in {files.logs}")
    for process in status.get("processes", ()):
        if process["restarts"] >= _TRIES:
            kept = _kept_failure(files)
            name = kept.partition(" ")[0] if kept.startswith(("api ", "worker ")) else process["name"]
            reason = kept or f"the process {name} ends again and again{last_words(files, name)}"
            raise StartFailed(reason, remedy=f"read {files.logs}/{name}.log; `pratique down` ends the tries")


def last_words(files: RunFiles, name: str, lines: int = 8) -> str:
    """Return the end of a process's log to print below a message; of the supervisor's where that process has none."""
    for log in (files.logs / f"{name}.log", files.logs / "supervisor.log"):
        try:
            with log.open("rb") as stream:
                stream.seek(max(0, log.stat().st_size - 16 * 1024))
                found = [line for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
        except OSError:
            continue
        if found:
            return f"; the last lines of {log}:\n" + "\n".join(f"  {line[:300]}" for line in found[-lines:])
    return ""


def _kept_failure(files: RunFiles) -> str:
    try:
        return files.failure.read_text().strip()
    except OSError:
        return ""


def probe(settings: Settings, path: str = "/readyz") -> bool:
    """Whether the server on this machine answers 200. Its certificate is not checked: no secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.server.host, settings.server.host)  # noqa: S104
    port = RunFiles(settings.data.directory).port() or settings.server.port
    connection = http.client.HTTPSConnection(host, port, timeout=5, context=context)
    try:
        connection.request("GET", path, headers={"Host": f"{settings.server.domain}:{port}"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop(files: RunFiles, *, timeout: float) -> bool:
    """Stop the supervisor that holds the lock and wait for its end; False where none runs."""
    holder = files.holder()
    if holder is None:
        return False
    try:
        descriptor = os.pidfd_open(int(holder["pid"]))
    except (ProcessLookupError, KeyError):
        return False
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        if not poller.poll(timeout * 1000):
            raise Unavailable(
                f"the server is still stopping after {timeout:.0f} s", remedy="wait, or run the same command again"
            )
    finally:
        os.close(descriptor)
    return True


def reload(files: RunFiles) -> bool:
    """Have the server read its certificate again; False where none runs."""
    holder: dict[str, Any] | None = files.holder()
    if holder is None:
        return False
    os.kill(int(holder["pid"]), signal.SIGHUP)
    return True
