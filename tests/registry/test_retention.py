"""Retention: what stays and why, what goes, and that nothing goes which somebody uses meanwhile; on both engines."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.registry.collecting import NAME, PUSHER, Content
from tests.registry.images import Artifact, image, index, signature

from pratique.core.clock import SECOND, FakeClock, SystemClock
from pratique.core.database import Database, open_database
from pratique.core.errors import Busy, Invalid
from pratique.core.events import EventBus
from pratique.core.jobs import Cancelled, JobContext, JobHandlers, JobQueue
from pratique.registry.deleted import Bin, list_deleted
from pratique.registry.deletions import Deletions
from pratique.registry.gates import Gates
from pratique.registry.locks import NO_DELETE, Locks
from pratique.registry.retention.immutability import Immutability
from pratique.registry.retention.last_pulled import LastPulled
from pratique.registry.retention.rules import RetentionRules
from pratique.registry.retention.running import RETAIN, Retention
from pratique.registry.retention.tables import manifest_pulls
from pratique.registry.retention.types import RetentionRule, Verdict
from pratique.registry.retention.versions import version_key
from pratique.registry.tables import manifests, repositories, tags
from pratique.registry.types import GateReason, GateState, RepositoryName

DAYS = 86400.0
WEEK = 7 * DAYS


class Kept(Content):
    """A registry with retention; deleted items can be restored for a year of the test's clock."""

    def __init__(self, database: Database, directory: Path) -> None:
        super().__init__(database, directory, keep=90 * DAYS)
        self.jobs, self.handlers = JobQueue(), JobHandlers()
        self.immutability = Immutability(self.audit)
        locks, keeper = Locks([self.immutability]), Gates(EventBus(JobQueue(), JobHandlers()))
        self.deletions = Deletions(self.events, keeper, self.audit, locks, Bin(90 * DAYS))
        self.rules = RetentionRules(self.audit, locks)
        self.retention = Retention(database, self.jobs, self.deletions, self.audit, locks)
        self.retention.register(self.handlers, 0)
        self.pulled = LastPulled(database)

    def rule(self, tag_patterns: str = "*", prefix: str = "", **spans: int) -> RetentionRule:
        wanted = RetentionRule("", prefix, tag_patterns, **spans)
        return self.database.write(lambda tx: self.rules.add(tx, PUSHER, wanted))

    def preview(self, rule: RetentionRule, limit: int = 500) -> dict[str, Verdict]:
        found: dict[str, Verdict] = {}
        after: tuple[str, str] | None = ("", "")
        while after is not None:
            verdicts, after = self.database.read(
                lambda tx, after=after: self.rules.preview(tx, rule.id, limit=limit, after=after)  # type: ignore[misc]
            )
            found |= {one.tag or one.digest: one for one in verdicts}
        return found

    def claim(self, prefix: str = "") -> JobContext:
        self.database.write(lambda tx: self.retention.start(tx, PUSHER, prefix))
        (job,) = self.database.write(lambda tx: self.jobs.claim(tx, {RETAIN: 1}, 1, "test", 60 * SECOND))
        return JobContext(job, self.database, self.jobs)

    def run(self, prefix: str = "") -> dict[str, Any]:
        context = self.claim(prefix)
        self.handlers.find(RETAIN).handler(context)
        return self.database.read(lambda tx: self.retention.run(tx, context.job.id))

    def tags(self, name: RepositoryName = NAME) -> set[str]:
        query = sa.select(tags.c.name).join(repositories, repositories.c.id == tags.c.repository_id)
        return set(
            self.database.read(lambda tx: tx.execute(query.where(repositories.c.name == name.value)).scalars().all())
        )

    def digests(self) -> set[str]:
        return set(self.database.read(lambda tx: tx.execute(sa.select(manifests.c.digest)).scalars().all()))

    def id_of(self, artifact: Artifact) -> int:
        query = sa.select(manifests.c.id).where(manifests.c.digest == artifact.digest)
        return int(self.database.read(lambda tx: tx.execute(query).scalar_one()))

    def open(self, artifact: Artifact) -> None:
        def body(tx: Any) -> None:
            repository = self.service.repository(tx, NAME.value)
            assert repository is not None
            self.service.apply_gate(
                tx, repository_id=repository.id, digest=artifact.digest, state=GateState.OPEN,
                reason=GateReason("open: a test says so"), decision_id=None,
            )  # fmt: skip

        self.database.write(body)


