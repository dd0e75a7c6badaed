"""The invariants of gates, tags and counts, on every database engine, under random histories."""

import random

import pytest
import sqlalchemy as sa
from tests.registry.images import Artifact, image, index, layer, signature, statement
from tests.registry.parties import CountingAudit, caller

from pratique.core.blobs import SegmentSpan
from pratique.core.blobs.types import BlobStore
from pratique.core.database import Database, Transaction
from pratique.core.digests import Digest
from pratique.core.events import EventBus
from pratique.core.jobs import JobHandlers, JobQueue
from pratique.core.permissions import Extent, Scope
from pratique.registry.blobs import find_blob, link_blob, store_blob
from pratique.registry.deletions import Deletions
from pratique.registry.errors import ManifestUnknown
from pratique.registry.gates import Gates
from pratique.registry.listing import list_referrers, list_repositories, list_tags
from pratique.registry.locks import Locks
from pratique.registry.parsing import parse_manifest
from pratique.registry.pulls import find_manifest
from pratique.registry.pushes import Pushes
from pratique.registry.repositories import ensure_repository
from pratique.registry.service import RegistryService
from pratique.registry.tables import blobs, gates, manifest_blobs, manifest_members, manifests, repository_blobs, tags
from pratique.registry.types import ArtifactKind, GateChange, GateReason, GateState, Reference, RepositoryName

NAME = RepositoryName("team/app")
PUSHER = caller("pusher")


class Records:
    """The registry's transactions without HTTP and without bytes."""

    def __init__(self, database: Database, store: BlobStore) -> None:
        self.database = database
        self.events = EventBus(JobQueue(), JobHandlers())
        keeper = Gates(self.events)
        audit = CountingAudit()
        self.pushes = Pushes(database, store, self.events, keeper, audit, Locks(), serve_pending=False, blob_lease=60)
        self.deletions = Deletions(self.events, keeper, audit, Locks())
        self.service = RegistryService(database, store, keeper)

    def push(self, artifact: Artifact, *tag_names: str, name: RepositoryName = NAME) -> GateState:
        def body(tx: Transaction) -> GateState:
            repository_id = ensure_repository(tx, name)
            for digest, content in artifact.blobs.items():
                store_blob(tx, repository_id, digest, [SegmentSpan(digest[-32:], len(content))], tx.now + 1)
            manifest = parse_manifest(artifact.manifest, artifact.media_type)
            return self.pushes.store(
                tx, caller=PUSHER, name=name, manifest=manifest, content=artifact.manifest, digest=artifact.digest,
                tag_names=tag_names,
            ).state  # fmt: skip

        return self.database.write(body)

    def decide(self, artifact: Artifact, state: GateState) -> bool:
        def body(tx: Transaction) -> bool:
            repository = self.service.repository(tx, NAME.value)
            return repository is not None and self.service.apply_gate(
                tx, repository_id=repository.id, digest=artifact.digest, state=state,
                reason=GateReason(f"{state}: a test"), decision_id=None,
            )  # fmt: skip

        return self.database.write(body)

    def delete(self, artifact: Artifact) -> None:
        reference = Reference(digest=Digest.parse(artifact.digest))
        self.database.write(lambda tx: self.deletions.delete(tx, PUSHER, NAME, reference))

    def seen(self, reference: str, *, sees_held: bool = False) -> tuple[str, str] | None:
        def body(tx: Transaction) -> tuple[str, str] | None:
            found = find_manifest(tx, NAME, Reference.parse(reference), sees_held=sees_held)
            return None if found is None else (found.digest, found.state)

        return self.database.read_here(body)


@pytest.fixture
def records(database: Database) -> Records:
    return Records(database, store=None)  # type: ignore[arg-type]  # no test here reads bytes


def test_served_and_pending(records: Records) -> None:
    first, second = image(b"1"), image(b"2")
    assert records.push(first, "v1") is GateState.HELD
    assert records.seen("v1") == (first.digest, "held")
    assert records.decide(first, GateState.OPEN)
    assert not records.decide(first, GateState.OPEN)
    records.push(second, "v1", "v2")
    assert records.seen("v1") == (first.digest, "open")
    assert records.seen("v1", sees_held=True) == (second.digest, "held")
    assert records.seen("v2") == (second.digest, "held")
    records.decide(second, GateState.OPEN)
    assert records.seen("v1") == records.seen("v2") == (second.digest, "open")
    assert records.seen("v3") is None


