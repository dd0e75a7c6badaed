"""A lean tar walk: headers only, contents on request, and a refusal wherever two readers could differ.

Read: ustar (POSIX.1-2017), the older V7 form, GNU long names and old sparse files, PAX headers, base-256 numbers.
Compared in tests with GNU tar and Python's tarfile on generated archives. The rules, each an `Ambiguous` that stops
the walk:

- a header whose checksum is not plain octal, or is neither the unsigned nor the signed sum;
- numbers that are not spaces, octal digits, then NUL or spaces; negative or over-long base-256;
- a prefix field that some readers would use and others not (V7, GNU and star magics with bytes there);
- a PAX size beside another size in the header, unless the header's is zero or all sevens and the true one needs PAX;
- a PAX key given twice with two values, an empty or NUL-holding PAX path, a global header that renames or resizes;
- two extended headers of one kind before one entry, or a PAX path and a GNU long name together;
- a directory, symbolic link or device with contents; a regular file whose name ends in a slash, or a V7 folder of which
  only one of two names does;
- a GNU sparse file under another magic than GNU's;
- entry types that readers skip, refuse or unpack as they please (Solaris `X`, GNU `D`, `M`, `N`, `V`, unknown ones);
- a lone block of zeros followed by another header, and anything but zeros behind the end of the archive.

A missing end of archive is accepted, as every reader does; a cut header or content is `Damaged`.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Final

import msgspec

from pratique.inventory import pax
from pratique.inventory.errors import Ambiguous, Damaged, LimitReached
from pratique.inventory.types import Limits

BLOCK: Final = 512
_ZEROS: Final = bytes(BLOCK)
_OCTAL: Final = re.compile(rb" *([0-7]*)[ \0]*\Z")
_USUAL_DEVICE: Final = re.compile(rb"(?:[0-7]{7}\0|\0{8}){2}")
_USUAL_NUMBERS: Final = re.compile(rb"(?:[0-7]{7}\0){3}(?:[0-7]{11}\0){2}")
_PAX_FROM: Final = 8 << 30
_ALL_SEVENS: Final = 0o77777777777

REGULAR, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO, SPARSE = (
    b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"S",
)  # fmt: skip
_KINDS: Final = frozenset((REGULAR, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO, SPARSE, b"\0", b"7"))
_HEADER_ONLY: Final = frozenset((SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO))


class Entry(msgspec.Struct, gc=False):
    """One member: raw name, kind (one of this module's constants), true size; the header for what is asked rarely."""

    name: bytes
    kind: bytes
    size: int
    link: bytes
    header: bytes
    pax: dict[bytes, bytes] | None

    @property
    def mode(self) -> int:
        return number(self.header[100:108])

    @property
    def owner(self) -> tuple[int, int]:
        return number(self.header[108:116]), number(self.header[116:124])

    @property
    def device(self) -> tuple[int, int]:
        return number(self.header[329:337]), number(self.header[337:345])


def number(field: bytes) -> int:
    """A numeric header field: octal, or base-256 where the first bit is set."""
    octal = _OCTAL.match(field)
    if octal is not None:
        return int(octal[1] or b"0", 8)
    if field[0] == 0x80 and not any(field[1:-8]):
        value = int.from_bytes(field[-8:], "big")
        if value < 1 << 63:
            return value
    raise Ambiguous("a header holds a number that readers take differently")


class _Window:
    """Exact pieces of a stream of chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._held, self._at = chunks, b"", 0

    def take(self, count: int) -> bytes:
        """`count` bytes, or fewer at the end of the stream."""
        end = self._at + count
        if end <= len(self._held):
            piece = self._held[self._at : end]
            self._at = end
            return piece
        return self._take_across(count)

    def _take_across(self, count: int) -> bytes:
        pieces, missing = [self._held[self._at :]], count - (len(self._held) - self._at)
        self._held, self._at = b"", 0
        while missing > 0 and (chunk := next(self._chunks, b"")):
            pieces.append(chunk[:missing])
            if len(chunk) > missing:
                self._held, self._at = chunk, missing
            missing -= len(chunk)
        return b"".join(pieces)

    def take_into(self, room: memoryview) -> bool:
        """Whether there was enough to fill this room."""
        while room:
            if self._at >= len(self._held):
                self._held, self._at = next(self._chunks, b""), 0
                if not self._held:
                    return False
            piece = memoryview(self._held)[self._at : self._at + len(room)]
            room[: len(piece)] = piece
            room = room[len(piece) :]
            self._at += len(piece)
        return True

    def skip(self, count: int) -> bool:
        """Whether `count` bytes were there to be skipped."""
        self._at += count
        while self._at > len(self._held):
            self._at -= len(self._held)
            self._held = next(self._chunks, b"")
            if not self._held:
                return False
        return True

    def only_zeros_follow(self) -> bool:
        rest = self._held[self._at :]
        self._held, self._at = b"", 0
        clean = rest.count(0) == len(rest)
        for chunk in self._chunks:
            clean = clean and chunk.count(0) == len(chunk)
        return clean


class TarWalk:
    """The members of one archive in order. Between two steps `content` gives the bytes of the current member."""

    def __init__(self, chunks: Iterator[bytes], limits: Limits) -> None:
        self._window, self._limits = _Window(chunks), limits
        self._unread = 0
        self._pax: dict[bytes, bytes] | None = None
        self._long_name = b""
        self._long_link = b""
        self._dangling = False
        self.entries = 0

    def __iter__(self) -> Iterator[Entry]:
        while (header := self._next_header()) is not None:
            kind = header[156:157]
            if kind in _KINDS:
                self._dangling = False
                yield self._member(header, kind)
            else:
                self._dangling = True
                self._extend(header, kind)
        if self._dangling:
            raise Damaged("the archive ends behind an extended header")

    def content(self, size: int) -> bytes:
        """The whole content of the current member; `size` is its size, which the caller found acceptable."""
        data = self._window.take(size)
        if len(data) < size:
            raise Damaged("the archive ends in the middle of a file")
        self._unread -= size
        return data

    def large(self, start: bytes, size: int) -> bytearray:
        """The current member as a whole, of which `start` was read before; held once, however long it is."""
        data = bytearray(size)
        data[: len(start)] = start
        if not self._window.take_into(memoryview(data)[len(start) :]):
            raise Damaged("the archive ends in the middle of a file")
        self._unread -= size - len(start)
        return data

    def peek(self, count: int) -> bytes:
        """The next few bytes of the current member, which count as read."""
        return self.content(min(count, self._unread))

    def _next_header(self) -> bytes | None:
        if self._unread and not self._window.skip(self._unread):
            raise Damaged("the archive ends in the middle of a file")
        self._unread = 0
        header = self._window.take(BLOCK)
        if header == _ZEROS:
            self._end()
            return None
        if len(header) < BLOCK:
            if header:
                raise Damaged("the archive ends in the middle of a header")
            return None
        _check_sum(header)
        if not (_USUAL_NUMBERS.match(header, 100) and _USUAL_DEVICE.match(header, 329)):
            _check_numbers(header)
        self.entries += 1
        if self.entries > self._limits.entries:
            raise LimitReached(f"the layer has more than {self._limits.entries} entries", "limit-entries")
        return header

    def _end(self) -> None:
        second = self._window.take(BLOCK)
        if second.count(0) != len(second):
            raise Ambiguous("a lone block of zeros stands before another header")
        if not self._window.only_zeros_follow():
            raise Ambiguous("there is data behind the end of the archive", "data-after-end")

    def _member(self, header: bytes, kind: bytes) -> Entry:
        records, long_name, long_link = self._pax, self._long_name, self._long_link
        self._pax, self._long_name, self._long_link = None, b"", b""
        size = number(header[124:136])
        name = header[:100].split(b"\0", 1)[0]
        if header[345] and kind != SPARSE:
            name = _prefixed(header, name)
        link = header[157:257].split(b"\0", 1)[0] if kind in (SYMLINK, HARD_LINK) else b""
        if records is not None:
            size = _true_size(records, size)
            name = records.get(b"GNU.sparse.name") or records.get(b"path") or name
            link = records.get(b"linkpath") or link
        name = long_name or name
        entry = Entry(name, _kind(header, kind, records, name), size, long_link or link, header, records)
        self._place(entry)
        return entry

    def _place(self, entry: Entry) -> None:
        """Checks what the member's kind says of its content, and sets what is to be skipped."""
        size, kind = entry.size, entry.kind
        if kind in _HEADER_ONLY and size:
            raise Ambiguous("an entry that is no file has contents")
        if not entry.name or len(entry.name) > self._limits.path_bytes or len(entry.link) > self._limits.path_bytes:
            raise LimitReached(f"a path is empty or longer than {self._limits.path_bytes} bytes", "limit-path")
        if kind == HARD_LINK:
            return  # every reader takes a hard link's size as nothing
        if kind == SPARSE:
            self._skip_sparse_maps(entry.header)
        elif kind == REGULAR and entry.name.endswith(b"/"):
            raise Ambiguous("a regular file's name ends in a slash")
        self._unread = size + (-size % BLOCK)

    def _skip_sparse_maps(self, header: bytes) -> None:
        if header[156:157] != SPARSE:
            return  # a PAX one: its map is among the records, or at the head of the content
        if header[257:263] != b"ustar ":
            raise Ambiguous("a GNU sparse file stands under another magic")
        for at in (*range(386, 482, 12), 483):
            number(header[at : at + 12])
        more = header[482]
        while more:
            block = self._window.take(BLOCK)
            if len(block) < BLOCK:
                raise Damaged("the archive ends in the middle of a sparse map")
            more = block[504]

    def _extend(self, header: bytes, kind: bytes) -> None:
        """Takes one extended header; it holds for the next member."""
        if kind not in (b"x", b"g", b"L", b"K"):
            raise Ambiguous(f"an entry has type {kind!r}, which readers treat differently")
        size = number(header[124:136])
        if size > self._limits.header_bytes:
            raise LimitReached(f"an extended header is longer than {self._limits.header_bytes} bytes", "limit-header")
        payload = self._window.take(size)
        if len(payload) < size:
            raise Damaged("the archive ends in the middle of an extended header")
        self._unread = -size % BLOCK
        if kind == b"g":
            pax.check_global(pax.pax_records(payload))
        elif kind == b"x":
            self._only_once(self._pax is not None)
            self._pax = pax.pax_records(payload)
        elif kind == b"L":
            self._only_once(self._long_name)
            self._long_name = pax.long_name(payload)
        else:
            self._only_once(self._long_link)
            self._long_link = pax.long_name(payload)
        self._check_mixed()

    def _only_once(self, seen: bytes | bool) -> None:
        if seen:
            raise Ambiguous("an entry has two extended headers of one kind")

    def _check_mixed(self) -> None:
        if self._pax is None:
            return
        if (self._long_name and b"path" in self._pax) or (self._long_link and b"linkpath" in self._pax):
            raise Ambiguous("an entry has a PAX name and a GNU long name")


def _check_sum(header: bytes) -> None:
    field = header[148:156]
    octal = _OCTAL.match(field)
    # adler32's lower half is the plain sum modulo 65,521 plus one; half a header cannot reach the modulus
    total = (zlib.adler32(header[:256]) & 0xFFFF) + (zlib.adler32(header[256:]) & 0xFFFF) - 2
    unsigned = total - sum(field) + 8 * 32
    if octal is None or not octal[1]:
        raise Damaged("a block where a header should be has no checksum")
    stated = int(octal[1], 8)
    if stated != unsigned and stated != unsigned - 256 * _high_bytes(header):
        raise Damaged("a header's checksum is wrong")


def _check_numbers(header: bytes) -> None:
    """Refuses numbers that some readers fail on, in fields that matter to none of ours."""
    for start, end in ((100, 108), (108, 116), (116, 124), (329, 337), (337, 345)):
        number(header[start:end])
    if header[136] != 0xFF:  # a time before 1970
        number(header[136:148])


def _high_bytes(header: bytes) -> int:
    """How many bytes of the header (its checksum taken as spaces) are negative for a reader with signed characters."""
    outside = header[:148] + header[156:]
    return sum(byte >> 7 for byte in outside)


def _prefixed(header: bytes, name: bytes) -> bytes:
    """The name with its ustar prefix; the field means something else, or nothing, under other magics."""
    if header[257:263] != b"ustar\0" or (header[508:512] == b"tar\0" and any(header[476:508])):
        raise Ambiguous("a name prefix stands where only some readers look for it")
    return header[345:500].split(b"\0", 1)[0] + b"/" + name


def _kind(header: bytes, kind: bytes, records: dict[bytes, bytes] | None, name: bytes) -> bytes:
    if records is not None and any(key.startswith(b"GNU.sparse.") for key in records):
        return SPARSE
    if kind == b"\0":  # V7: a folder is a file whose name ends in a slash
        slash = name.endswith(b"/")
        if slash != header[:100].split(b"\0", 1)[0].endswith(b"/"):
            raise Ambiguous("an entry is a folder by one of its two names only")
        return DIRECTORY if slash else REGULAR
    return REGULAR if kind == b"7" else kind


def _true_size(records: dict[bytes, bytes], size: int) -> int:
    stated = records.get(b"size")
    if stated is None:
        return size
    true = int(stated)
    if true != size and not (true >= _PAX_FROM and size in (0, _ALL_SEVENS)):
        raise Ambiguous("a PAX header and the header itself give two sizes")
    return true
