"""Threads of one plane: a bounded number runs, a bounded number waits, the rest is told to come back."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from pratique.core.errors import Busy
from pratique.core.telemetry import METRICS

P = ParamSpec("P")
T = TypeVar("T")

WAITING_PER_THREAD = 8

_shed = METRICS.counter(
    "pratique_http_shed_total",
    "Requests answered 503 because the threads of their plane were taken.",
    unit="requests",
    labels=("plane",),
)


class ThreadLimiter:
    """Runs blocking calls of one plane, so that a flood on one plane cannot take the threads of another."""

    def __init__(self, plane: str, threads: int, *, waiting: int | None = None) -> None:
        self._plane = plane
        self._limit = threads + (threads * WAITING_PER_THREAD if waiting is None else waiting)
        self._taken = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"http-{plane}")

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call in a thread of this plane; raises Busy when too many wait already."""
        if self._taken >= self._limit:
            _shed.add(plane=self._plane)
            raise Busy("the server is at its limit for requests of this kind", retry_after=1.0)
        return await self.continue_with(call, *args, **kwargs)

    async def continue_with(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the next step of work that was let in already: it waits for a thread and is never turned away."""
        self._taken += 1
        future = self._pool.submit(call, *args, **kwargs)
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Begin no further call; those that run are not interrupted."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _release(self, _: object) -> None:
        # Runs in the worker thread; the interpreter lock makes one decrement safe enough for a limit, and it is
        # counted when the call has ended, not when its request was cancelled.
        self._taken -= 1
