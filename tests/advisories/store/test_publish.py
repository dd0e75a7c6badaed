"""Files are immutable, revisions are whole, and change sets say what to judge again."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.advisories.service import AdvisoryStore
from pratique.advisories.store import publish
from pratique.advisories.store.merge import difference
from pratique.advisories.store.publish import Publication, StoreWriter
from pratique.advisories.store.records import Advisory, Interval, advisory_fact
from pratique.advisories.store.stage import Stage
from pratique.advisories.types import PackageKey
from pratique.core.clock import FakeClock
from tests.advisories.samples import deb


class Feed:
    """Publishes {source: fixed version} as the Debian feed of one store."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.writer = StoreWriter(directory, self.clock)
        self.store = AdvisoryStore.open(directory, starter=False, clock=self.clock)

    def publish(self, fixes: dict[str, str], *, whole: bool = True) -> Publication:
        self.clock.advance(1)
        stage = Stage(self.writer.work / "stage")
        stage.add(
            advisory_fact(
                "debian:12", source, Advisory("CVE-2024-1", (Interval(high=version, high_key=version.encode()),))
            )
            for source, version in fixes.items()
        )
        done = self.writer.publish("debian", stage, whole=whole, data_date=self.clock.now())
        stage.close()
        self.store.refresh()
        return done

    def files(self) -> list[str]:
        return sorted(path.name for path in self.writer.files.iterdir())

    def content(self) -> dict[str, str]:
        view = self.writer.view("debian")
        assert view is not None
        found = {name: view.bodies(space, [name])[name] for space, name, _ in view.rows()}
        view.close()
        stored = self.store._snapshot.advisories("debian", "debian:12", sorted(found))
        return {name: rows[0].intervals[0].high for name, rows in stored.items()}


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    made = Feed(tmp_path)
    yield made
    made.store.close()


def test_a_small_change_is_a_delta_over_an_untouched_base(feed: Feed) -> None:
    feed.publish({f"s{n}": "1" for n in range(50)})
    base = (feed.writer.files / "debian-1.base.db").read_bytes()
    before = feed.store.revision
    done = feed.publish({f"s{n}": "2" if n == 7 else "1" for n in range(49)} | {"new": "1"})
    assert done.changed == 3
    assert feed.files() == ["debian-1.base.db", "debian-2.delta.db"]
    assert (feed.writer.files / "debian-1.base.db").read_bytes() == base
    assert feed.content() == {f"s{n}": "2" if n == 7 else "1" for n in range(49)} | {"new": "1"}
    assert feed.store.changes(before).packages == {PackageKey("debian", name) for name in ("s7", "s49", "new")}


def test_no_difference_moves_dates_and_not_the_cursor(feed: Feed) -> None:
    feed.publish({"a": "1"})
    before = feed.store.revision
    assert feed.publish({"a": "1"}).changed == 0
    assert feed.store.revision == before
    assert feed.writer.manifest().feeds["debian"].data_date == feed.clock.now()


def test_many_deltas_are_compacted_and_their_log_is_kept(feed: Feed) -> None:
    feed.publish({f"s{n}": "0" for n in range(20)})
    first = feed.store.revision
    for step in range(1, publish.MAX_DELTAS + 4):
        feed.publish({f"s{n}": str(step) if n == step else "0" for n in range(20)})
    assert len(feed.writer.manifest().feeds["debian"].files) <= publish.MAX_DELTAS + 1
    assert feed.content()[f"s{publish.MAX_DELTAS + 3}"] == str(publish.MAX_DELTAS + 3)
    changed = feed.store.changes(first)
    assert not changed.everything
    assert {key.name for key in changed.packages} == {f"s{n}" for n in range(1, publish.MAX_DELTAS + 4)}


def test_incremental_rows_replace_only_what_they_name(feed: Feed) -> None:
    feed.publish({"a": "1", "b": "1"})
    assert feed.publish({"b": "2"}, whole=False).changed == 1
    assert feed.content() == {"a": "1", "b": "2"}
    for step in range(20):
        feed.publish({"b": f"3{step}"}, whole=False)
    assert feed.content() == {"a": "1", "b": "319"}
    assert len(feed.writer.manifest().feeds["debian"].files) <= publish.MAX_DELTAS + 1


def test_a_great_change_is_a_new_base(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "DELTA_ROWS", 5)
    feed.publish({f"s{n}": "1" for n in range(40)})
    before = feed.store.revision
    feed.publish({f"s{n}": "2" for n in range(40)})
    assert feed.writer.manifest().feeds["debian"].deltas == ()
    assert len(feed.store.changes(before).packages) == 40


def test_an_open_reader_keeps_its_revision_while_files_go(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "DELTA_ROWS", 0)
    feed.publish({"a": "2"})
    reader = AdvisoryStore.open(feed.writer.directory, starter=False)
    for version in "345":
        feed.publish({"a": version})
    assert not (feed.writer.files / "debian-1.base.db").exists()
    assert reader.match([deb("a", "1")]).affected[0].fixed_version == "2"
    assert reader.refresh()
    assert reader.match([deb("a", "1")]).affected[0].fixed_version == "5"
    reader.close()


def test_a_revision_of_another_store_or_beyond_the_log_means_everything(feed: Feed, tmp_path: Path) -> None:
    feed.publish({"a": "1"})
    first = feed.store.revision
    assert feed.store.changes("deadbeef:debian.1").everything
    assert feed.store.changes("").everything
    assert feed.store.changes(first.replace("debian.1", "debian.9")).everything
    for step in range(publish.LOGGED_SEQUENCES + 2):
        feed.publish({"a": str(step)})
    assert feed.store.changes(first).everything


def test_a_crash_before_the_manifest_leaves_the_old_revision(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    feed.publish({"a": "1"})
    for step in ("accept", "_write_groups"):
        with monkeypatch.context() as patch:
            patch.setattr(StoreWriter, step, lambda *_: (_ for _ in ()).throw(OSError("disk full")))
            patch.setattr(publish, "_has_aliases", lambda _feed: True)
            with pytest.raises(OSError, match="disk full"):
                feed.publish({"a": "2"})
        reopened = AdvisoryStore.open(feed.writer.directory, starter=False)
        assert reopened.match([deb("a", "0")]).affected[0].fixed_version == "1"
        reopened.close()
    assert feed.publish({"a": "3"}).changed == 1


ROWS = st.dictionaries(st.text("abc", min_size=1, max_size=2), st.binary(min_size=1, max_size=2), max_size=8)


@given(old=ROWS, new=ROWS)
def test_the_difference_turns_the_old_rows_into_the_new(old: dict[str, bytes], new: dict[str, bytes]) -> None:
    left = [("s", name, body) for name, body in sorted(old.items())]
    right = [("s", name, body) for name, body in sorted(new.items())]
    result = dict(old)
    for (_, name, body), before in difference(left, right):
        assert before == old.get(name, b"")
        if body:
            result[name] = body
        else:
            del result[name]
    assert result == new


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(
        st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("123"), min_size=1), min_size=1, max_size=12
    )
)
def test_any_history_reads_as_its_last_state(
    steps: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    feed = Feed(tmp_path_factory.mktemp("history"))
    rand = random.Random(len(steps))
    expected: dict[str, str] = {}
    for step in steps:
        whole = rand.random() < 0.5
        expected = step if whole else {**expected, **step}
        feed.publish(step, whole=whole)
        assert feed.content() == expected
    feed.store.close()
