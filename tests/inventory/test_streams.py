"""Compressed streams give the bytes that their own tools give, or are refused."""

import gzip
import hashlib
import io
import random
import shutil
import struct
import subprocess
import zlib
from typing import Any

import pytest
import zstandard

from pratique.inventory.errors import StopReading
from pratique.inventory.streams import Stored, Tape
from pratique.inventory.types import Limits

CHANCE = random.Random(5)
DATA = b"".join(CHANCE.choice([b"a" * 5000, CHANCE.randbytes(3000), b"text " * 900]) for _ in range(300))


class Dribble(io.BytesIO):
    """Gives a few bytes at a time, as a socket may."""

    def read(self, size: int = -1) -> Any:
        return super().read(min(size, CHANCE.randint(1, 3000)) if size > 0 else size)


def unpacked(data: bytes, stream: Any = io.BytesIO) -> tuple[str, bytes]:
    limits = Limits()
    stored = Stored(stream(data), limits)
    tape = Tape(stored, limits)
    out = b"".join(tape.chunks())
    assert tape.ended
    assert stored.finish() == "sha256:" + hashlib.sha256(data).hexdigest()
    assert tape.diff_id == "sha256:" + hashlib.sha256(out).hexdigest()
    return tape.compression, out


def frames(*parts: bytes, **options: Any) -> Any:
    compressor = zstandard.ZstdCompressor(**options)
    return b"".join(compressor.compress(part) for part in parts)


def skippable(data: bytes) -> Any:
    return struct.pack("<II", 0x184D2A53, len(data)) + data


@pytest.mark.parametrize("stream", [io.BytesIO, Dribble])
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (DATA, "none"),
        (gzip.compress(DATA), "gzip"),
        (b"".join(gzip.compress(DATA[at : at + 7000], 6) for at in range(0, len(DATA), 7000)), "gzip"),
        (gzip.compress(b"") + gzip.compress(DATA) + gzip.compress(b""), "gzip"),
        (frames(DATA), "zstd"),
        (frames(DATA, level=19, write_checksum=True), "zstd"),
        (frames(DATA[:100_000], b"", DATA[100_000:], write_content_size=False), "zstd"),
        (skippable(b"before") + frames(DATA) + skippable(b"") + skippable(b"x" * 100_000), "zstd"),
    ],
)
def test_streams_are_read_whole(data: bytes, kind: Any, stream: Any) -> None:
    assert unpacked(data, stream=stream) == (kind, DATA)


def test_a_large_window_and_long_distance_matches_are_read() -> None:
    block = CHANCE.randbytes(1 << 20)
    data = block + CHANCE.randbytes(12 << 20) + block
    parameters = zstandard.ZstdCompressionParameters(window_log=24, enable_ldm=True)
    packed = zstandard.ZstdCompressor(compression_params=parameters).compress(data)
    assert unpacked(packed) == ("zstd", data)


@pytest.mark.parametrize("tool", ["gzip", "zstd"])
def test_what_the_tool_packs_is_read(tool: Any) -> None:
    if not shutil.which(tool):
        pytest.skip(f"{tool} is needed to pack with")
    packed = subprocess.run([tool, "-c"], input=DATA, capture_output=True, check=True).stdout
    assert unpacked(packed)[1] == DATA


def test_an_estargz_footer_is_read() -> None:
    # the last member of an estargz layer is empty and carries the offset of its table in an extra field
    extra = b"SG" + struct.pack("<H", 22) + b"%016x" % 1234 + b"STARGZ"
    footer = b"\x1f\x8b\x08\x04" + bytes(6) + struct.pack("<H", len(extra)) + extra
    footer += b"\x01\x00\x00\xff\xff" + b"\x03\x00" + struct.pack("<II", zlib.crc32(b""), 0)
    assert unpacked(gzip.compress(DATA) + footer.replace(b"\x01\x00\x00\xff\xff", b""))[1] == DATA


@pytest.mark.parametrize("at", [1, 5, 100, -1, -4, -9, -5000])
@pytest.mark.parametrize("packed", [gzip.compress(DATA), frames(DATA, write_checksum=True), frames(DATA, DATA)])
def test_a_cut_stream_is_refused(packed: Any, at: Any) -> None:
    with pytest.raises(StopReading) as stop:
        unpacked(packed[:at] if at > 2 or at < 0 else packed[: 20 + at])
    assert stop.value.code == "damaged"


@pytest.mark.parametrize("seed", range(40))
def test_a_changed_stream_is_refused_or_the_same(seed: int) -> None:
    chance = random.Random(seed)
    packed = bytearray(chance.choice([gzip.compress(DATA, mtime=0), frames(DATA, write_checksum=True)]))
    packed[chance.randrange(30, len(packed))] ^= 1 << chance.randrange(8)
    try:
        assert unpacked(bytes(packed))[1] == DATA
    except StopReading:
        return


def test_a_frame_with_a_dictionary_or_a_huge_window_is_refused() -> None:
    packed = bytearray(frames(DATA))
    packed[4] |= 1
    with pytest.raises(StopReading, match="dictionary"):
        unpacked(bytes(packed))
    parameters = zstandard.ZstdCompressionParameters(window_log=28, write_content_size=False)
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(StopReading) as stop:
        unpacked(writer.compress(DATA) + writer.flush())
    assert stop.value.code == "limit-window"


def test_output_comes_in_bounded_pieces() -> None:
    packed = zstandard.compress(bytes(300 << 20))
    stored = Stored(io.BytesIO(packed), Limits())
    assert max(map(len, Tape(stored, Limits()).chunks())) <= 1 << 20
    stored = Stored(io.BytesIO(gzip.compress(bytes(64 << 20))), Limits())
    assert max(map(len, Tape(stored, Limits()).chunks())) <= 1 << 20
