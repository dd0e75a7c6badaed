"""Walks of the machine, step by step on the real code: after each step both are in the same state, on both engines."""

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.registry.collecting import AGE, LEASE, NAME, Content
from tests.registry.collection_model import AGE as AGE_TICKS
from tests.registry.collection_model import LEASE as LEASE_TICKS
from tests.registry.collection_model import SCENARIOS, Machine, Script, State, start
from tests.registry.images import Artifact, artifact

from pratique.core.blobs import SegmentSpan
from pratique.core.clock import SECOND, FakeClock
from pratique.core.database import Database, Transaction
from pratique.core.digests import Digest
from pratique.registry.blobs import find_blob, link_blob, renew_lease
from pratique.registry.collection import roots, segments
from pratique.registry.collection.collector import Counts
from pratique.registry.collection.pieces import Pieces
from pratique.registry.collection.tables import doomed_segments
from pratique.registry.errors import ManifestBlobUnknown, UploadRangeInvalid
from pratique.registry.repositories import ensure_repository
from pratique.registry.tables import (
    blobs,
    gates,
    manifest_blobs,
    manifests,
    repositories,
    repository_blobs,
    tags,
    uploads,
)
from pratique.registry.types import RepositoryName
from pratique.registry.uploads import Upload

TICK = LEASE // LEASE_TICKS
PLACES = (NAME, RepositoryName("other/app"))
LAYER = b"the layer"
DIGEST = str(Digest.of(LAYER))
WALKS, NEW = 150, 8
"""Walks to choose from, and how many pairs of steps one must be the first to show."""


def naming(number: int) -> Artifact:
    """A manifest that names the one blob and nothing else, another one for each number."""
    made = artifact(LAYER, "application/vnd.example", [], annotations={"number": str(number)})
    return Artifact(made.manifest, made.media_type, {})


