"""Garbage collection: the protocol in every interleaving, the real code along its walks, and what users rely on."""

import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.registry.collecting import AGE, LEASE, NAME, PUSHER, Content
from tests.registry.collection_model import RULES, SCENARIOS, Machine, explore, garbage, initial, settled, start
from tests.registry.images import image, index, signature

from pratique.core.clock import DAY, SECOND, FakeClock, SystemClock
from pratique.core.database import Database, open_database
from pratique.core.errors import Busy
from pratique.core.jobs import Cancelled, JobContext, JobHandlers, JobQueue
from pratique.core.settings.content import Lifecycle
from pratique.registry.collection.jobs import COLLECT, Collections
from pratique.registry.collection.tables import deleted_items, doomed_segments
from pratique.registry.deleted import list_deleted
from pratique.registry.errors import ManifestBlobUnknown, UploadRangeInvalid
from pratique.registry.tables import blobs, manifests, repository_blobs
from pratique.registry.types import RepositoryName

OTHER = RepositoryName("other/app")


@pytest.fixture
def content(database: Database, state_dir: Path) -> Content:
    return Content(database, state_dir)


def count(content: Content, table: sa.Table) -> int:
    return int(content.database.read(lambda tx: tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()))


# -- the protocol -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_interleaving_loses_a_blob(scenario: str) -> None:
    machine, first = start(scenario)
    states, way = explore(machine, first)
    assert way == ()
    assert states > 1000


@pytest.mark.parametrize("rule", RULES)
def test_without_any_one_rule_a_blob_is_lost(rule: str) -> None:
    for name, (scripts, linked) in SCENARIOS.items():
        if name == "two pushes of one blob":
            continue  # the largest; the others suffice
        _, way = explore(Machine(scripts, [rule]), initial(scripts, linked=linked))
        if way:
            return
    pytest.fail(f"the machine works without the rule {rule}")


def test_whatever_happened_no_garbage_stays() -> None:
    for name in ("a push beside a deletion", "an upload in pieces", "three at once"):
        machine, first = start(name)
        seen, waiting = {first}, [first]
        while waiting and len(seen) < 5000:
            state = waiting.pop(len(seen) % len(waiting))
            end = settled(machine, state)
            assert not end.fault
            assert not garbage(end), (name, state)
            new = {after for _, after in machine.steps(state)} - seen
            seen |= new
            waiting.extend(new)


# -- what users rely on -----------------------------------------------------------------------------------------------


def test_what_nothing_names_goes_and_what_is_named_stays(content: Content, clock: FakeClock) -> None:
    kept, gone, shared = image(b"kept", b"shared"), image(b"gone", b"shared"), b"loose"
    content.push(kept, "v1")
    content.push(gone, "v2")
    content.push(kept, "v1", name=OTHER)
    content.push_blob(shared)
    content.delete(gone.digest)
    assert content.collect().kinds == {}, "everything is under a lease"
    clock.advance(LEASE + 1)
    counts = content.collect().kinds
    assert counts["blobs"][0] == 3, "the layer, the config and the loose blob; the shared layer stays"
    assert content.stored() == content.named()
    assert content.readable(kept)
    assert content.collect().kinds == {}


def test_a_lease_protects_a_push_that_is_not_done(content: Content, clock: FakeClock) -> None:
    slow = image(b"slow")
    for layer in slow.blobs.values():
        content.push_blob(layer)
    clock.advance(LEASE - 1)
    content.collect()
    content.put(slow, "v1")
    clock.advance(10 * LEASE)
    content.collect()
    assert content.readable(slow)


@pytest.mark.parametrize("jump", [-365 * DAY, 365 * DAY])
def test_a_clock_that_jumps_loses_nothing_that_is_named(content: Content, clock: FakeClock, jump: int) -> None:
    done, under_way = image(b"done"), image(b"under way")
    content.push(done, "v1")
    for layer in under_way.blobs.values():
        content.push_blob(layer)
    clock.advance(jump / SECOND)
    content.collect()
    assert content.readable(done)
    if jump > 0:  # the leases are over by any clock that can be asked: the push is told, and can be repeated
        with pytest.raises(ManifestBlobUnknown):
            content.put(under_way, "v2")
        content.push(under_way, "v2")
    else:
        content.put(under_way, "v2")
    assert content.readable(under_way)