@pytest.fixture
def kept(database: Database, state_dir: Path) -> Kept:
    return Kept(database, state_dir)


def push_daily(kept: Kept, clock: FakeClock, names: list[str]) -> list[Artifact]:
    made = []
    for name in names:
        made.append(image(name.encode()))
        kept.push(made[-1], name)
        clock.advance(DAYS)
    return made


def test_the_newest_stay_and_the_preview_says_what_the_run_does(kept: Kept, clock: FakeClock) -> None:
    made = push_daily(kept, clock, ["a", "b", "c", "d"])
    kept.push(made[0], "again")
    rule = kept.rule(keep_newest=2)
    said = kept.preview(rule)
    assert {tag for tag, verdict in said.items() if verdict.goes} == {"a", "b", "c"}
    assert said["d"].because == "it is one of the 2 newest"
    assert rule.id in said["a"].because
    assert kept.preview(rule, limit=1) == said, "page by page it is the same"
    assert kept.tags() == {"a", "b", "c", "d", "again"}, "a preview takes nothing"
    run = kept.run()
    assert (run["tags"], run["manifests"]) == (3, 2)
    assert run["finished_at"]
    assert kept.tags() == {"d", "again"}
    assert kept.digests() == {made[0].digest, made[3].digest}, "an image with another tag stays"
    assert ("registry.retention.delete", "system", f"{NAME}:a") in kept.audit.changes
    binned = kept.database.read(lambda tx: list_deleted(tx, NAME, limit=10))
    assert {(one.kind, one.name, one.tags) for one in binned} == {
        ("tag", "a", ()), ("manifest", made[1].digest, ("b",)), ("manifest", made[2].digest, ("c",)),
    }  # fmt: skip
    assert all(rule.id in one.because for one in binned)
    number = next(one.id for one in binned if one.name == made[1].digest)
    assert kept.database.write(lambda tx: kept.restoring.restore(tx, PUSHER, NAME, number)) == ["b"]


def test_spans_count_from_push_and_pull(kept: Kept, clock: FakeClock) -> None:
    old, pulled, new = push_daily(kept, clock, ["old", "pulled", "new"])
    rule = kept.rule(pushed_within=2)
    assert {tag for tag, one in kept.preview(rule).items() if one.goes} == {"old", "pulled"}
    kept.pulled.note(kept.id_of(pulled))
    assert kept.pulled.flush() == 1
    other = kept.rule(pulled_within=2)
    assert kept.preview(rule)["pulled"].because == "it was of use within 2 days"
    assert kept.run()["tags"] == 1
    assert kept.tags() == {"pulled", "new"}
    assert old.digest not in kept.digests()
    kept.database.write(lambda tx: kept.rules.remove(tx, PUSHER, other.id))
    assert kept.run()["tags"] == 1
    assert kept.tags() == {"new"}
    assert new.digest in kept.digests()


def test_versions_are_ordered_as_versions_and_other_names_stay(kept: Kept, clock: FakeClock) -> None:
    push_daily(kept, clock, ["v1.10.0", "v1.9.0", "v1.10.0-rc.1", "v1.2.3", "latest", "v1"])
    rule = kept.rule(keep_versions=2)
    said = kept.preview(rule)
    assert {tag for tag, one in said.items() if one.goes} == {"v1.9.0", "v1.2.3"}
    assert said["latest"].because == "it is no full version, and the rule counts versions"
    kept.run()
    assert kept.tags() == {"v1.10.0", "v1.10.0-rc.1", "latest", "v1"}


