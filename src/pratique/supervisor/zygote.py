"""A process that has imported everything and forks API and worker from itself, so that they share those pages.

`python -m pratique.supervisor.zygote PARENT CHANNEL NAME=LOG …`, where CHANNEL and LOG are inherited descriptors.
Commands on the channel: `start NAME`, `signal NAME NUMBER`. Answers: `ready`, `started NAME PID`, `exited NAME CODE`.
"""

import gc
import os
import select
import signal
import socket
import sys
import threading

from pratique.supervisor.parent import die_with_parent, set_name
from pratique.supervisor.processes import preload, run

_MESSAGE = 4096
_CATCHABLE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Zygote:
    """Forks on command; never runs anything of the application itself, so it has one thread and holds nothing."""

    def __init__(self, channel: socket.socket, logs: dict[str, int]) -> None:
        self._channel, self._logs = channel, logs
        self._children: dict[int, str] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def run(self) -> None:
        """Serve commands until the supervisor closes the channel."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(ignored, signal.SIG_IGN)  # the supervisor decides, and it speaks on the channel
        preload()
        gc.collect()
        gc.freeze()
        self._say("ready")
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        poller.register(self._wake_read, select.POLLIN)
        while self._step({descriptor for descriptor, _ in poller.poll()}):
            pass

    def _step(self, ready: set[int]) -> bool:
        if self._wake_read in ready:
            os.read(self._wake_read, _MESSAGE)
            self._reap()
        if self._channel.fileno() not in ready:
            return True
        message = self._channel.recv(_MESSAGE)
        if message:
            self._obey(message.decode().split())
        return bool(message)

    def _obey(self, words: list[str]) -> None:
        if words[0] == "start":
            self._start(words[1])
        elif words[0] == "signal":
            for pid, name in self._children.items():
                if name == words[1]:
                    os.kill(pid, int(words[2]))

    def _start(self, name: str) -> None:
        assert threading.active_count() == 1, "a module starts a thread when it is imported"  # noqa: S101
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._children[pid] = name
            self._say(f"started {name} {pid}")
            return
        code = 1
        try:
            self._become(name, parent)
            code = run(name)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _become(self, name: str, parent: int) -> None:
        die_with_parent(parent)
        set_name(f"pratique-{name}")
        signal.set_wakeup_fd(-1)
        for number in _CATCHABLE:
            signal.signal(number, signal.SIG_DFL)
        self._channel.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
        for stream in (1, 2):
            os.dup2(self._logs[name], stream)
        for descriptor in self._logs.values():
            os.close(descriptor)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            name = self._children.pop(pid, "")
            if name:
                self._say(f"exited {name} {os.waitstatus_to_exitcode(status)}")

    def _say(self, text: str) -> None:
        self._channel.send(text.encode())


def main() -> None:
    parent, channel = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(parent)
    set_name("pratique-fork")
    logs = {name: int(descriptor) for name, _, descriptor in (word.partition("=") for word in sys.argv[3:])}
    for descriptor in (channel, *logs.values()):
        os.set_inheritable(descriptor, False)
    Zygote(socket.socket(fileno=channel), logs).run()


if __name__ == "__main__":
    main()
