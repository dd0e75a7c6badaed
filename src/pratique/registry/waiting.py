"""Waits for gates without holding a thread or a transaction: woken by hints, and polling because hints may be lost."""

import asyncio
import time
from collections.abc import Callable

from pratique.core.database import Database
from pratique.core.telemetry import METRICS
from pratique.registry.pulls import is_undecided

FIRST_POLL = 0.2
LAST_POLL = 1.0

_waiting = METRICS.gauge("pratique_registry_waiting_pulls", "Pulls that wait for a gate.", unit="requests")


class GateWaiter:
    """Lets pulls of what is held wait for the verdict."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._woken: dict[int, set[asyncio.Event]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def decided(self, manifest_id: int, seconds: float) -> None:
        """Return when somebody has judged, the manifest is gone, or the time is over."""
        self._listen()
        event = asyncio.Event()
        self._woken.setdefault(manifest_id, set()).add(event)
        try:
            await self._until(lambda: self._decided(manifest_id), seconds, event)
        finally:
            waiters = self._woken[manifest_id]
            waiters.discard(event)
            if not waiters:
                del self._woken[manifest_id]

    async def until(self, reached: Callable[[], bool], seconds: float) -> None:
        """Return when `reached` (one cheap read) is true, or the time is over."""
        await self._until(reached, seconds, asyncio.Event())

    async def _until(self, reached: Callable[[], bool], seconds: float, event: asyncio.Event) -> None:
        end, pause = time.monotonic() + seconds, FIRST_POLL
        _waiting.add(1)
        try:
            while not reached() and (left := end - time.monotonic()) > 0:
                await _pause(event, min(pause, left))
                pause = min(pause * 1.5, LAST_POLL)
        finally:
            _waiting.add(-1)

    def _decided(self, manifest_id: int) -> bool:
        return not self._database.read_here(lambda tx: is_undecided(tx, manifest_id))

    def _listen(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._database.hints.listen("gate:", self._hinted)

    def _hinted(self, topic: str) -> None:
        loop, number = self._loop, topic.partition(":")[2]
        if loop is not None and number.isdigit() and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake, int(number))

    def _wake(self, manifest_id: int) -> None:
        for event in self._woken.get(manifest_id, ()):
            event.set()


async def _pause(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
    event.clear()
