"""What the registry promises to tell the outside is told, with every field that is documented."""

from tests.registry.clients import Client
from tests.registry.conftest import Judge
from tests.registry.images import image
from tests.registry.serving import Running

from pratique.core.cloudevents import EventLog, Filter
from pratique.registry.announcements import DELETED, GATE_CHANGED, PUSHED, REGISTRY_EVENTS, TAG_MOVED


def test_push_gate_tag_and_deletion_are_told_with_every_field(registry: Running, pusher: Client, judge: Judge) -> None:
    log = EventLog(REGISTRY_EVENTS)
    assert registry.events is not None
    assert registry.database is not None
    log.attach(registry.events)
    pushed = image()
    pusher.push("team/app", pushed, "v1")
    judge.open("team/app", pushed.digest)
    assert pusher.http.delete("/v2/team/app/manifests/v1").status_code == 202
    assert pusher.http.delete(f"/v2/team/app/manifests/{pushed.digest}").status_code == 202
    log.place(registry.database)
    events, _ = registry.database.read(lambda tx: log.read(tx, 0, Filter()))
    assert [event.type for event in events][:1] == [PUSHED.name]
    assert {PUSHED.name, GATE_CHANGED.name, TAG_MOVED.name, DELETED.name} <= {event.type for event in events}
    for event in events:
        assert event.data.keys() == log.types[event.type].fields.keys(), event.type
        assert event.scope == "/registry/team/app"
    moves = [event.data["digest"] for event in events if event.type == TAG_MOVED.name]
    assert moves == [pushed.digest, ""]
