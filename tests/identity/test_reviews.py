"""Access reviews: each rule finds its case and no other, each quick fix settles it, and findings follow."""

import pytest
import sqlalchemy as sa
from tests.identity.conftest import World
from tests.identity.test_rights import caller

from pratique.core.clock import DAY, SECOND
from pratique.core.errors import Denied, NotFound
from pratique.core.findings.tables import findings
from pratique.core.permissions import OPERATOR, Caller, Permission, Scope
from pratique.identity import reviews
from pratique.identity.review_fixes import Done
from pratique.identity.reviews import Review

QUARTER = 91 * DAY // SECOND
PUSH = Permission.REGISTRY_CONTENT_WRITE


def found(world: World) -> list[Review]:
    return world.write(lambda tx: world.identity.reviews.list(tx, OPERATOR))


def rules(world: World, name: str = "") -> list[str]:
    return [one.rule for one in found(world) if not name or one.principal == name]


def fix(world: World, rule: str, who: Caller = OPERATOR) -> Done:
    wanted = next(one for one in found(world) if one.rule == rule)
    done = world.write(lambda tx: world.identity.reviews.fix(tx, who, wanted.key))
    assert wanted.key not in {one.key for one in found(world)}
    return done


def use(world: World, principal: object, scope: str = "/registry/team/app") -> None:
    who = caller(principal)  # type: ignore[arg-type]
    assert world.identity.authorizer.allowed(who, PUSH, Scope.parse(scope))
    world.identity.uses.flush()


def test_nothing_is_called_unused_before_it_was_watched(world: World) -> None:
    builder = world.create()
    world.assign(builder, "AcrPush", "/registry/team")
    assert rules(world) == []
    world.clock.advance(QUARTER)
    assert rules(world) == ["unused-principal", "unused-role"]


def test_a_use_is_noted_and_keeps_role_and_principal(both: World) -> None:
    builder = both.create()
    both.assign(builder, "AcrPush", "/registry/team")
    both.assign(builder, "AcrPull", "/registry/other")
    assert rules(both) == []
    both.clock.advance(QUARTER - 3600)
    use(both, builder)
    both.clock.advance(7200)
    assert rules(both) == ["unused-role"]
    assert "AcrPull at /registry/other" in found(both)[0].title
    fix(both, "unused-role")
    assert not both.may(builder, Permission.REGISTRY_CONTENT_READ, "/registry/other/app")
    assert both.may(builder, PUSH, "/registry/team/app")


def test_an_unused_principal_is_disabled(world: World) -> None:
    builder = world.create()
    found(world)
    world.clock.advance(QUARTER)
    assert fix(world, "unused-principal").said == "builder is disabled."
    assert world.read(lambda tx: world.identity.principals.get(tx, "builder")).state == "disabled"
    assert builder.state == "active"


def test_secrets_that_end_soon_have_ended_or_never_end(world: World) -> None:
    builder = world.create()
    soon = world.secret(builder, lifetime=20 * 86400.0)
    assert rules(world) == ["credential-ends"]
    done = fix_keeping(world, "credential-ends")
    assert world.ask("builder", done.secret).access_token
    assert world.ask("builder", soon.value).access_token
    endless = world.create("endless")
    world.secret(endless)
    assert rules(world, "endless") == ["credential-without-end"]
    fix(world, "credential-without-end")
    world.clock.advance(21 * 86400)
    fix(world, "credential-ends")


def fix_keeping(world: World, rule: str) -> Done:
    """A secret that ends soon stays until it ends, so the finding stays too."""
    wanted = next(one for one in found(world) if one.rule == rule)
    return world.write(lambda tx: world.identity.reviews.fix(tx, OPERATOR, wanted.key))


def test_standing_administrators_beyond_two_take_the_role_on_when_needed(world: World) -> None:
    people = [world.create(name, "user") for name in ("ada", "grace", "joan")]
    for person in people[:2]:
        world.assign(person, "Owner", "/")
    robot = world.create("robot")
    assert rules(world) == []
    world.assign(people[2], "Owner", "/")
    assert rules(world).count("standing-administrator") == 3
    fix(world, "standing-administrator")
    assert not world.may(people[0], PUSH, "/")
    mine = world.read(lambda tx: world.identity.activations.mine(tx, caller(people[0])))
    assert [(str(one.scope), one.longest) for one in mine] == [("/", 4 * 3600 * SECOND)]
    assert rules(world) == []
    world.assign(robot, "Owner", "/")
    assert rules(world) == ["standing-administrator"]
    fix(world, "standing-administrator")
    assert not world.may(robot, PUSH, "/")


def test_a_disabled_principal_loses_the_roles_that_would_wait_for_it(world: World) -> None:
    builder = world.create()
    world.assign(builder, "AcrPush", "/registry/team")
    world.write(lambda tx: world.identity.principals.set_active(tx, OPERATOR, builder, active=False))
    assert rules(world) == ["disabled-with-roles"]
    fix(world, "disabled-with-roles")


def test_a_fix_needs_the_rights_of_what_it_does(world: World) -> None:
    builder, reader = world.create(), world.create("reader", "user")
    world.assign(reader, "Reader", "/")
    world.secret(builder)
    (wanted,) = found(world)
    with pytest.raises(Denied):
        world.write(lambda tx: world.identity.reviews.fix(tx, caller(reader), wanted.key))
    with pytest.raises(Denied):
        world.write(lambda tx: world.identity.reviews.list(tx, caller(builder)))
    with pytest.raises(NotFound):
        world.write(lambda tx: world.identity.reviews.fix(tx, OPERATOR, "0" * 32))


def test_findings_follow(both: World) -> None:
    builder = both.create("build-er@corp.example")
    both.secret(builder)
    settings = both.identity.settings
    assert both.write(lambda tx: reviews.refresh(tx, settings, None)) == 1
    shown = both.read(lambda tx: tx.execute(sa.select(findings)).one())
    assert (shown.domain, shown.lineage, shown.resolved_at) == ("identity", "identity/build-er@corp.example", None)
    fix(both, "credential-without-end")
    assert both.read(lambda tx: tx.execute(sa.select(findings.c.resolved_at)).scalar_one()) is not None
