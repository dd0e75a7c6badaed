"""What is known of a feed's source: validators, cursors, dates, the last error. Kept apart from the data itself."""

from pathlib import Path

import msgspec

from pratique.advisories.store.files import write_durably


class PartState(msgspec.Struct, kw_only=True):
    """One address of a feed."""

    etag: str = ""
    last_modified: str = ""
    sha256: str = ""
    size: int = 0
    fetched_at: int = 0


class FeedRecord(msgspec.Struct, kw_only=True):
    """One feed; losing this file costs one unconditional download and nothing else."""

    parts: dict[str, PartState] = {}
    cursor: str = ""
    checked_at: int = 0
    fetched_at: int = 0
    data_date: int = 0
    records: int = 0
    unparsable: int = 0
    download_bytes: int = 0
    error: str = ""
    remedy: str = ""
    error_at: int = 0


def read_record(directory: Path, feed: str) -> FeedRecord:
    try:
        return msgspec.json.decode((directory / f"{feed}.json").read_bytes(), type=FeedRecord)
    except (FileNotFoundError, msgspec.MsgspecError):
        return FeedRecord()


def write_record(directory: Path, feed: str, record: FeedRecord) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    write_durably(directory / f"{feed}.json", msgspec.json.format(msgspec.json.encode(record), indent=1))
