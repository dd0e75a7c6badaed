"""Starting and stopping of the supervisor's children: the key process and the forking process, and those it forks."""

import os
import signal
import socket
import sys
from collections.abc import Callable

from pratique.supervisor.children import Child
from pratique.supervisor.launch import Launch
from pratique.supervisor.logs import LogPipe, RotatedFile

_MESSAGE = 4096
FORKED = ("prepare", "api", "worker")
SPAWNED = ("keys", "fork")


class Family:
    """Every child of one supervisor, by name; starts and signals them, and hears of their ends.

    `keys` and `fork` are direct children; `prepare`, `api` and `worker` are forked by `fork` on command. When `fork`
    ends, the kernel has killed its children with it.
    """

    def __init__(self, launch: Launch, clock: Callable[[], float]) -> None:
        self._launch, self._clock = launch, clock
        self.children = {name: Child(name) for name in (*SPAWNED, *FORKED)}
        self.channel: socket.socket | None = None
        self.pipes = {name: self._pipe(name) for name in self.children}
        self.forking = False

    def __getitem__(self, name: str) -> Child:
        return self.children[name]

    def start(self, name: str) -> None:
        """Start a child that is due."""
        if name in FORKED:
            self[name].asked()
            self._tell(f"start {name}")
        elif name == "keys":
            arguments = ["pratique.supervisor.spawned", str(os.getpid()), "keys", "pratique.core.keys.process"]
            self._spawn(name, [*arguments, "--state", str(self._launch.directory)], {})
        else:
            self._start_forking()

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a child if it lives."""
        child = self[name]
        if child.pid is None:
            return
        if name in FORKED:
            self._tell(f"signal {name} {number}")
        else:
            os.kill(child.pid, number)

    def reap(self) -> list[tuple[str, int]]:
        """Return name and exit code of each direct child that has ended, and of those that ended with it."""
        ended = []
        for name in SPAWNED:
            pid = self[name].pid
            if pid is None:
                continue
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                ended.append((name, os.waitstatus_to_exitcode(status)))
                if name == "fork":
                    ended += self._forked_ended()
        return ended

    def hear(self) -> list[list[str]]:
        """Return what the forking process says, one list of words for each message."""
        messages = []
        while self.channel is not None:
            try:
                message = self.channel.recv(_MESSAGE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except ConnectionError:
                message = b""
            if not message:
                self._hang_up()
                break
            messages.append(message.decode().split())
        return messages

    def living(self) -> list[str]:
        return [name for name, child in self.children.items() if child.pid is not None]

    def close(self) -> None:
        for pipe in self.pipes.values():
            pipe.drain()

    def _start_forking(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel, self.forking = ours, False
        words = ["pratique.supervisor.zygote", str(os.getpid()), "10"]
        inherit = {theirs.fileno(): 10}
        for number, name in enumerate(FORKED, start=11):
            words.append(f"{name}={number}")
            inherit[self.pipes[name].write_end] = number
        self._spawn("fork", words, inherit)
        theirs.close()

    def _spawn(self, name: str, words: list[str], inherit: dict[int, int]) -> None:
        pipe = self.pipes[name].write_end
        # Through high numbers first: a source could otherwise be overwritten before it is copied.
        safe = {source: 100 + number for number, source in enumerate(inherit)}
        actions: list[tuple[int, int, int]] = [(os.POSIX_SPAWN_DUP2, source, high) for source, high in safe.items()]
        actions += [(os.POSIX_SPAWN_DUP2, safe[source], target) for source, target in inherit.items()]
        closing = [(os.POSIX_SPAWN_CLOSE, high) for high in safe.values()]
        streams = [(os.POSIX_SPAWN_DUP2, pipe, 1), (os.POSIX_SPAWN_DUP2, pipe, 2)]
        command = [sys.executable, "-m", *words]
        pid = os.posix_spawn(
            sys.executable,
            command,
            {**os.environ, "PYTHONUNBUFFERED": "1"},
            file_actions=[*actions, *closing, *streams],
            setpgroup=0,  # Ctrl-C in a terminal reaches the supervisor alone
            setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE),
        )
        self[name].started(pid, self._clock())

    def _forked_ended(self) -> list[tuple[str, int]]:
        self._hang_up()
        return [
            (name, -signal.SIGKILL) for name in FORKED if self[name].pid is not None or self[name].state == "starting"
        ]

    def _hang_up(self) -> None:
        self.forking = False
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def _tell(self, text: str) -> None:
        if self.channel is not None:
            try:
                self.channel.send(text.encode())
            except OSError:
                self._hang_up()

    def _pipe(self, name: str) -> LogPipe:
        launch = self._launch
        path = launch.directory / "logs" / f"{name}.log"
        return LogPipe(name, RotatedFile(path, launch.log_size, launch.log_files), echo=launch.foreground)