def test_segments_without_a_row_go_after_a_day_and_not_before(content: Content, clock: FakeClock) -> None:
    left = content.segment(b"left by a process that died")
    (content.store.path(left.key).parent / "notes.txt").write_text("not ours")
    content.collect()
    assert left.key in content.stored()
    clock.advance(AGE + 1)
    assert content.collect().kinds["orphaned segments"] == [1, 0]
    assert left.key not in content.stored()
    assert "notes.txt" in content.stored(), "what has no name of ours is left alone"


def test_a_slow_upload_is_recorded_although_it_was_suspected(content: Content, clock: FakeClock) -> None:
    slow = image(b"slow")
    (digest, layer), *rest = slow.blobs.items()
    span = content.segment(layer)
    content.collect()
    assert count(content, doomed_segments) == 1
    assert content.finish(span, digest)
    assert count(content, doomed_segments) == 0
    for _, more in rest:
        content.push_blob(more)
    content.put(slow, "v1")
    clock.advance(AGE * 3)
    content.collect()
    assert content.readable(slow)


def test_bytes_that_waited_too_long_are_refused_and_can_be_sent_again(content: Content, clock: FakeClock) -> None:
    layer = b"slower than a day"
    span = content.segment(layer)
    content.collect()
    clock.advance(AGE + 1)
    content.collect()
    with pytest.raises(UploadRangeInvalid):
        content.finish(span, "sha256:" + "0" * 64)
    assert content.push_blob(layer)


def test_an_expired_upload_goes_with_its_bytes(content: Content, clock: FakeClock) -> None:
    upload = content.begin(content.segment(b"half"))
    clock.advance(LEASE + 1)
    assert content.collect().kinds["uploads"] == [1, 4]
    assert content.stored() == set()
    with pytest.raises(UploadRangeInvalid):
        content.finish(upload.spans[0], "sha256:" + "0" * 64, upload=upload)


def test_downloads_under_way_keep_their_bytes_for_the_grace(
    database: Database, state_dir: Path, clock: FakeClock
) -> None:
    content = Content(database, state_dir, grace=60)
    content.push_blob(b"being read")
    clock.advance(LEASE + 1)
    assert content.collect().kinds["blobs"] == [1, 10]
    assert len(content.stored()) == 1
    clock.advance(61)
    assert content.collect().kinds["segments"] == [1, 10]
    assert content.stored() == set()


def test_a_signature_goes_with_what_it_speaks_about(content: Content, clock: FakeClock) -> None:
    subject, other = image(b"subject"), image(b"other")
    signed, kept = signature(subject), signature(other)
    for artifact in (subject, other, signed, kept):
        content.push(artifact)
    early = signature(image(b"not pushed yet"))
    clock.advance(LEASE + 1)
    content.push(early)
    content.delete(subject.digest)
    assert content.collect().kinds["referrers"] == [1, 0]
    left = content.database.read(lambda tx: set(tx.execute(sa.select(manifests.c.digest)).scalars()))
    assert left == {other.digest, kept.digest, early.digest}, "one that came before its image is given time"


def test_an_index_keeps_what_it_lists(content: Content, clock: FakeClock) -> None:
    member = image(b"member")
    content.push(member)
    content.push(index(member), "v1")
    clock.advance(LEASE + 1)
    content.collect()
    assert content.readable(member)