class Replay:
    """The real code, one step of the machine at a time."""

    def __init__(self, content: Content, clock: FakeClock, scripts: tuple[Script, ...]) -> None:
        self.content = content
        self.database = content.database
        self.clock = clock
        self.scripts = scripts
        self.began = clock.now()
        self.spans: dict[str, SegmentSpan] = {}
        self.upload: Upload | None = None
        self.found: dict[int, Any] = {}
        self.looked: Any = None
        self.pieces = Pieces(self.database, lambda: None)

    def prepare(self, first: State) -> None:
        """Make what the first state says is there."""
        self.database.write(lambda tx: [ensure_repository(tx, place) for place in PLACES])
        if first.blob is None:
            return
        self.spans["old"] = self.content.segment(LAYER)
        self.content.finish(self.spans["old"], DIGEST)
        self.content.put(naming(99))
        self._set_lease(-1)

    def step(self, name: str, after: State) -> None:
        actor, _, verb = name.partition(":")
        if actor == "tick":
            self.clock.advance(TICK)
        elif actor != "c":
            getattr(self, f"do_{verb}")(int(actor), self.scripts[int(actor)])
        elif verb != "dies":
            getattr(self, f"c_{verb.strip('?!').replace('-', '_')}_{'take' if verb.endswith('!') else 'look'}")()

    def seen(self) -> tuple[Any, ...]:
        """The state of the real thing, in the machine's words."""
        names = {span.key: name for name, span in self.spans.items()}

        def read(tx: Transaction) -> tuple[Any, ...]:
            blob = tx.execute(sa.select(blobs.c.segments)).scalar_one_or_none()
            upload = tx.execute(sa.select(uploads.c.segments).where(uploads.c.size > 0)).scalar_one_or_none()
            query = sa.select(repositories.c.name, repository_blobs.c.manifests, repository_blobs.c.lease_until)
            rows = tx.execute(query.join(repository_blobs, repository_blobs.c.repository_id == repositories.c.id)).all()
            links = {row.name: (row.manifests, self._ticks(row.lease_until)) for row in rows}
            marks = tx.execute(sa.select(doomed_segments.c.key, doomed_segments.c.state)).all()
            return (
                None if blob is None else tuple(names[key] for key, *_ in blob),
                None if upload is None else tuple(names[key] for key, *_ in upload),
                tuple(links.get(place.value) for place in PLACES),
                # Of what a row named, nothing is remembered once it is gone.
                {(names[mark.key], mark.state) for mark in marks if mark.state != "removed"},
            )

        return (frozenset(names[key] for key in self.content.stored()), *self.database.read(read))

    def _ticks(self, instant: int) -> int:
        return (instant - self.began) // (TICK * SECOND)

    def _set_lease(self, ticks: int) -> None:
        until = self.began + ticks * TICK * SECOND
        self.database.write(lambda tx: tx.execute(sa.update(repository_blobs).values(lease_until=until)))

    # -- clients ------------------------------------------------------------------------------------------------------

    def do_write(self, _: int, script: Script) -> None:
        self.spans[script.segment] = self.content.segment(LAYER)

    do_begin = do_write

    def do_finish(self, _: int, script: Script) -> None:
        try:
            finishing = self.content.uploads.finish(
                PLACES[script.repository], Digest.parse(DIGEST), (self.spans[script.segment],), None
            )
            asyncio.run(finishing)
        except UploadRangeInvalid:
            return

    def do_drop(self, _: int, script: Script) -> None:
        self.content.uploads.remove([self.spans[script.segment]])

    do_spare = do_drop

    def do_append(self, _: int, script: Script) -> None:
        try:
            self.upload = self.content.begin(self.spans[script.segment])
        except UploadRangeInvalid:
            return

    def do_complete(self, _: int, script: Script) -> None:
        assert self.upload is not None
        try:
            asyncio.run(
                self.content.uploads.finish(
                    PLACES[script.repository], Digest.parse(DIGEST), self.upload.spans, self.upload
                )
            )
        except UploadRangeInvalid:
            return

    def do_manifest(self, number: int, script: Script) -> None:
        try:
            self.content.put(naming(number), name=PLACES[script.repository])
        except ManifestBlobUnknown:
            return

    def do_head(self, number: int, script: Script) -> None:
        self.found[number] = self.database.read(lambda tx: find_blob(tx, PLACES[script.repository].value, DIGEST))

    def do_renew(self, number: int, _: Script) -> None:
        self.database.write(lambda tx: renew_lease(tx, self.found[number], tx.now + LEASE * SECOND))

    def do_look(self, number: int, script: Script) -> None:
        self.found[number] = self.database.read(lambda tx: find_blob(tx, NAME.value, DIGEST))

    def do_mount(self, _: int, script: Script) -> None:
        def body(tx: Transaction) -> None:
            blob = find_blob(tx, NAME.value, DIGEST)
            if blob is not None:
                link_blob(tx, ensure_repository(tx, PLACES[script.repository]), blob.id, tx.now + LEASE * SECOND)

        self.database.write(body)

    def do_delete(self, _: int, script: Script) -> None:
        query = sa.select(manifests.c.digest).order_by(manifests.c.id).limit(1)
        digest = self.database.read(lambda tx: tx.execute(query).scalar_one_or_none())
        if digest is not None:
            self.content.delete(digest, PLACES[script.repository])

    # -- the collector ------------------------------------------------------------------------------------------------

    def c_uploads_look(self) -> None:
        self.looked = self.database.read(lambda tx: roots.find_uploads(tx, 100))

    def c_uploads_take(self) -> None:
        self.content.collector.expire_uploads(self.pieces, Counts())

    def c_links_look(self) -> None:
        found = self.database.read(lambda tx: roots.find_links(tx, ("", 0), 100))
        self.looked = [(row.repository_id, row.blob_id) for row in found]

    def c_links_take(self) -> None:
        self.database.write(lambda tx: roots.unlink(tx, self.looked))

    def c_blobs_look(self) -> None:
        self.looked, _ = self.database.read(lambda tx: roots.find_blobs(tx, 0))

    def c_blobs_take(self) -> None:
        self.database.write(lambda tx: self.content.collector._forget(tx, self.looked))

    def c_sweep_look(self) -> None:
        self.looked = [self.database.read(lambda tx: segments.due_suspects(tx, "", 100))]

    def c_sweep_list_look(self) -> None:
        self.looked.append(self.content.stored())

    def c_sweep_first_look(self) -> None:
        self.looked.append(
            {key for rows in self.content.collector.sweep._uploads() for spans in rows for key, *_ in spans}
        )

    def c_sweep_second_look(self) -> None:
        self.looked[2] |= {key for rows in self.content.collector.sweep._blobs() for spans in rows for key, *_ in spans}

    def c_settle_look(self) -> None:
        due, _, named = self.looked
        self.database.write(lambda tx: segments.settle_suspects(tx, due, named))

    def c_suspect_look(self) -> None:
        _, listed, named = self.looked
        after = AGE_TICKS * TICK * SECOND
        self.database.write(lambda tx: segments.suspect(tx, sorted(listed - named), tx.now + after))

    def c_remove_look(self) -> None:
        self.looked = self.database.read(lambda tx: segments.due_condemned(tx, 100))

    def c_remove_bytes_look(self) -> None:
        self.content.collector._remove_bytes([row.key for row in self.looked])

    def c_remove_record_look(self) -> None:
        self.database.write(lambda tx: segments.record_removed(tx, self.looked, tx.now + AGE * SECOND))


