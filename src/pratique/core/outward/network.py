"""Connections to numbers that were checked, with an end: a peer that drips bytes is cut off like one that is silent."""

import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore2

from pratique.core.outward.addresses import OutwardRules, Resolver

_SOCKET_OPTION = Any


class Deadline(threading.local):
    """The instant at which the request of this thread has to have its answer's head; far away by default."""

    at: float = float("inf")

    def shorten(self, timeout: float | None) -> float:
        """Return the seconds that one operation may still take; raises ReadTimeout when none are left."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the time for the whole request is over")
        return left if timeout is None else min(timeout, left)


class CheckedBackend(httpcore2.NetworkBackend):
    """Resolves a host, checks every number, and connects to one of exactly those. TLS still proves the name."""

    def __init__(self, rules: OutwardRules, resolver: Resolver, deadline: Deadline) -> None:
        self._rules = rules
        self._resolver = resolver
        self._deadline = deadline
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        failure: Exception | None = None
        for number in self._rules.addresses(host, port, self._resolver):
            try:
                stream = self._sockets.connect_tcp(
                    number, port, self._deadline.shorten(timeout), local_address, socket_options
                )
                return _TimedStream(stream, self._deadline)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError(f"{host} has no address")

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore2.NetworkStream:
        raise httpcore2.UnsupportedProtocol("sockets of this machine are not asked")


class _TimedStream(httpcore2.NetworkStream):
    """A stream none of whose operations outlives the deadline of the thread that asks."""

    def __init__(self, inner: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.shorten(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.shorten(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._deadline.shorten(timeout))
        return _TimedStream(inner, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