def test_a_run_that_is_cut_off_anywhere_is_gone_on_with(database: Database, state_dir: Path, clock: FakeClock) -> None:
    class Cut(BaseException):
        """The process ends here."""

    content = Content(database, state_dir)
    kept = image(b"kept")
    content.push(kept, "v1")
    for step in range(40):
        for number in range(3):
            content.push_blob(f"{step} {number}".encode())
        content.begin(content.segment(b"half"))
        content.segment(b"orphan")
        clock.advance(LEASE + AGE)
        left = step

        def check() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Cut

        try:
            content.collector.run(check)
        except Cut:
            assert content.named() <= content.stored()
            assert content.readable(kept)
        else:
            break
    else:
        pytest.fail("no run came to its end: nothing was tested")
    assert step >= 6
    clock.advance(AGE + LEASE)
    content.collect()
    content.collect()
    assert content.stored() == content.named()
    assert count(content, blobs) == 2


def test_pushes_deletions_and_collection_at_once_lose_nothing(  # noqa: C901  three kinds of threads
    database_url: str, database: Database, state_dir: Path
) -> None:
    """Two hundred pushes of one blob, by eight threads, while two collectors run beside them."""
    live = open_database(database_url, clock=SystemClock(), hints_directory=state_dir / "hints", wait=30)
    content = Content(live, state_dir)
    done, failures, stop = [0], [], threading.Event()
    artifact = image(b"the same for all")

    def push_and_delete(name: RepositoryName, *, last: bool) -> None:
        content.push(artifact, "v1", name=name)
        assert content.readable(artifact)
        done[0] += 1
        if not last:
            content.delete(artifact.digest, name)

    def until_done(turns: Iterable[Callable[[], object]]) -> None:
        for turn in turns:
            try:
                turn()
            except Busy:
                continue
            except BaseException as error:  # noqa: BLE001  told below
                failures.append(repr(error))
                return

    def turns(number: int) -> list[Callable[[], object]]:
        name = RepositoryName(f"team/app{number}")
        return [partial(push_and_delete, name, last=turn == 24) for turn in range(25)]

    def collections() -> Iterable[Callable[[], object]]:
        while not stop.is_set():
            yield content.collect

    collectors = [threading.Thread(target=until_done, args=(collections(),)) for _ in range(2)]
    pushers = [threading.Thread(target=until_done, args=(turns(number),)) for number in range(8)]
    for thread in (*collectors, *pushers):
        thread.start()
    for thread in pushers:
        thread.join()
    stop.set()
    for thread in collectors:
        thread.join()
    try:
        assert failures == []
        assert done[0] > 100
        assert content.readable(artifact)
        assert content.named() <= content.stored()
        assert count(content, repository_blobs) == 16
    finally:
        live.close()


# -- what was deleted -------------------------------------------------------------------------------------------------


@pytest.fixture
def keeping(database: Database, state_dir: Path) -> Content:
    return Content(database, state_dir, keep=10 * LEASE)


def deleted(content: Content) -> list[tuple[str, str]]:
    return [(item.kind, item.name) for item in content.database.read(lambda tx: list_deleted(tx, NAME, limit=100))]


def restore(content: Content, number: int = 0) -> list[str]:
    item = content.database.read(lambda tx: list_deleted(tx, NAME, limit=100))[number]
    return content.database.write(lambda tx: content.restoring.restore(tx, PUSHER, NAME, item.id))


def test_a_deleted_image_keeps_its_bytes_until_its_time_is_over(keeping: Content, clock: FakeClock) -> None:
    pushed = image(b"deleted by mistake")
    keeping.push(pushed, "v1", "latest")
    keeping.delete(pushed.digest)
    assert deleted(keeping) == [("manifest", pushed.digest)]
    clock.advance(9 * LEASE)
    keeping.collect()
    assert restore(keeping) == ["latest", "v1"]
    assert keeping.readable(pushed)
    assert deleted(keeping) == []
    keeping.delete(pushed.digest)
    clock.advance(11 * LEASE)
    assert deleted(keeping) == []
    keeping.collect()
    assert keeping.stored() == set()
    assert count(keeping, deleted_items) == 0


