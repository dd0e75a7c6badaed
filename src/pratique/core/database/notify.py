"""Hints through PostgreSQL's NOTIFY, gathered so that a busy writer sends at most twenty a second."""

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable, Iterator

import psycopg
import sqlalchemy as sa

from pratique.core.database.hints import Hints, Listener
from pratique.core.ids import new_id

_LOG = logging.getLogger("pratique.database")
_CHANNEL = "pratique"
_PAUSE = 0.05
_PAYLOAD = 7000
_RECONNECT = 2.0


class NotifyHints(Hints):
    """Topics go out on a connection of their own, after the commit: NOTIFY inside a commit takes a global lock."""

    def __init__(self, url: sa.URL) -> None:
        super().__init__(None)
        self._url = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._sender = new_id()
        self._pending: set[str] = set()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._pipe = os.pipe()

    def listen(self, prefix: str, listener: Listener) -> Callable[[], None]:
        self._begin("listen", self._receive_notices)
        return super().listen(prefix, listener)

    def transmit(self, topics: list[str]) -> None:
        with self._guard:
            self._pending.update(topics)
        self._begin("notify", self._transmit)
        self._wake.set()

    def close(self) -> None:
        super().close()
        self._stop.set()
        self._wake.set()
        os.write(self._pipe[1], b"x")
        for thread in self._threads.values():
            thread.join()
        for descriptor in self._pipe:
            os.close(descriptor)

    def _begin(self, name: str, run: Callable[[], None]) -> None:
        with self._guard:
            if name not in self._threads and not self._stop.is_set():
                self._threads[name] = threading.Thread(target=self._keep, args=(run,), name=name, daemon=True)
                self._threads[name].start()

    def _keep(self, run: Callable[[], None]) -> None:
        """Run until stopped, connecting again after a pause whenever the connection is lost."""
        while not self._stop.is_set():
            try:
                run()
            except psycopg.Error as error:
                _LOG.info("hints wait for the database: %s", error)
                self._stop.wait(_RECONNECT)

    def _transmit(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._stop.is_set():
                self._wake.wait()
                self._wake.clear()
                with self._guard:
                    topics, self._pending = sorted(self._pending), set()
                for payload in _payloads(self._sender, topics):
                    connection.execute("SELECT pg_notify(%s, %s)", (_CHANNEL, payload))
                self._stop.wait(_PAUSE)

    def _receive_notices(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"LISTEN {_CHANNEL}")
            waiter = select.poll()
            for descriptor in (connection.fileno(), self._pipe[0]):
                waiter.register(descriptor, select.POLLIN)
            while not self._stop.is_set():
                waiter.poll()
                for notification in connection.notifies(timeout=0):
                    sender, *topics = notification.payload.split("\n")
                    if sender != self._sender:
                        with contextlib.suppress(Exception):
                            self.deliver(topics)


def _payloads(sender: str, topics: list[str]) -> Iterator[str]:
    batch, size = [sender], 0
    for topic in topics:
        if size + len(topic.encode()) > _PAYLOAD:
            yield "\n".join(batch)
            batch, size = [sender], 0
        batch.append(topic)
        size += len(topic.encode()) + 1
    if len(batch) > 1:
        yield "\n".join(batch)
