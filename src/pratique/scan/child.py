"""Readers of foreign bytes in child processes that have nothing to lose: see `ReaderPool`."""

from types import TracebackType
from typing import BinaryIO, Self

from pratique.inventory.types import ExpectedLayer, LayerReport, Limits


class ReaderPool:
    """Reads layers in warm child processes without database, network or keys; thread-safe; a dead child harms nobody.

    Input goes to the child through a pipe (or, for a regular file, its own descriptor), a coded `LayerReport` comes
    back. A child that exceeds its time or memory is killed and the layer reported as not assessed.
    """

    def __init__(self, size: int = 2, *, limits: Limits | None = None, memory_bytes: int = 1 << 30) -> None:
        self._size, self._limits, self._memory = size, limits or Limits(), memory_bytes

    def read(self, stream: BinaryIO, media_type: str = "", *, expected: ExpectedLayer | None = None) -> LayerReport:
        """The report of one layer; waits for a free child. `stream` is read to its end or to the failure."""
        raise NotImplementedError

    def capabilities(self) -> dict[str, str]:
        """What confinement held on this machine, by measure: `held`, or why not."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends every child; reads under way answer not assessed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
