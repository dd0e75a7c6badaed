import pytest
import sqlalchemy as sa
from tests.identity.conftest import World
from tests.identity.test_people import check_password, enrol, link_for

from pratique.core.settings import Settings
from pratique.identity.errors import SignInRefused
from pratique.identity.jobs import sweep
from pratique.identity.tables import login_failures, sessions, sign_in_links, sign_in_steps


def rows(world: World) -> int:
    tables = (sessions, sign_in_links, sign_in_steps, login_failures)
    return world.read(
        lambda tx: sum(tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in tables)
    )


def test_only_what_has_ended_is_removed(both: World) -> None:
    ann = both.create("ann", "user")
    enrol(both, link_for(both, ann))
    link_for(both, both.create("bob", "user"))
    with pytest.raises(SignInRefused):
        check_password(both, "nobody", "wrong password here")
    before = rows(both)
    assert both.write(lambda tx: sweep(tx, Settings().identity)) == 0
    assert rows(both) == before > 3
    both.clock.advance(13 * 3600)
    assert both.write(lambda tx: sweep(tx, Settings().identity)) == before
    assert rows(both) == 0
