"""Tags that a rule protects neither move nor go; everything else is as before."""

import pytest
from tests.registry.collecting import NAME, PUSHER, Content
from tests.registry.images import image

from pratique.core.database import Database
from pratique.core.errors import Invalid
from pratique.core.events import EventBus
from pratique.core.jobs import JobHandlers, JobQueue
from pratique.registry.deletions import Deletions
from pratique.registry.errors import ContentLocked, RuleUnknown
from pratique.registry.gates import Gates
from pratique.registry.locks import Locks
from pratique.registry.pushes import Pushes
from pratique.registry.retention.immutability import Immutability
from pratique.registry.types import RepositoryName


class Guarded(Content):
    """A registry that asks the rules."""

    def guard(self) -> Immutability:
        rules = Immutability(self.audit)
        locks, keeper = Locks([rules]), Gates(EventBus(JobQueue(), JobHandlers()))
        self.deletions = Deletions(self.events, keeper, self.audit, locks)
        self.pushes = Pushes(
            self.database, self.store, self.events, keeper, self.audit, locks, serve_pending=False, blob_lease=60
        )
        return rules


@pytest.fixture
def guarded(database: Database, state_dir: object) -> Guarded:
    return Guarded(database, state_dir)  # type: ignore[arg-type]


def test_a_protected_tag_neither_moves_nor_goes(guarded: Guarded) -> None:
    rules, first, second = guarded.guard(), image(b"1"), image(b"2")
    rule = guarded.database.write(lambda tx: rules.add(tx, PUSHER, "/team/", "v*,stable"))
    guarded.push(first, "v1", "latest")
    guarded.push(first, "v1")  # pushing the same again is no move
    with pytest.raises(ContentLocked, match="never changes") as refused:
        guarded.push(second, "v1")
    assert refused.value.status in (403, 405, 409)
    guarded.push(second, "latest", "v2")
    for reference in ("v1", first.digest):
        with pytest.raises(ContentLocked):
            guarded.delete(reference)
    guarded.delete("latest")
    guarded.database.write(lambda tx: rules.remove(tx, PUSHER, rule.id))
    guarded.push(second, "v1")
    guarded.delete(first.digest)
    with pytest.raises(RuleUnknown):
        guarded.database.write(lambda tx: rules.remove(tx, PUSHER, rule.id))


def test_a_rule_covers_its_prefix_and_no_neighbour(guarded: Guarded) -> None:
    rules = guarded.guard()
    guarded.database.write(lambda tx: rules.add(tx, PUSHER, "team/app", "v?"))
    for name, moves in (("team/app", False), ("team/app/web", False), ("team/apps", True), ("team", True)):
        guarded.push(image(b"1"), "v1", "v10", name=RepositoryName(name))
        guarded.push(image(b"2"), "v10", name=RepositoryName(name))
        if moves:
            guarded.push(image(b"2"), "v1", name=RepositoryName(name))
        else:
            with pytest.raises(ContentLocked):
                guarded.push(image(b"2"), "v1", name=RepositoryName(name))
    assert NAME.value == "team/app"


@pytest.mark.parametrize(
    ("prefix", "tags"), [("Team", "v*"), ("team", ""), ("team", "a b"), ("team", "[v"), ("..", "v")]
)
def test_what_is_no_rule_is_refused(guarded: Guarded, prefix: str, tags: str) -> None:
    rules = guarded.guard()
    with pytest.raises(Invalid):
        guarded.database.write(lambda tx: rules.add(tx, PUSHER, prefix, tags))


def test_a_pattern_of_stars_is_not_slow(guarded: Guarded) -> None:
    rules = guarded.guard()
    guarded.database.write(lambda tx: rules.add(tx, PUSHER, "", "*" * 60 + "a*" * 4 + "b"))
    guarded.push(image(b"1"), "a" * 128)
    guarded.push(image(b"2"), "a" * 128)
