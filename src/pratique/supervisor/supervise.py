"""The supervisor: keeps the key process, API and worker alive, stops them in order, and leaves nothing behind."""

import os
import select
import signal
import sys
import time
from pathlib import Path

from pratique.supervisor.children import Child
from pratique.supervisor.family import FORKED, SPAWNED, Family
from pratique.supervisor.launch import Launch
from pratique.supervisor.runfiles import RunFiles

SERVING = ("api", "worker")
_GRACE = 2.0
_IDLE = 60.0


class Supervisor:
    """One run, from the first start to the end of the last child.

    Invariants: it runs only while it holds the lock; API and worker start only after `prepare` has succeeded in this
    life of the forking process; on stop they end before the key process, and nothing that ends is started again.
    """

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._files = RunFiles(launch.directory)
        self._family = Family(launch, time.monotonic)
        self._state = "starting"
        self._message = ""
        self._stop_at: float | None = None
        self._refresh_at = time.monotonic() + launch.refresh
        self._certificate = 0
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._signals: set[int] = set()
        self._shown = ""

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; returns the exit code."""
        self._files.failure.unlink(missing_ok=True)
        self._listen()
        now = time.monotonic()
        for name in SPAWNED:
            self._family[name].want(now)
        while self._state != "stopped":
            self._step()
        self._family.close()
        self._show()
        return 1 if self._message else 0

    def _step(self) -> None:
        self._obey_signals()
        self._hear()
        now = time.monotonic()
        if self._state == "stopping":
            self._go_on_stopping(now)
        else:
            self._refresh(now)
            self._start_due(now)
        self._show()
        if self._state != "stopped":
            self._wait(now)

    # Events

    def _listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda number, _frame: self._signals.add(number))
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def _wait(self, now: float) -> None:
        poller = select.poll()
        pipes = {pipe.read_end: pipe for pipe in self._family.pipes.values()}
        for descriptor in (self._wake_read, *pipes):
            poller.register(descriptor, select.POLLIN)
        if self._family.channel is not None:
            poller.register(self._family.channel, select.POLLIN)
        for descriptor, _ in poller.poll(self._timeout(now) * 1000):
            if descriptor == self._wake_read:
                os.read(self._wake_read, 4096)
            elif descriptor in pipes:
                pipes[descriptor].pump()

    def _timeout(self, now: float) -> float:
        waits = [wait for child in self._family.children.values() if (wait := child.wait(now)) is not None]
        waits.append(max(0.0, (self._refresh_at if self._stop_at is None else self._stop_at) - now))
        blocked = not self._family.forking and self._state != "stopping"
        return max(0.02, min([*waits, _IDLE])) if not blocked else 0.5

    def _obey_signals(self) -> None:
        signals, self._signals = self._signals, set()
        if signals & {signal.SIGTERM, signal.SIGINT}:
            self._stop(again=self._state == "stopping")
        if signal.SIGHUP in signals:
            self._family.signal("api", signal.SIGHUP)

    def _hear(self) -> None:
        for words in self._family.hear():
            self._heard(words)
        for name, code in self._family.reap():
            self._ended(name, code)

    def _heard(self, words: list[str]) -> None:
        now = time.monotonic()
        if words[0] == "ready":
            self._family.forking = True
            self._family["prepare"].want(now)
        elif words[0] == "started":
            self._family[words[1]].started(int(words[2]), now)
        elif words[0] == "exited":
            self._ended(words[1], int(words[2]))

    def _ended(self, name: str, code: int) -> None:
        child, now = self._family[name], time.monotonic()
        running = self._state in {"starting", "running"}
        self._say(f"{name} ended with {code}" if name != "prepare" or code else "prepared")
        child.exited(code, now, again=running and name != "prepare" and (name in SPAWNED or self._family.forking))
        if name == "prepare" and running:
            self._prepared(code, now)
        elif running and self._gives_up(child):
            self._fail(name)

    def _refresh(self, now: float) -> None:
        """Prepare again now and then: certificates are renewed while the server runs."""
        if now >= self._refresh_at and self._family.forking:
            self._refresh_at = now + self._launch.refresh
            self._family["prepare"].want(now)

    def _prepared(self, code: int, now: float) -> None:
        serving = self._family["api"].pid is not None
        if code > 0:
            if not serving:
                self._fail("prepare")
            return
        if code < 0:  # killed: by the memory limit, or with the forking process, which will ask for it again
            if self._family.forking:
                self._family["prepare"].want(now + 1)
            return
        self._state = "running"
        if self._certificate_changed() and serving:
            self._family.signal("api", signal.SIGHUP)
        for name in SERVING:
            self._family[name].want(now)

    def _certificate_changed(self) -> bool:
        """Whether the server's certificate is another file than at the last look."""
        before = self._certificate
        try:
            self._certificate = (self._launch.directory / "tls/server.pem").stat().st_mtime_ns
        except OSError:
            self._certificate = 0
        return self._certificate != before

    def _gives_up(self, child: Child) -> bool:
        if child.name == "keys":
            return child.last_exit == 1 and child.short_lives >= 3
        return child.refused()

    # Starting and stopping

    def _start_due(self, now: float) -> None:
        for name, child in self._family.children.items():
            if child.due(now) and (name in SPAWNED or self._family.forking):
                self._family.start(name)

    def _fail(self, name: str) -> None:
        self._message = self._reason(name)
        self._say(self._message)
        self._stop(again=False)

    def _reason(self, name: str) -> str:
        try:
            return self._files.failure.read_text().strip()
        except OSError:
            log = self._launch.directory / "logs" / f"{name}.log"
            return f"{name} cannot start\n  read {log}"

    def _stop(self, *, again: bool) -> None:
        self._state = "stopping"
        for child in self._family.children.values():
            child.hold()
        names = ("prepare", *SERVING)
        for name in names:
            self._family.signal(name, signal.SIGKILL if again else signal.SIGTERM)
        self._stop_at = time.monotonic() + (0.0 if again else self._launch.drain + _GRACE)

    def _go_on_stopping(self, now: float) -> None:
        living = set(self._family.living())
        late = self._stop_at is not None and now >= self._stop_at
        if living & set(FORKED):
            if late:
                for name in FORKED:
                    self._family.signal(name, signal.SIGKILL)
                self._stop_at = now + _GRACE
        elif living:
            self._end_spawned(living, late=late, now=now)
        else:
            self._state = "stopped"

    def _end_spawned(self, living: set[str], *, late: bool, now: float) -> None:
        """End the forking process, then the keys, which the others may need until their end."""
        if "fork" in living:
            self._family.signal("fork", signal.SIGKILL)  # it holds nothing, and has no children any more
        elif not self._family["keys"].stopping:
            self._family["keys"].stopping = True
            self._family.signal("keys", signal.SIGTERM)
            self._stop_at = now + _GRACE
        elif late:
            self._family.signal("keys", signal.SIGKILL)
            self._stop_at = now + _GRACE

    # What others see

    def _show(self) -> None:
        status = {
            "pid": os.getpid(),
            "state": self._state,
            "message": self._message,
            "address": self._launch.address,
            "processes": [child.report() for child in self._family.children.values() if child.name != "prepare"],
        }
        text = repr(status)
        if text == self._shown:
            return
        self._shown = text
        try:
            self._files.write_status(status)
        except OSError as error:
            self._say(f"the status cannot be written: {error.strerror}")

    def _say(self, text: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        sys.stderr.write(f"{stamp} supervisor: {text}\n")
        sys.stderr.flush()


def supervise(launch: Launch) -> int:
    """Run a supervisor; returns 0 after a stop, 1 where it could not start, 3 where another one runs."""
    os.umask(0o077)
    files = RunFiles(Path(launch.directory))
    files.create()
    identity = {
        "pid": os.getpid(),
        "address": launch.address,
        "build": launch.build,
        "started": time.time(),
    }
    if files.acquire(identity) is None:
        print("a supervisor already runs in this state folder", file=sys.stderr)  # noqa: T201
        return 3
    return Supervisor(launch).run()
