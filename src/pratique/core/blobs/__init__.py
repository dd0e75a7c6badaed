"""Blob storage: immutable segments under random keys; a blob is a list of segments."""

from pratique.core.blobs.reader import SegmentReader
from pratique.core.blobs.types import BlobStore, SegmentMissing, SegmentSpan, SegmentWriter, StorageAway, StorageFull

__all__ = [
    "BlobStore",
    "SegmentMissing",
    "SegmentReader",
    "SegmentSpan",
    "SegmentWriter",
    "StorageAway",
    "StorageFull",
]
