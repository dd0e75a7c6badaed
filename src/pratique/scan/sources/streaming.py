"""A stream made while it is read."""

import io
from collections.abc import Iterator


class GeneratedStream(io.RawIOBase):
    """The pieces of an iterator as one stream; an error in making them is raised by `read`."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At least one piece, up to about `size` bytes; empty at the end."""
        wanted = size if size >= 0 else 1 << 62
        gathered: list[bytes] = []
        length = 0
        while length < wanted and (piece := next(self._pieces, b"")):
            gathered.append(piece)
            length += len(piece)
        return b"".join(gathered)