def test_inline_subscriber_may_decide_within_the_push(records: Records) -> None:
    def judge(tx: Transaction, event: object) -> None:
        data = event.data  # type: ignore[attr-defined]
        records.service.apply_gate(
            tx, repository_id=data["repository_id"], digest=data["digest"], state=GateState.OPEN,
            reason=GateReason("known already"), decision_id="decision",
        )  # fmt: skip

    records.events.subscribe_inline("pratique.registry.manifest.pushed.v1", judge)
    pushed = image(b"known")
    assert records.push(pushed, "v1") is GateState.OPEN
    assert records.seen("v1") == (pushed.digest, "open")


def test_gate_changes_are_told_once(records: Records) -> None:
    told: list[tuple[str, str, str]] = []
    records.events.subscribe_inline(
        "pratique.registry.gate.changed.v1",
        lambda _, event: told.append((event.data["digest"], event.data["previous"], event.data["state"])),
    )
    pushed = image(b"told")
    records.push(pushed, "v1")
    records.decide(pushed, GateState.OPEN)
    records.decide(pushed, GateState.OPEN)
    records.decide(pushed, GateState.REFUSED)
    assert told == [(pushed.digest, "held", "open"), (pushed.digest, "open", "refused")]


def test_circle_of_signature_tags_ends(records: Records) -> None:
    one, two = statement("one"), statement("two")
    records.push(one, two.digest.replace(":", "-") + ".sig")
    records.push(two, one.digest.replace(":", "-") + ".sig")
    assert records.seen(one.digest) == (one.digest, "held")


def test_lists(records: Records) -> None:
    made = image(b"listed")
    for name in ("a", "a/b", "a_b", "ab", "team/app"):
        records.push(made, "v2", "v1", "V", name=RepositoryName(name))
    everything = Extent(allowed=(Scope.root(),))
    below_a = Extent(allowed=(Scope.parse("/registry/a"),), denied=(Scope.parse("/registry/a/b"),))
    read = records.database.read
    assert read(lambda tx: list_repositories(tx, [everything], 9)).names == ("a", "a/b", "a_b", "ab", "team/app")
    assert read(lambda tx: list_repositories(tx, [below_a], 9)).names == ("a",)
    assert read(lambda tx: list_repositories(tx, [Extent()], 9)).names == ()
    assert read(lambda tx: list_tags(tx, NAME, 2)).names == ("V", "v1")
    summaries = read(lambda tx: records.service.list_repositories(tx, [everything], limit=1))
    assert (summaries[0].name, summaries[0].tags, summaries[0].manifests) == ("a", 3, 1)
    refs = read(lambda tx: records.service.repositories_of(tx, made.digest))
    assert [ref.name for ref in refs] == ["a", "a/b", "a_b", "ab", "team/app"]


def test_referrers(records: Records) -> None:
    subject = image(b"subject")
    records.push(subject)
    seal = signature(subject)
    records.push(seal)

    def listed(*, sees_held: bool) -> list[str]:
        found, following = records.database.read(
            lambda tx: list_referrers(tx, NAME, subject.digest, artifact_type="", sees_held=sees_held)
        )
        assert following is None
        return [each["digest"] for each in found]

    assert listed(sees_held=True) == [seal.digest]
    assert listed(sees_held=False) == []


def test_lease_is_renewed_without_touching_counts(records: Records) -> None:
    made = image(b"leased")
    records.push(made)
    digest = next(iter(made.blobs))

    def renew(tx: Transaction) -> None:
        blob = find_blob(tx, NAME.value, digest)
        assert blob is not None
        link_blob(tx, blob.repository_id, blob.id, 12345)

    records.database.write(renew)
    blob = records.database.read(lambda tx: find_blob(tx, NAME.value, digest))
    assert blob is not None
    assert (blob.lease_until, blob.manifests, blob.open_manifests) == (12345, 1, 0)


def test_unknown_things(records: Records) -> None:
    records.push(image())
    with pytest.raises(ManifestUnknown):
        records.delete(image(b"never pushed"))
    assert not records.decide(image(b"never pushed"), GateState.OPEN)
    assert records.database.read(lambda tx: records.service.resolve(tx, "no/such", "v1")) is None
    assert records.database.read(lambda tx: records.service.resolve(tx, NAME.value, "v1")) is None


