"""Segments as objects of an S3-compatible service: one PUT each, so there is no multipart state to lose or to clean."""

import secrets
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from pratique.core.blobs.types import CHUNK, SegmentMissing, SegmentSpan, StorageAway, plain_only

if TYPE_CHECKING:
    from obstore.store import S3Store

SEGMENT_LIMIT = 16 * CHUNK


class ObjectBlobStore:
    """Keeps each segment in one object `PREFIX/segments/KEY`; holds at most one segment of an upload in memory."""

    segment_limit: int | None = SEGMENT_LIMIT

    def __init__(self, store: "S3Store", *, prefix: str = "") -> None:
        self._store = store
        self._prefix = f"{prefix.strip('/')}/segments/".lstrip("/")

    @classmethod
    def connect(
        cls,
        *,
        bucket: str,
        endpoint: str = "",
        region: str = "",
        access_key: str = "",
        secret_key: str = "",
        prefix: str = "",
        allow_http: bool = False,
    ) -> "ObjectBlobStore":
        """Return a store on a bucket; nothing is sent before the first use."""
        from obstore.store import S3Store

        config: dict[str, Any] = {"region": region or "us-east-1"}
        if endpoint:
            config |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
        if access_key:
            config |= {"access_key_id": access_key, "secret_access_key": secret_key}
        return cls(S3Store(bucket, client_options={"allow_http": allow_http}, **config), prefix=prefix)

    def create(self) -> "ObjectSegmentWriter":
        return ObjectSegmentWriter(self, secrets.token_hex(16))

    def read(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        end = self.size(key) if length is None else offset + length
        while offset < end:
            chunk = self._range(key, offset, min(offset + CHUNK * 4, end))
            offset += len(chunk)
            yield chunk

    def read_span(self, span: SegmentSpan, offset: int, length: int) -> Iterator[bytes]:
        plain_only(span)
        return self.read(span.key, offset, length)

    def path(self, key: str) -> None:  # noqa: ARG002  objects have no files
        return None

    def size(self, key: str) -> int:
        import obstore

        try:
            return int(obstore.head(self._store, self._name(key))["size"])
        except Exception as error:
            raise _failure(key, error) from error

    def delete(self, key: str) -> None:
        import obstore

        try:
            obstore.delete(self._store, self._name(key))
        except FileNotFoundError:
            return
        except Exception as error:
            raise _failure(key, error) from error

    def keys(self, after: str = "", limit: int = 1000) -> list[str]:
        import obstore

        try:
            pages = obstore.list(self._store, prefix=self._prefix, offset=self._prefix + after if after else None)
            names = (entry["path"] for page in pages for entry in page)
            return [name.rpartition("/")[2] for name in islice(names, limit)]
        except Exception as error:
            raise _failure(after, error) from error

    def put(self, key: str, data: bytes) -> None:
        """Store one whole segment; used by the writer."""
        import obstore

        try:
            obstore.put(self._store, self._name(key), data, use_multipart=False)
        except Exception as error:
            raise _failure(key, error) from error

    def _range(self, key: str, start: int, end: int) -> bytes:
        import obstore

        try:
            chunk = bytes(obstore.get_range(self._store, self._name(key), start=start, end=end))
        except Exception as error:
            raise _failure(key, error) from error
        if len(chunk) != end - start:
            raise SegmentMissing(f"segment {key} is too short", remedy="restore the bucket from a backup")
        return chunk

    def _name(self, key: str) -> str:
        return self._prefix + key


class ObjectSegmentWriter:
    """Collects one segment in memory; `commit` sends it with a single PUT."""

    def __init__(self, store: ObjectBlobStore, key: str) -> None:
        self._store = store
        self._key = key
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def key(self) -> str:
        return self._key

    @property
    def size(self) -> int:
        return self._size

    @property
    def span(self) -> SegmentSpan:
        return SegmentSpan(self._key, self._size)

    def write(self, data: bytes | memoryview) -> None:
        self._parts.append(bytes(data))
        self._size += len(data)

    def commit(self) -> None:
        parts, self._parts = self._parts, []
        self._store.put(self._key, b"".join(parts))

    def abort(self) -> None:
        self._parts.clear()


def _failure(key: str, error: Exception) -> SegmentMissing | StorageAway:
    # The client's errors are built-in FileNotFoundError or its own base class; both carry the whole request in their
    # text, so only the first line leaves this module.
    if isinstance(error, FileNotFoundError):
        return SegmentMissing(f"segment {key} is missing", remedy="restore the bucket from a backup of the same time")
    first = str(error).partition("\n")[0][:200]
    return StorageAway(f"the object store does not answer: {first}", remedy="check `blobs.endpoint` and its keys")
