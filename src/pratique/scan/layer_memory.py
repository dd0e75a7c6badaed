"""What a process remembers of layers, so that images which are built of the same ones are not put together anew."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pratique.core.database import Transaction
from pratique.inventory.service import merge
from pratique.inventory.types import ImageInventory, LayerReport
from pratique.scan.layers import is_final, report_keys, stored_reports
from pratique.scan.packages import Placed, placed

T = TypeVar("T")
_REPORTS = 8 * 1024 * 1024
"""Bytes of encoded reports that are remembered; decoded they take some five times as much."""
_LEAST = 20
"""What an entry weighs that has nothing in it."""
_PACKAGES = 20_000
"""Packages of images that are remembered: some 10 MB."""


class LayerMemory:
    """Reports of layers that were read to their end, and the packages that such layers make together.

    A report never changes under its key, and packages follow from reports alone; the configuration is read each time.
    """

    def __init__(self) -> None:
        self._reports: _Recent[LayerReport] = _Recent(_REPORTS)
        self._placed: _Recent[tuple[Placed, ...]] = _Recent(_PACKAGES)

    def reports(self, tx: Transaction, digests: Sequence[str]) -> list[tuple[str, LayerReport]] | None:
        """Return key and report of each of these layers, lowest first; None unless each has been read."""
        keys = report_keys(tx, digests)
        if any(digest not in keys for digest in digests):
            return None
        held = {key: report for key in keys.values() if (report := self._reports.get(key)) is not None}
        missing = sorted(set(keys.values()) - held.keys())
        for key, (report, size) in (stored_reports(tx, missing) if missing else {}).items():
            held[key] = report
            if is_final(key):
                self._reports.keep(key, report, size)
        wanted = [keys[digest] for digest in digests]
        return [(key, held[key]) for key in wanted] if all(key in held for key in wanted) else None

    def merged(
        self, reports: Sequence[tuple[str, LayerReport]], config: dict[str, Any]
    ) -> tuple[ImageInventory, tuple[Placed, ...]]:
        """Return the image that these layers make with this configuration, and its distinct packages."""
        inventory = merge([report for _, report in reports], config)
        name = "\n".join((inventory.package_set.digest, *(key for key, _ in reports)))
        items = self._placed.get(name)
        if items is None:
            items = tuple(placed(inventory))
            if all(is_final(key) for key, _ in reports):
                self._placed.keep(name, items, len(items))
        return inventory, items


class _Recent(Generic[T]):
    """Values by name, those that were used last, up to a weight of all together; for use from several threads."""

    def __init__(self, most: int) -> None:
        self._most, self._weight = most, 0
        self._held: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> T | None:
        with self._lock:
            held = self._held.get(name)
            if held is None:
                return None
            self._held.move_to_end(name)
            return held[0]

    def keep(self, name: str, value: T, weight: int) -> None:
        weight += _LEAST
        if weight > self._most:
            return
        with self._lock:
            if name in self._held:
                self._weight -= self._held.pop(name)[1]
            self._held[name] = (value, weight)
            self._weight += weight
            while self._weight > self._most:
                self._weight -= self._held.popitem(last=False)[1][1]