@pytest.mark.parametrize("seed", range(4))
def test_invariants_hold_in_every_history(records: Records, seed: int) -> None:
    dice = random.Random(seed)
    images = [image(b"base", bytes([number])) for number in range(4)]
    notes = [statement(str(number)) for number in range(2)]
    annotations = {
        note.digest: {"vnd.docker.reference.digest": each.digest} for note, each in zip(notes, images, strict=False)
    }
    listings = [
        index(images[0], images[1], notes[0], annotations=annotations),
        index(images[2], images[3], notes[1], annotations=annotations),
    ]
    nested = index(*listings)
    everything = [*images, *notes, *listings, nested, *(signature(each) for each in (images[0], listings[1]))]
    present: set[str] = set()
    for _ in range(40):
        step = dice.choice(["push", "push", "decide", "decide", "delete"])
        chosen = dice.choice(everything)
        if step == "push":
            records.push(chosen, *dice.sample(["v1", "v2", "v3"], dice.randrange(3)))
            present.add(chosen.digest)
        elif step == "decide":
            records.decide(chosen, dice.choice(list(GateState)))
        elif chosen.digest in present:
            records.delete(chosen)
            present.discard(chosen.digest)
        records.database.read(check_invariants)


def check_invariants(tx: Transaction) -> None:
    rows = {row.id: row for row in tx.execute(sa.select(manifests, gates.c.state).join(gates))}
    by_digest = {row.digest: row for row in rows.values()}
    _check_counts(tx, rows)
    for row in rows.values():
        if row.kind == ArtifactKind.ATTACHED:
            subject = by_digest.get(row.gate_subject)
            assert row.state == (subject.state if subject else "held")
        if row.kind == ArtifactKind.INDEX:
            assert row.state == _of_members(tx, row.id, by_digest)
    for tag in tx.execute(sa.select(tags)):
        assert tag.served_id is not None or tag.pending_id is not None
        assert tag.served_id != tag.pending_id
        assert tag.pending_id is None or rows[tag.pending_id].state != "open"


def _check_counts(tx: Transaction, rows: dict[int, sa.Row]) -> None:  # type: ignore[type-arg]
    reached: dict[int, list[str]] = {}
    for link in tx.execute(sa.select(manifest_blobs)):
        reached.setdefault(link.blob_id, []).append(rows[link.manifest_id].state)
    for held in tx.execute(sa.select(repository_blobs)):
        states = reached.get(held.blob_id, [])
        assert (held.manifests, held.open_manifests) == (len(states), states.count("open"))


def _of_members(tx: Transaction, row_id: int, by_digest: dict[str, sa.Row]) -> str:  # type: ignore[type-arg]
    listed = tx.execute(sa.select(manifest_members).where(manifest_members.c.manifest_id == row_id)).all()
    present = [(line.runnable, by_digest[line.digest]) for line in listed if line.digest in by_digest]
    runnable = [row.state for can_run, row in present if can_run and row.kind != ArtifactKind.ATTACHED]
    states = runnable or [row.state for _, row in present]
    if not states:
        return "held"
    return next((state for state in ("open", "held") if state in states), "refused")


def test_many_gates_at_once_are_what_one_after_the_other_would_be(records: Records) -> None:
    told: list[str] = []
    records.events.subscribe_inline(
        "pratique.registry.gate.changed.v1", lambda _, event: told.append(event.data["digest"])
    )
    first, second, alone = image(b"shared", b"1"), image(b"shared", b"2"), image(b"3")
    both, signed = index(first, second), signature(second)
    for artifact, tag in ((first, "1"), (second, "2"), (alone, "3"), (both, "both"), (signed, "signed")):
        records.push(artifact, tag)
    missing = image(b"nowhere")

    def change(state: GateState) -> set[str]:
        def body(tx: Transaction) -> set[str]:
            repository = records.service.repository(tx, NAME.value)
            assert repository is not None
            wanted = (first, second, both, missing)
            changes = [GateChange(repository.id, each.digest, state, GateReason("a test")) for each in wanted]
            return {digest for _, digest in records.service.apply_gates(tx, changes)}

        return records.database.write(body)

    assert change(GateState.OPEN) == {first.digest, second.digest}
    assert sorted(told) == sorted([first.digest, second.digest, both.digest, signed.digest])
    assert records.seen("both") == (both.digest, "open")
    assert records.seen("signed") == (signed.digest, "open")
    assert records.seen("3") == (alone.digest, "held")
    shared = Digest.of(layer(b"shared"))
    assert _open_manifests(records, str(shared)) == 2
    assert change(GateState.OPEN) == set()
    assert change(GateState.REFUSED) == {first.digest, second.digest}
    assert records.seen("both") == (both.digest, "refused")
    assert _open_manifests(records, str(shared)) == 0


def _open_manifests(records: Records, digest: str) -> int:
    query = (
        sa.select(repository_blobs.c.open_manifests)
        .join(blobs, blobs.c.id == repository_blobs.c.blob_id)
        .where(blobs.c.digest == digest)
    )
    return records.database.read(lambda tx: int(tx.execute(query).scalar_one()))
