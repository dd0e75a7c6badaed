"""Blob storage: immutable segments under random keys; a blob is a list of segments."""

from pratique.core.blobs.types import BlobStore, SegmentWriter

__all__ = ["BlobStore", "SegmentWriter"]