def test_a_restored_image_is_judged_anew(keeping: Content) -> None:
    from pratique.registry.types import GateReason, GateState

    pushed = image(b"refused")
    keeping.push(pushed, "v1")

    def gate(state: GateState) -> Callable[..., bool]:
        def body(tx: object) -> bool:
            repository = keeping.service.repository(tx, NAME.value)  # type: ignore[arg-type]
            assert repository is not None
            return keeping.service.apply_gate(
                tx, repository_id=repository.id, digest=pushed.digest, state=state, reason=GateReason("a test"),  # type: ignore[arg-type]
                decision_id="decision",
            )  # fmt: skip

        return body

    keeping.database.write(gate(GateState.OPEN))
    keeping.delete(pushed.digest)
    restore(keeping)
    found = keeping.database.read(lambda tx: keeping.service.resolve(tx, NAME.value, "v1"))
    assert found is not None
    assert (found.gate.state, found.gate.decision_id) == (GateState.HELD, None)


def test_tags_come_back_unless_somebody_has_set_them(keeping: Content) -> None:
    from pratique.registry.errors import TagTaken

    first, second = image(b"1"), image(b"2")
    keeping.push(first, "v1", "v2")
    keeping.delete("v1")
    assert deleted(keeping) == [("tag", "v1")]
    keeping.push(second, "v1")
    with pytest.raises(TagTaken):
        restore(keeping)
    keeping.delete("v2")
    assert restore(keeping) == ["v2"]


# -- as background work -----------------------------------------------------------------------------------------------


def run_job(content: Content, *, dry_run: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Start a collection as the API does and run it as a worker does."""
    queue, handlers = JobQueue(), JobHandlers()
    collections = Collections(content.database, queue, content.collector, content.audit)
    collections.register(handlers, Lifecycle())
    job_id = content.database.write(lambda tx: collections.start(tx, PUSHER, dry_run=dry_run))
    again = content.database.write(lambda tx: collections.start(tx, PUSHER, dry_run=dry_run))
    assert again == job_id, "one that waits already is that run"
    (job,) = content.database.write(lambda tx: queue.claim(tx, {COLLECT: 1}, 1, "test", 60 * SECOND))
    handlers.find(COLLECT).handler(JobContext(job, content.database, queue))
    run = content.database.read(lambda tx: collections.run(tx, job_id))
    return run, content.database.read(lambda tx: collections.finds(tx, job_id, limit=500))


def test_a_dry_run_takes_nothing_and_says_to_the_byte_what_a_run_takes(
    database: Database, state_dir: Path, clock: FakeClock
) -> None:
    content = Content(database, state_dir, keep=LEASE)
    kept, gone = image(b"kept", b"shared"), image(b"gone", b"shared")
    content.push(kept, "v1")
    content.push(gone, "v2")
    content.delete(gone.digest)
    content.push_blob(b"loose")
    content.begin(content.segment(b"half an upload"))
    content.segment(b"an orphan")
    content.collect()
    clock.advance(LEASE + AGE)
    content.push_blob(b"under a lease")
    before = content.stored()
    dry, finds = run_job(content, dry_run=True)
    assert content.stored() == before
    assert dry["dry_run"]
    assert dry["finished_at"]
    assert {find["kind"] for find in finds} == {"deleted items", "uploads", "blobs", "orphaned segments"}
    sizes = {key: content.store.size(key) for key in before}
    real, _ = run_job(content, dry_run=False)
    went = sum(sizes[key] for key in before - content.stored())
    assert sum(find["bytes"] for find in finds) == went
    for kind in ("uploads", "blobs"):
        assert dry["counts"][kind] == real["counts"][kind]
    assert dry["counts"]["blobs"]["number"] == 3
    assert content.readable(kept)
    assert run_job(content, dry_run=True)[1] == []


def test_a_cancelled_collection_stops_before_its_next_step(content: Content, clock: FakeClock) -> None:
    for number in range(3):
        content.push_blob(b"%d" % number)
    clock.advance(LEASE + 1)

    def cancelled() -> None:
        raise Cancelled("The job was cancelled.")

    with pytest.raises(Cancelled):
        content.collector.run(cancelled)
    assert count(content, blobs) == 3