def test_the_order_of_the_specification() -> None:
    """Semantic Versioning 2.0.0, section 11.4, and before it numbers of any length."""
    rising = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"]
    rising += ["1.0.0-rc.1", "1.0.0", "v1.0.1", "1.2.0", "1.10.0", "2.0.0"]
    keys = [version_key(text) for text in rising]
    assert None not in keys
    assert keys == sorted(keys)  # type: ignore[type-var]
    for none in ("1", "v1.2", "01.2.3", "1.2.3.4", "latest", "1.2.3-", "1.2.3-a..b"):
        assert version_key(none) is None


def test_untagged_goes_after_its_days_and_what_is_used_counts_anew(kept: Kept, clock: FakeClock) -> None:
    moved, pulled, pushed_again = image(b"moved"), image(b"pulled"), image(b"again")
    for artifact in (moved, pulled, pushed_again):
        kept.push(artifact, "latest")
    kept.push(image(b"now"), "latest")
    clock.advance(30 * DAYS)
    rule = kept.rule("", untagged_after=7)
    assert kept.run()["manifests"] == 0, "nobody knows for how long it was untagged: it counts from now"
    clock.advance(6 * DAYS)
    kept.pulled.note(kept.id_of(pulled))
    kept.pulled.flush()
    kept.put(pushed_again)
    clock.advance(2 * DAYS)
    said = kept.preview(rule)
    assert {digest for digest, one in said.items() if one.goes} == {moved.digest}
    assert "2 of 7 days" in said[pulled.digest].because
    assert (run := kept.run())["manifests"] == 1
    assert run["tags"] == 0
    assert moved.digest not in kept.digests()
    assert {pulled.digest, pushed_again.digest} <= kept.digests()


def test_what_others_need_stays(kept: Kept, clock: FakeClock) -> None:
    member, subject = image(b"member"), image(b"subject")
    signed = signature(subject)
    kept.push(member, "member")
    kept.push(subject, "keep")
    kept.push(signed, "signature")
    kept.push(index(member), "list")
    rules = [kept.rule("member,signature", pushed_within=1), kept.rule("", untagged_after=1)]
    clock.advance(3 * DAYS)
    assert kept.preview(rules[0])["signature"].because == "what it speaks about is here"
    kept.run()
    clock.advance(3 * DAYS)
    kept.run()
    assert kept.tags() == {"keep", "list", "signature"}
    assert {member.digest, subject.digest, signed.digest} <= kept.digests()
    kept.delete("list")
    kept.rule("list", pushed_within=1)
    for _ in range(3):
        clock.advance(3 * DAYS)
        kept.run()
    assert member.digest not in kept.digests(), "with its index gone nothing keeps it"


def test_locked_immutable_and_last_served_stay(kept: Kept, clock: FakeClock) -> None:
    served, following = image(b"served"), image(b"following")
    push_daily(kept, clock, ["locked", "fixed", "plain"])
    kept.push(served, "live")
    kept.open(served)
    kept.push(following, "live")
    lock = sa.update(tags).where(tags.c.name == "locked").values(locks=NO_DELETE)
    kept.database.write(lambda tx: tx.execute(lock))
    kept.database.write(lambda tx: kept.immutability.add(tx, PUSHER, "", "fixed"))
    rule = kept.rule(pushed_within=1)
    clock.advance(WEEK)
    said = kept.preview(rule)
    assert {tag: one.because for tag, one in said.items() if not one.goes} == {
        "locked": "the operation is not allowed: the tag locked is locked",
        "fixed": "the tag fixed never changes: a rule protects fixed below /",
        "live": "a newer push waits for its gate, and readers still get this image",
    }
    kept.run()
    assert kept.tags() == {"locked", "fixed", "live"}
    assert served.digest in kept.digests()


