"""Attacks on sealed segments by whoever holds the storage, the records, or both of another installation."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.blobs.conftest import BlobKeys

from pratique.core.blobs import SegmentMissing, SegmentSpan
from pratique.core.blobs.local import LocalBlobStore
from pratique.core.blobs.reader import open_blob
from pratique.core.blobs.sealed import FRAME, SealedBlobStore, SegmentBroken
from pratique.core.errors import Corrupt

SEALED = FRAME + 16
CONTENT = os.urandom(3 * FRAME + 1000)


@pytest.fixture
def inner(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path / "blobs")


@pytest.fixture
def store(inner: LocalBlobStore, keys: BlobKeys) -> SealedBlobStore:
    return SealedBlobStore(inner, keys, writes=True)


def put(store: SealedBlobStore, content: bytes = CONTENT) -> SegmentSpan:
    writer = store.create()
    writer.write(content)
    writer.commit()
    return writer.span


def whole(store: SealedBlobStore, span: SegmentSpan) -> bytes:
    return b"".join(store.read_span(span, 0, span.size))


def change(inner: LocalBlobStore, span: SegmentSpan, how: Callable[[bytes], bytes]) -> None:
    path = inner.path(span.key)
    path.write_bytes(how(path.read_bytes()))


def frames(content: bytes) -> list[bytes]:
    return [content[start : start + SEALED] for start in range(0, len(content), SEALED)]


def test_nothing_of_the_content_or_its_keys_is_stored(inner: LocalBlobStore, store: SealedBlobStore) -> None:
    span = put(store, b"a line that is easily found\n" * 10_000)
    stored = inner.path(span.key).read_bytes()
    assert b"easily" not in stored
    assert len(stored) == span.size + 16 * len(frames(stored))
    assert len(set(frames(stored))) == len(frames(stored))
    assert b"1" * 8 not in stored
    assert "seal" not in repr(span)


@pytest.mark.parametrize(
    "how",
    [
        lambda c: c[:-1],
        lambda c: c[: 2 * SEALED],
        lambda c: c[:SEALED] + c[2 * SEALED :],
        lambda c: b"".join([*reversed(frames(c)[:3]), frames(c)[3]]),
        lambda c: frames(c)[0] * 3 + frames(c)[3],
        lambda c: c[:100] + bytes([c[100] ^ 1]) + c[101:],
        lambda c: c[:-1] + bytes([c[-1] ^ 0x80]),
        lambda c: bytes(len(c)),
        lambda c: c[16:] + c[:16],
        lambda _: b"",
    ],
    ids=["cut-byte", "cut-frames", "left-out", "swapped", "repeated", "flipped", "tag", "zeros", "turned", "emptied"],
)
def test_a_changed_segment_is_not_read(
    inner: LocalBlobStore, store: SealedBlobStore, how: Callable[[bytes], bytes]
) -> None:
    span = put(store)
    change(inner, span, how)
    with pytest.raises((SegmentBroken, SegmentMissing)):
        whole(store, span)


def test_what_is_appended_is_not_read(inner: LocalBlobStore, store: SealedBlobStore) -> None:
    span = put(store)
    change(inner, span, lambda content: content + frames(content)[0])
    assert whole(store, span) == CONTENT


def test_a_row_that_says_another_size_does_not_open_the_end(store: SealedBlobStore) -> None:
    span = put(store)
    for size in (span.size - 1, span.size - 1000, 2 * FRAME, FRAME, 1):
        with pytest.raises((SegmentBroken, SegmentMissing)):
            whole(store, SegmentSpan(span.key, size, span.version, span.seal))


def test_a_segment_in_the_place_of_another_does_not_open(inner: LocalBlobStore, store: SealedBlobStore) -> None:
    one, two = put(store), put(store)
    first, second = inner.path(one.key), inner.path(two.key)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    for span in (one, two):
        with pytest.raises(SegmentBroken):
            whole(store, span)


def test_a_wrapped_key_in_another_row_does_not_open(inner: LocalBlobStore, store: SealedBlobStore) -> None:
    """Whoever writes rows and storage cannot make one blob answer for another under its own name."""
    one, two = put(store), put(store, b"evil" * 100_000)
    inner.path(one.key).write_bytes(inner.path(two.key).read_bytes())
    with pytest.raises(SegmentBroken):
        whole(store, SegmentSpan(one.key, two.size, 1, two.seal))


def test_another_installation_opens_nothing(inner: LocalBlobStore, store: SealedBlobStore) -> None:
    span = put(store)
    other = SealedBlobStore(inner, BlobKeys("018f0000-0000-7000-8000-000000000002"), writes=True)
    with pytest.raises(SegmentBroken):
        whole(other, span)


@pytest.mark.parametrize("seal", ["", ".", "first.", "first.AAAA", "first.!!!!", "first." + "A" * 80])
def test_a_damaged_seal_is_named(store: SealedBlobStore, seal: str) -> None:
    span = put(store)
    with pytest.raises((SegmentBroken, KeyError)):
        whole(store, SegmentSpan(span.key, span.size, 1, seal))


def test_a_store_without_keys_does_not_give_out_noise(inner: LocalBlobStore, store: SealedBlobStore) -> None:
    span = put(store)
    with pytest.raises(Corrupt, match="encrypted"):
        inner.read_span(span, 0, span.size)


def test_a_new_key_wraps_anew_and_touches_no_segment(
    inner: LocalBlobStore, store: SealedBlobStore, keys: BlobKeys
) -> None:
    span = put(store)
    stored = inner.path(span.key).read_bytes()
    keys.rotate("second")
    assert whole(store, span) == CONTENT
    moved = store.wrapping.rewrap(span, "second")
    assert moved.seal.startswith("second.")
    assert inner.path(span.key).read_bytes() == stored
    assert whole(store, moved) == CONTENT
    assert put(store).seal.startswith("second.")


def test_plain_and_sealed_segments_are_one_blob(inner: LocalBlobStore, store: SealedBlobStore, keys: BlobKeys) -> None:
    plain = put(SealedBlobStore(inner, keys, writes=False), b"before ")
    sealed = put(store, b"after")
    assert (plain.version, sealed.version) == (0, 1)
    with open_blob(store, [plain, sealed]) as stream:
        assert stream.read() == b"before after"


@settings(max_examples=60, deadline=None)
@given(
    size=st.sampled_from([0, 1, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 17 * FRAME + 5, 33 * FRAME]),
    cuts=st.lists(st.integers(0, 34 * FRAME), max_size=6),
    data=st.data(),
)
def test_any_range_of_any_size_written_in_any_pieces(
    tmp_path_factory: pytest.TempPathFactory, size: int, cuts: list[int], data: st.DataObject
) -> None:
    store = SealedBlobStore(LocalBlobStore(tmp_path_factory.mktemp("p")), BlobKeys(), writes=True)
    content = os.urandom(size)
    edges = sorted({0, size, *(cut for cut in cuts if cut < size)})
    writer = store.create()
    for start, end in itertools.pairwise(edges):
        writer.write(memoryview(content)[start:end])
    writer.commit()
    start = data.draw(st.integers(0, size))
    end = data.draw(st.integers(start, size))
    assert b"".join(store.read_span(writer.span, start, end - start)) == content[start:end]
