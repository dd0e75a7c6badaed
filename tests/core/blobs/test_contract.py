"""What every engine of the blob store promises; one file, every engine."""

import os
from collections.abc import Callable

import pytest

from pratique.core.blobs import BlobStore, SegmentMissing, SegmentSpan
from pratique.core.blobs.reader import open_blob, read_spans

PIECES = [os.urandom(size) for size in (1, 1_000_000, 1_500_000, 7)]
WHOLE = b"".join(PIECES)


def put(store: BlobStore, *pieces: bytes) -> SegmentSpan:
    writer = store.create()
    for piece in pieces:
        writer.write(piece)
    writer.commit()
    return writer.span


def test_what_was_committed_is_there_for_everybody(store: BlobStore, connect: Callable[[], BlobStore]) -> None:
    span = put(store, *PIECES)
    for each in (store, connect()):
        assert span.size == len(WHOLE) <= each.size(span.key)
        assert b"".join(each.read_span(span, 0, span.size)) == WHOLE
        assert each.keys() == [span.key]


def test_nothing_exists_before_commit(store: BlobStore, connect: Callable[[], BlobStore]) -> None:
    writer = store.create()
    writer.write(WHOLE)
    assert connect().keys() == []
    with pytest.raises(SegmentMissing):
        store.size(writer.key)
    writer.abort()


def test_abort_leaves_nothing_and_may_be_said_twice(store: BlobStore) -> None:
    writer = store.create()
    writer.write(WHOLE)
    writer.abort()
    writer.abort()
    assert store.keys() == []


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 1), (0, 10), (5, 1_000_000), (999_999, 3), (len(WHOLE) - 1, 1), (0, len(WHOLE))]
)
def test_parts_are_read(store: BlobStore, offset: int, length: int) -> None:
    span = put(store, *PIECES)
    assert b"".join(store.read_span(span, offset, length)) == WHOLE[offset : offset + length]


def test_reading_past_the_end_is_noticed(store: BlobStore) -> None:
    span = put(store, b"short")
    with pytest.raises(SegmentMissing):
        b"".join(store.read_span(span, 0, 50))


def test_missing_segments_are_named(store: BlobStore) -> None:
    with pytest.raises(SegmentMissing, match="0" * 32):
        list(store.read("0" * 32, 0, 10))
    with pytest.raises(SegmentMissing):
        store.size("0" * 32)


def test_delete_removes_once_and_forgives_twice(store: BlobStore) -> None:
    span, other = put(store, b"one"), put(store, b"two")
    store.delete(span.key)
    store.delete(span.key)
    assert store.keys() == [other.key]


def test_keys_are_random_and_listed_in_pages(store: BlobStore) -> None:
    keys = sorted(put(store, b"same").key for _ in range(25))
    assert len(set(keys)) == 25
    found: list[str] = []
    while page := store.keys(after=found[-1] if found else "", limit=10):
        found.extend(page)
    assert found == keys


def test_empty_segment_is_a_segment(store: BlobStore) -> None:
    span = put(store)
    assert span.size == 0
    assert b"".join(store.read_span(span, 0, 0)) == b""


def test_blob_of_several_segments_reads_as_one(store: BlobStore) -> None:
    spans = [put(store, piece) for piece in PIECES]
    with open_blob(store, spans) as stream:
        assert stream.read(3) == WHOLE[:3]
        assert stream.read() == WHOLE[3:]
        stream.seek(1_000_000)
        assert stream.read(10) == WHOLE[1_000_000:1_000_010]
        stream.seek(-5, os.SEEK_END)
        assert stream.read() == WHOLE[-5:]
        stream.seek(0)
        assert stream.read(1) == WHOLE[:1]
    assert b"".join(read_spans(store, spans, 999_999, 1_000_003)) == WHOLE[999_999:1_000_003]


def test_blob_of_one_segment_reads_as_one(store: BlobStore) -> None:
    with open_blob(store, [put(store, *PIECES)]) as stream:
        assert stream.read() == WHOLE
