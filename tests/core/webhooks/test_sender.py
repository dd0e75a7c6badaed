"""Deliveries against receivers that work, fail, lie, drip and ask to be left alone."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from tests.tls_server import Asked, Authority, Reply, WorldServer, world

from pratique.core.audit import Audit
from pratique.core.clock import DAY, SECOND, FakeClock
from pratique.core.cloudevents import EventLog, OutwardType
from pratique.core.database import Database
from pratique.core.errors import Denied, NotFound
from pratique.core.events import Event, EventBus
from pratique.core.jobs import JobHandlers, JobQueue
from pratique.core.outward import Bounds, OutwardClient, OutwardRefused, OutwardRules
from pratique.core.permissions import Caller, Extent, Permission, Scope
from pratique.core.sealed import SealedColumns
from pratique.core.webhooks.delivery import Deliverer
from pratique.core.webhooks.errors import WebhookExists, WebhookInvalid
from pratique.core.webhooks.sender import TRIES, WebhookSender
from pratique.core.webhooks.service import Webhooks
from pratique.core.webhooks.tables import webhooks as table
from pratique.core.webhooks.types import NewWebhook, WebhookState

MOVED = "pratique.registry.tag.moved.v1"
PUSHED = "pratique.registry.manifest.pushed.v1"
ADMIN = Caller(principal_id="018f0000-0000-7000-8000-00000000000a", name="admin", kind="user")
OTHER = Caller(principal_id="018f0000-0000-7000-8000-00000000000b", name="other", kind="user")
TEAM = Scope.parse("/registry/team")


class Keys:
    def installation(self) -> str:
        return "018f0000-0000-7000-8000-000000000001"

    def unwrap(self, name: str) -> bytes:
        return b"k" * 32


class Rights:
    """The admin may do all; the other one holds everything below /registry/team, but what a test takes away."""

    def __init__(self) -> None:
        self.taken: set[Permission] = set()
        self.hidden: tuple[Scope, ...] = ()

    def allowed(self, caller: Caller, permission: Permission, scope: Scope) -> bool:
        return caller is ADMIN or (TEAM.covers(scope) and permission not in self.taken)

    def require(self, caller: Caller, permission: Permission, scope: Scope) -> None:
        if not self.allowed(caller, permission, scope):
            raise Denied("no")

    def extent(self, caller: Caller, permission: Permission) -> Extent:
        if caller is ADMIN:
            return Extent(allowed=(Scope.root(),))
        return Extent(allowed=(TEAM,), denied=self.hidden if permission is Permission.REGISTRY_EVENTS_READ else ())


class Setting:
    """A log, a service, a sender and a receiver."""

    def __init__(self, database: Database, clock: FakeClock, folder: Path) -> None:
        self.database, self.clock = database, clock
        self.log = EventLog([OutwardType(name, "", {"repository": "", "n": ""}) for name in (MOVED, PUSHED)])
        self.bus = EventBus(JobQueue(), JobHandlers())
        self.log.attach(self.bus)
        self.authority = Authority(folder)
        self.rights = Rights()
        self.numbers = ["127.0.0.1"]
        self.rules = OutwardRules.of(["hook.test"])
        columns = SealedColumns(Keys())
        self.service = Webhooks(
            database, self.log, columns, authorizer=self.rights, audit=Audit(database), rules=self.rules
        )
        client = OutwardClient(self.rules, ca=self.authority.path, resolver=lambda _host, _port: self.numbers, keep=0)
        self.sender = WebhookSender(
            database,
            self.log,
            columns,
            Deliverer(client, clock, "registry.example"),
            source="urn:pratique:x",
            patience=3 * 86400,
        )

    def publish(self, *numbers: int, repository: str = "team/app", kind: str = MOVED) -> None:
        events = [Event(kind, f"{repository}:latest", {"repository": repository, "n": n}) for n in numbers]
        self.database.write(lambda tx: self.bus.publish_many(tx, events))

    def pass_time(self, seconds: float) -> int:
        self.clock.advance(seconds)
        return self.sender.run_due()


@pytest.fixture
def setting(database: Database, clock: FakeClock, tmp_path: Path) -> Setting:
    return Setting(database, clock, tmp_path)


class Receiver:
    """Keeps what it gets; answers what it is told to."""

    def __init__(self, setting: Setting) -> None:
        self.reply: Callable[[Asked], Reply] = lambda _: Reply(status=204)
        self.setting = setting
        self.server: WorldServer

    def answer(self, asked: Asked) -> Reply:
        return Reply(status=405) if asked.method == "OPTIONS" else self.reply(asked)

    @property
    def posts(self) -> list[Asked]:
        return [asked for asked in self.server.asked if asked.method == "POST"]

    @property
    def numbers(self) -> list[int]:
        bodies = [json.loads(asked.body) for asked in self.posts]
        return [body["data"]["n"] for body in bodies if body["type"] != "pratique.registry.webhook.tested.v1"]

    @property
    def address(self) -> str:
        return f"https://hook.test:{self.server.port}/services/T000/planted-Secret-8fK2mQ9xZ7wL4vB1?code=planted-Query-3kQ9"


@pytest.fixture
def receiver(setting: Setting) -> Iterator[Receiver]:
    made = Receiver(setting)
    with world(made.answer, setting.authority, "hook.test") as server:
        made.server = server
        yield made


def make(setting: Setting, receiver: Receiver, **options: Any) -> tuple[str, bytes]:
    made, secret = setting.service.create(ADMIN, NewWebhook(options.pop("name", "hook"), receiver.address, **options))
    return made.id, secret


def state(setting: Setting, webhook: str = "hook") -> WebhookState:
    return setting.service.show(ADMIN, webhook).state


def test_a_delivery_is_a_cloudevent_that_a_receiver_can_verify(setting: Setting, receiver: Receiver) -> None:
    _, secret = make(setting, receiver, headers={"authorization": "Bearer planted-header-token"})
    setting.publish(1)
    setting.sender.run_due()
    assert state(setting) is WebhookState.ACTIVE
    tested, sent = receiver.posts
    assert json.loads(tested.body)["type"] == "pratique.registry.webhook.tested.v1"
    body = json.loads(sent.body)
    assert (body["specversion"], body["type"], body["subject"]) == ("1.0", MOVED, "team/app:latest")
    assert (body["source"], body["sequence"], body["data"]["n"]) == ("urn:pratique:x", f"{1:020d}", 1)
    assert sent.headers["content-type"].startswith("application/cloudevents+json")
    assert sent.headers["authorization"] == "Bearer planted-header-token"
    stamp = sent.headers["webhook-timestamp"]
    assert int(stamp) == setting.clock.now() // SECOND
    assert sent.headers["webhook-id"] == body["id"]
    message = f"{body['id']}.{stamp}.".encode() + sent.body
    expected = base64.b64encode(hmac.new(secret, message, "sha256").digest()).decode()
    assert sent.headers["webhook-signature"] == f"v1,{expected}"


def test_a_receiver_may_agree_by_the_cloudevents_handshake(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver)
    receiver.server.answer = lambda _: Reply(headers={"webhook-allowed-origin": "registry.example"})
    setting.sender.run_due()
    assert [asked.method for asked in receiver.server.asked] == ["OPTIONS"]
    assert receiver.server.asked[0].headers["webhook-request-origin"] == "registry.example"
    assert state(setting) is WebhookState.ACTIVE


def test_nothing_is_delivered_before_the_receiver_agrees(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver)
    receiver.reply = lambda _: Reply(status=500)
    setting.publish(1, 2)
    for _ in range(4):
        setting.pass_time(4000)
    assert state(setting) is WebhookState.UNVERIFIED
    assert receiver.numbers == []
    receiver.reply = lambda _: Reply()
    setting.pass_time(4000)
    setting.sender.run_due()
    assert receiver.numbers == [1, 2]


def test_only_what_fits_type_subject_and_scope_is_delivered(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver, types=("*.tag.*",), scope="/registry/team")
    setting.publish(1)
    setting.publish(2, repository="other")
    setting.publish(3, kind=PUSHED)
    setting.publish(4, repository="teams")
    setting.publish(5, repository="team")
    setting.sender.run_due()
    assert receiver.numbers == [1, 5]


def test_order_is_kept_while_the_receiver_is_away_and_nothing_is_lost(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver)
    setting.sender.run_due()
    receiver.reply = lambda _: Reply(status=503)
    setting.publish(1, 2, 3)
    setting.sender.run_due()
    setting.publish(4)
    setting.pass_time(60)
    assert set(receiver.numbers) == {1}
    receiver.reply = lambda _: Reply()
    setting.pass_time(4000)
    assert receiver.numbers[-4:] == [1, 2, 3, 4]
    assert len({asked.headers["webhook-id"] for asked in receiver.posts if b'"n":1}' in asked.body}) == 1


def test_pauses_grow_and_retry_after_is_heeded(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver)
    setting.sender.run_due()
    receiver.reply = lambda _: Reply(status=429, headers={"retry-after": "600"})
    setting.publish(1)
    setting.sender.run_due()
    assert setting.pass_time(590) == 0
    assert setting.pass_time(20) == 1
    webhook = setting.service.show(ADMIN, "hook")
    assert webhook.attempt == 2
    assert webhook.next_at - setting.clock.now() >= 600 * SECOND


def test_an_event_that_is_refused_is_buried_and_can_be_sent_again(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver)
    setting.sender.run_due()
    receiver.reply = lambda asked: Reply(status=422 if b'"n":2}' in asked.body else 204, body=b"")
    setting.publish(1, 2, 3)
    for _ in range(TRIES + 1):
        setting.pass_time(4000)
    assert receiver.numbers == [1, *[2] * TRIES, 3]
    (dead,) = setting.service.dead(ADMIN, "hook", 10)
    assert (dead.position, dead.type, dead.wanted) == (2, MOVED, False)
    assert "422" in dead.reason
    assert state(setting) is WebhookState.ACTIVE
    receiver.reply = lambda _: Reply()
    assert setting.service.resend(ADMIN, "hook", None) == 1
    setting.sender.run_due()
    assert receiver.numbers[-1] == 2
    assert setting.service.dead(ADMIN, "hook", 10) == []


def test_who_fails_for_days_is_disabled_and_goes_on_where_it_was(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver)
    setting.sender.run_due()
    receiver.reply = lambda _: Reply(status=500)
    setting.publish(1)
    for _ in range(80):
        setting.pass_time(4000)
    assert state(setting) is WebhookState.DISABLED
    before = len(receiver.posts)
    setting.publish(2)
    setting.pass_time(4000)
    assert len(receiver.posts) == before
    receiver.reply = lambda _: Reply()
    setting.service.resume(ADMIN, "hook")
    setting.sender.run_due()
    assert receiver.numbers[-2:] == [1, 2]


def test_a_receiver_that_says_gone_is_never_called_again(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver)
    setting.sender.run_due()
    receiver.reply = lambda _: Reply(status=410)
    setting.publish(1)
    setting.sender.run_due()
    assert state(setting) is WebhookState.DISABLED
    setting.publish(2)
    assert setting.pass_time(10 * 86400) == 0


def test_a_name_that_turns_inside_is_not_followed_there(setting: Setting, receiver: Receiver) -> None:
    """DNS rebinding: agreed to at a good address, led to the metadata service afterwards."""
    make(setting, receiver)
    setting.sender.run_due()
    posts = len(receiver.posts)
    setting.numbers[:] = ["169.254.169.254"]
    setting.publish(1)
    setting.sender.run_due()
    assert len(receiver.posts) == posts
    (attempt, *_) = setting.service.attempts(ADMIN, "hook", 10)
    assert (attempt.status, attempt.outcome) == (0, "away")
    assert "platform" in attempt.answer


@pytest.mark.parametrize(
    "address",
    [
        "http://hook.test/",
        "https://127.0.0.1/",
        "https://169.254.169.254/",
        "https://2130706433/",
        "https://u:p@hook.test/",
    ],
)
def test_addresses_that_lead_inside_are_refused_when_they_are_entered(setting: Setting, address: str) -> None:
    with pytest.raises(OutwardRefused):
        setting.service.create(ADMIN, NewWebhook("hook", address))
    assert setting.service.list(ADMIN) == []


def test_a_redirect_is_no_delivery(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver)
    setting.sender.run_due()
    receiver.reply = lambda _: Reply(status=307, headers={"location": "/elsewhere"})
    setting.publish(1)
    setting.sender.run_due()
    assert "redirect" in setting.service.attempts(ADMIN, "hook", 1)[0].answer
    assert setting.service.show(ADMIN, "hook").cursor == 0


def test_a_receiver_that_drips_or_floods_costs_one_bounded_delivery(
    setting: Setting, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drip() -> Iterator[bytes]:
        for _ in range(200):
            time.sleep(0.05)
            yield b"."

    make(setting, receiver)
    setting.sender.run_due()
    monkeypatch.setattr("pratique.core.webhooks.delivery.BOUNDS", Bounds(size=65536, seconds=0.5))
    receiver.reply = lambda _: Reply(pieces=drip())
    setting.publish(1)
    begun = time.monotonic()
    setting.sender.run_due()
    receiver.reply = lambda _: Reply(pieces=iter([bytes(65536)] * 1000))
    setting.pass_time(100)
    assert time.monotonic() - begun < 5
    assert [each.outcome for each in setting.service.attempts(ADMIN, "hook", 2)] == ["away", "away"]


def test_one_bad_receiver_does_not_hold_up_another(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver, name="bad", subjects=("bad:*",))
    make(setting, receiver, name="good", subjects=("good:*",))
    setting.sender.run_due()
    receiver.reply = lambda asked: Reply(status=500 if b'"subject":"bad:' in asked.body else 204)
    setting.publish(1, repository="bad")
    setting.publish(2, repository="good")
    setting.sender.run_due()
    assert setting.service.show(ADMIN, "good").cursor == 2
    assert setting.service.show(ADMIN, "bad").cursor == 0


def test_no_secret_is_stored_shown_or_logged(
    setting: Setting, receiver: Receiver, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    identity, secret = make(setting, receiver, headers={"authorization": "Bearer planted-header-token-6hT3"})
    setting.sender.run_due()
    receiver.reply = lambda asked: Reply(
        status=500, body=f"path {asked.path} said {asked.headers} {asked.headers['authorization']}".encode()
    )
    setting.publish(1)
    setting.sender.run_due()
    setting.service.rotate(ADMIN, identity)
    setting.pass_time(100)
    shown = [str(setting.service.list(ADMIN)), str(setting.service.attempts(ADMIN, "hook", 50)), caplog.text]

    def dump(tx: Any) -> str:
        names = ("webhooks", "webhook_attempts", "webhook_dead", "audit_entries")
        return "\n".join(str(row) for name in names for row in tx.execute(sa.text(f"SELECT * FROM {name}")))  # noqa: S608

    stored = database.read(dump)
    for planted in ("planted-Secret-8fK2", "planted-Query", "planted-header-token", base64.b64encode(secret).decode()):
        assert all(planted not in text for text in (*shown, stored)), planted
    assert secret not in stored.encode("latin-1", "ignore")
    assert "hook.test" in shown[0]


def test_a_sealed_address_moved_to_another_webhook_does_not_open(setting: Setting, receiver: Receiver) -> None:
    first, _ = make(setting, receiver, name="one")
    second, _ = make(setting, receiver, name="two")

    def swap(tx: Any) -> None:
        stolen = tx.execute(sa.select(table.c.secret).where(table.c.id == first)).scalar_one()
        tx.execute(sa.update(table).where(table.c.id == second).values(secret=stolen))

    setting.database.write(swap)
    setting.service.pause(ADMIN, "one")
    setting.sender.run_due()
    assert receiver.posts == []
    assert state(setting, "two") is WebhookState.DISABLED


def test_both_secrets_sign_for_a_day_after_a_rotation(setting: Setting, receiver: Receiver) -> None:
    identity, _ = make(setting, receiver)
    setting.service.rotate(ADMIN, identity)
    setting.publish(1)
    setting.sender.run_due()
    assert receiver.posts[-1].headers["webhook-signature"].count("v1,") == 2
    setting.clock.advance(DAY / SECOND + 1)
    setting.publish(2)
    setting.sender.run_due()
    assert receiver.posts[-1].headers["webhook-signature"].count("v1,") == 1


def test_what_came_after_a_position_can_be_delivered_again(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver)
    setting.publish(1, 2, 3)
    setting.sender.run_due()
    setting.service.replay(ADMIN, "hook", 1)
    setting.sender.run_due()
    assert receiver.numbers == [1, 2, 3, 2, 3]
    with pytest.raises(WebhookInvalid):
        setting.service.replay(ADMIN, "hook", 99)


def test_a_paused_webhook_gets_nothing_until_it_is_resumed(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver)
    setting.sender.run_due()
    setting.service.pause(ADMIN, "hook")
    setting.publish(1)
    setting.pass_time(100)
    assert receiver.numbers == []
    setting.service.resume(ADMIN, "hook")
    setting.sender.run_due()
    assert receiver.numbers == [1]


def test_nobody_has_events_sent_that_they_may_not_read(setting: Setting) -> None:
    wanted = NewWebhook("sight", "https://hook.test/", scope=str(TEAM))
    setting.rights.taken = {Permission.REGISTRY_EVENTS_READ}
    with pytest.raises(Denied):
        setting.service.create(OTHER, wanted)
    setting.rights.taken, setting.rights.hidden = set(), (Scope.parse("/registry/team/secret"),)
    with pytest.raises(Denied, match="everywhere below"):
        setting.service.create(OTHER, wanted)
    assert setting.service.list(ADMIN) == []
    setting.rights.hidden = (Scope.parse("/registry/elsewhere"),)
    assert setting.service.create(OTHER, wanted)[0].name == "sight"


def test_rights_hold_at_the_scope_of_each_webhook(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver, name="all")
    setting.service.create(OTHER, NewWebhook("mine", receiver.address, scope="/registry/team/app"))
    assert [each.name for each in setting.service.list(OTHER)] == ["mine"]
    for use in (setting.service.show, setting.service.delete, setting.service.rotate, setting.service.pause):
        with pytest.raises(NotFound):
            use(OTHER, "all")
    with pytest.raises(Denied):
        setting.service.create(OTHER, NewWebhook("wide", receiver.address))
    with pytest.raises(WebhookExists):
        setting.service.create(ADMIN, NewWebhook("mine", receiver.address))
    setting.service.delete(OTHER, "mine")
    assert [each.name for each in setting.service.list(ADMIN)] == ["all"]


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil"}, {"content-length": "1"}, {"x": "a\r\nb"}, {"webhook-signature": "v1,x"}, {"a b": "c"}],
)
def test_headers_that_would_forge_a_request_are_refused(setting: Setting, headers: dict[str, str]) -> None:
    with pytest.raises(WebhookInvalid):
        NewWebhook("hook", "https://hook.test/", headers=headers)


def test_threads_deliver_within_moments_and_stop(setting: Setting, receiver: Receiver) -> None:
    make(setting, receiver)
    setting.sender.start()
    try:
        setting.publish(1)
        end = time.monotonic() + 20
        while receiver.numbers != [1] and time.monotonic() < end:
            time.sleep(0.02)
    finally:
        setting.sender.stop()
    assert receiver.numbers == [1]
    assert msgspec.json.decode(receiver.posts[-1].body)["data"] == {"repository": "team/app", "n": 1}
