"""Which files make up the store now: one small document, replaced as a whole, and the revision text made from it."""

import secrets
from pathlib import Path

import msgspec

from pratique.advisories.store.files import write_durably
from pratique.core.errors import Corrupt

CURRENT = "current.json"


class FeedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The files of one feed, oldest first, and what they hold."""

    seq: int
    base: str
    deltas: tuple[str, ...] = ()
    records: int = 0
    data_date: int = 0
    built_at: int = 0
    spaces: dict[str, int] = {}
    note: str = ""
    starter: bool = False

    @property
    def cursor(self) -> str:
        return f"s{self.seq}" if self.starter else str(self.seq)

    @property
    def files(self) -> tuple[str, ...]:
        return (self.base, *self.deltas)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All feeds at one revision."""

    store: str
    feeds: dict[str, FeedEntry] = {}
    groups: str = ""

    @property
    def revision(self) -> str:
        """`STORE:feed.cursor,…`, sorted by feed: equal text, equal data."""
        return f"{self.store}:" + ",".join(f"{name}.{entry.cursor}" for name, entry in sorted(self.feeds.items()))

    def files(self) -> set[str]:
        named = {file for entry in self.feeds.values() for file in entry.files}
        return named | {self.groups} if self.groups else named


def parse_revision(text: str) -> tuple[str, dict[str, str]]:
    """The store's id and the cursor of each feed; an unknown text gives an empty vector."""
    store, _, vector = text.partition(":")
    pairs = (item.rpartition(".") for item in vector.split(",") if item)
    return store, {feed: cursor for feed, _, cursor in pairs if feed}


def empty_manifest() -> Manifest:
    """A manifest of a new store; its random id keeps revisions of a store that was deleted from being mistaken."""
    return Manifest(store=secrets.token_hex(4))


def read_manifest(directory: Path) -> Manifest | None:
    try:
        data = (directory / CURRENT).read_bytes()
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise Corrupt(
            f"{directory / CURRENT} cannot be read ({error}).",
            remedy="Move the advisories folder aside and run: pratique advisories sync.",
        ) from error


def write_manifest(directory: Path, manifest: Manifest) -> None:
    write_durably(directory / CURRENT, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