def test_a_rule_covers_its_prefix_and_every_covering_rule_may_keep(kept: Kept, clock: FakeClock) -> None:
    names = [RepositoryName(name) for name in ("team", "team/app", "teams", "other")]
    for name in names:
        kept.push(image(b"1"), "v1", name=name)
        kept.push(image(b"1"), "other", name=name)
    kept.rule("v*", "team", pushed_within=1)
    kept.rule("*", "team/app", keep_newest=5)
    clock.advance(WEEK)
    assert kept.run("other")["tags"] == 0
    assert kept.run()["tags"] == 1
    assert [kept.tags(name) for name in names] == [{"other"}, *([{"v1", "other"}] * 3)]


@pytest.mark.parametrize(
    "rule",
    [
        RetentionRule("", "", "*"),
        RetentionRule("", "", "*", untagged_after=3),
        RetentionRule("", "", "", keep_newest=3),
        RetentionRule("", "", "[v", keep_newest=3),
        RetentionRule("", "Team", "*", keep_newest=3),
        RetentionRule("", "", "*", keep_newest=0),
        RetentionRule("", "", "*", pushed_within=-1),
    ],
)
def test_what_would_keep_nothing_is_no_rule(kept: Kept, rule: RetentionRule) -> None:
    with pytest.raises(Invalid):
        kept.database.write(lambda tx: kept.rules.add(tx, PUSHER, rule))


# -- between judging and taking ---------------------------------------------------------------------------------------


def between(kept: Kept, act: Callable[[], object]) -> dict[str, Any]:
    """Run, and act after the repository was judged and before anything of it is taken."""
    context = kept.claim()
    read, acted = kept.database.read, list[bool]()

    def read_then_act(body: Any) -> Any:
        value = read(body)
        if isinstance(value, tuple) and not acted:  # rules and verdicts; pages are lists
            acted.append(True)
            act()
        return value

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept.database, "read", read_then_act)
        kept.handlers.find(RETAIN).handler(context)
    assert acted
    return kept.database.read(lambda tx: kept.retention.run(tx, context.job.id))


def test_a_push_between_judging_and_taking_keeps_its_tag(kept: Kept, clock: FakeClock) -> None:
    first, second = image(b"first"), image(b"second")
    kept.push(first, "nightly", "old")
    kept.rule(pushed_within=1)
    clock.advance(WEEK)
    assert between(kept, lambda: kept.push(second, "nightly"))["tags"] == 1
    assert kept.tags() == {"nightly"}
    assert second.digest in kept.digests()


def test_a_pull_or_a_new_index_between_judging_and_taking_keeps_the_image(kept: Kept, clock: FakeClock) -> None:
    pulled, member = image(b"pulled"), image(b"member")
    kept.push(pulled, "pulled")
    kept.push(member)
    kept.rule(pulled_within=1)
    kept.rule("", untagged_after=1)
    kept.run()
    clock.advance(WEEK)

    def use() -> None:
        kept.pulled.note(kept.id_of(pulled))
        kept.pulled.flush()
        kept.push(index(member), "list")

    between(kept, use)
    assert kept.tags() == {"pulled", "list"}
    assert member.digest in kept.digests()


def test_when_others_delete_what_was_counted_it_is_counted_again(kept: Kept, clock: FakeClock) -> None:
    push_daily(kept, clock, ["a", "b", "c"])
    kept.rule(keep_newest=1)
    assert between(kept, lambda: kept.delete("c"))["tags"] == 1
    assert kept.tags() == {"b"}, "one was to stay, and one has stayed"