def said(state: State) -> tuple[Any, ...]:
    """The state of the machine, as `Replay.seen` tells that of the real thing."""
    return (
        state.store,
        state.blob,
        state.upload[0] if state.upload else None,
        state.links,
        {mark[:2] for mark in state.doomed if mark[1] != "removed"},
    )


def walk(machine: Machine, first: State, chance: random.Random) -> list[tuple[str, State]]:
    """One way through the machine, to an end."""
    way, state = [], first
    while steps := list(machine.steps(state)):
        name, state = chance.choice(steps)
        way.append((name, state))
    return way


def chosen_walks(scenario: str) -> tuple[Machine, State, list[list[tuple[str, State]]]]:
    """Few walks that together show every pair of consecutive steps that many walks show."""
    machine, first = start(scenario)
    chance, kept = random.Random(7), list[list[tuple[str, State]]]()
    seen: set[tuple[str, str]] = set()
    for _ in range(WALKS):
        way = walk(machine, first, chance)
        pairs = {(one, two) for (one, _), (two, _) in pairwise(way)}
        if len(pairs - seen) >= NEW:
            seen |= pairs
            kept.append(way)
    return machine, first, kept


def replay(make: Callable[[], Content], clock: FakeClock, scenario: str) -> int:
    machine, first, walks = chosen_walks(scenario)
    steps = 0
    for way in walks:
        real = Replay(make(), clock, machine.scripts)
        real.prepare(first)
        for position, (name, state) in enumerate(way):
            real.step(name, state)
            assert real.seen() == said(state), (scenario, [step for step, _ in way[: position + 1]])
            steps += 1
    return steps


def test_the_real_code_takes_every_step_as_the_machine_does(
    database: Database, state_dir: Path, clock: FakeClock
) -> None:
    def make() -> Content:
        """The same database, emptied: a new one for each walk would take most of the time."""
        content = Content(database, state_dir)
        for key in content.stored():
            content.store.delete(key)
        database.write(_empty)
        return content

    steps = sum(replay(make, clock, scenario) for scenario in SCENARIOS)
    assert steps > 500


def _empty(tx: Transaction) -> None:
    written = (
        doomed_segments, manifest_blobs, gates, tags, manifests, repository_blobs, blobs, uploads, repositories
    )  # fmt: skip
    for table in written:
        tx.execute(sa.delete(table))