def test_a_rule_that_is_taken_off_or_a_lock_that_is_set_stops_the_run(kept: Kept, clock: FakeClock) -> None:
    push_daily(kept, clock, ["a", "b"])
    rule = kept.rule(pushed_within=1)
    clock.advance(WEEK)
    assert between(kept, lambda: kept.database.write(lambda tx: kept.rules.remove(tx, PUSHER, rule.id)))["tags"] == 0
    kept.rule(pushed_within=1)
    lock = sa.update(tags).where(tags.c.name == "a").values(locks=NO_DELETE)
    assert between(kept, lambda: kept.database.write(lambda tx: tx.execute(lock)))["tags"] == 1
    assert kept.tags() == {"a"}


def test_pushes_beside_runs_never_lose_their_tag(database_url: str, database: Database, state_dir: Path) -> None:
    """Each push moves a tag that the rule has just let go; after the push the tag must be there."""
    live = open_database(database_url, clock=SystemClock(), hints_directory=state_dir / "hints", wait=30)
    kept, stop, failures = Kept(live, state_dir), threading.Event(), list[str]()
    kept.rule("v*", keep_newest=1)
    runs = [0]

    def run_on() -> None:
        while not stop.is_set():
            try:
                kept.retention.retain("none", repository_id, NAME.value, lambda: None)
                runs[0] += 1
            except Busy:
                continue
            except BaseException as error:  # noqa: BLE001  told below
                failures.append(repr(error))
                return

    kept.push(image(b"0"), "v0", "keep")
    query = sa.select(repositories.c.id).where(repositories.c.name == NAME.value)
    repository_id = live.read(lambda tx: tx.execute(query).scalar_one())
    threads = [threading.Thread(target=run_on) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, 60):
            artifact = image(str(number % 7).encode())
            kept.push(artifact, f"v{number % 3}")
            if f"v{number % 3}" not in kept.tags() or artifact.digest not in kept.digests():
                failures.append(f"push {number} was taken")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        live.close()
    assert failures == []
    assert runs[0] > 3


# -- as background work -----------------------------------------------------------------------------------------------


def test_a_run_that_is_cut_off_goes_on_and_counts_each_tag_once(kept: Kept, clock: FakeClock) -> None:
    for number in range(40):
        kept.push(image(str(number).encode()), f"t{number}")
    kept.push(image(b"other"), "t", name=RepositoryName("zoo"))
    kept.rule("t*", keep_newest=1)
    clock.advance(1)
    context = kept.claim()
    pieces = [0]

    def stop_at_second_piece() -> None:
        pieces[0] += 1
        if pieces[0] == 2:
            raise Cancelled("the process ends here")

    context.raise_if_cancelled = stop_at_second_piece  # type: ignore[method-assign]
    with pytest.raises(Cancelled):
        kept.handlers.find(RETAIN).handler(context)
    left = len(kept.tags())
    assert 1 < left < 40, "it was in the middle"
    kept.handlers.find(RETAIN).handler(JobContext(context.job, kept.database, kept.jobs))
    run = kept.database.read(lambda tx: kept.retention.run(tx, context.job.id))
    assert (run["tags"], run["manifests"]) == (39, 39)
    assert len(kept.tags()) == 1


def test_pulls_are_written_together_and_the_later_one_stays(kept: Kept, clock: FakeClock) -> None:
    kept.push(image(b"1"), "v1")
    number = kept.id_of(image(b"1"))
    for _ in range(1000):
        kept.pulled.note(number)
    kept.pulled.note(number + 1000)  # deleted meanwhile
    query = sa.select(manifest_pulls.c.pulled_at)
    assert kept.database.read(lambda tx: tx.execute(query).all()) == []
    clock.advance(5)
    kept.pulled.flush()
    first = kept.database.read(lambda tx: tx.execute(query).scalar_one())
    other = LastPulled(kept.database)
    other._noted[number] = first - 7  # another process, whose minute is over later
    other.flush()
    assert kept.database.read(lambda tx: tx.execute(query).scalar_one()) == first
    kept.delete(image(b"1").digest)
    assert kept.database.read(lambda tx: tx.execute(query).all()) == []
    kept.pulled.close()
