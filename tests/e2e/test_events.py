"""Events of a real server: read, followed, and delivered to a receiver that checks them."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Installation, start
from tests.e2e.wire import Wire, image_of
from tests.tls_server import Asked, Authority, Reply, WorldServer, world

NAME = "team/app"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WorldServer, Authority]]:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with world(_answer, authority, "127.0.0.1") as server:
        yield server, authority


def _answer(asked: Asked) -> Reply:
    return Reply(status=405 if asked.method == "OPTIONS" else 204)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, receiver: tuple[WorldServer, Authority]) -> Iterator[Installation]:
    made = start(
        tmp_path_factory.mktemp("events"),
        PRATIQUE_OUTWARD__PRIVATE="127.0.0.1",
        PRATIQUE_OUTWARD__CA=str(receiver[1].path),
    )
    yield made
    made.run("down")


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def test_a_push_is_told_to_the_stream_and_to_a_webhook(
    server: Installation, receiver: tuple[WorldServer, Authority]
) -> None:
    world_server, _ = receiver
    url = f"https://127.0.0.1:{world_server.port}/hook"
    made = json.loads(server.ok("webhook", "create", "bot", url, "--scope", "/registry/team", "-o", "json"))
    secret = base64.b64decode(made["secret"].removeprefix("whsec_"))
    image = image_of(b"content of a layer" * 1000)
    with Wire(server, server.account("pusher", "AcrPush", "/registry/team/")) as wire:
        wire.push(NAME, image, "v1")
    status = server.status(f"{NAME}:v1")
    assert status["state"] in ("open", "held", "refused")

    def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(server.ok("events", "list", "-o", "json"))
        return found if any(event["type"].endswith("manifest.pushed.v1") for event in found) else []

    events = until(listed)
    pushed = next(event for event in events if event["type"] == "pratique.registry.manifest.pushed.v1")
    assert pushed["subject"] == f"{NAME}@{image.digest}"
    assert [event["sequence"] for event in events] == sorted(event["sequence"] for event in events)
    posts = until(lambda: [each for each in world_server.asked if pushed["id"].encode() in each.body])
    headers = posts[0].headers
    message = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + posts[0].body
    expected = "v1," + base64.b64encode(hmac.new(secret, message, "sha256").digest()).decode()
    assert headers["webhook-signature"] == expected
    assert json.loads(posts[0].body) == pushed
    followed = server.ok("events", "follow", "--after", "0", "--count", "1", "--type", "*.manifest.pushed.v1")
    assert json.loads(followed) == pushed


def test_the_command_shows_deliveries_and_no_secret(server: Installation) -> None:
    listed = until(lambda: list(json.loads(server.ok("webhook", "attempts", "bot", "-o", "json"))))
    assert {each["outcome"] for each in listed} == {"delivered"}
    assert "whsec_" not in server.ok("webhook", "show", "bot", "-o", "json")
    assert server.ok("webhook", "rotate", "bot").startswith("whsec_")
    refused = server.run("webhook", "create", "inside", "https://169.254.169.254/latest")
    assert refused.returncode != 0
    assert "platform" in refused.stderr


def test_a_position_beyond_all_positions_is_refused(server: Installation) -> None:
    refused = server.run("events", "list", "--after", "9" * 19)
    assert (refused.returncode, "query.after" in refused.stderr) == (2, True)


def test_the_server_sends_events_as_they_happen(server: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    from pratique.cli.client import connect

    with connect() as client, client.stream("GET", "/api/v1/events", headers={"accept": "text/event-stream"}) as stream:
        lines = stream.iter_lines()
        first = [next(lines) for _ in range(3)]
    assert first[0].startswith("id: ")
    assert first[1].startswith("event: pratique.registry.")
    assert json.loads(first[2].removeprefix("data: "))["specversion"] == "1.0"
    assert stream.headers["content-type"].startswith("text/event-stream")


def test_nothing_secret_of_a_webhook_lies_in_the_state_folder_or_the_logs(server: Installation) -> None:
    url = "https://127.0.0.1:9/T0/planted-Kp93xQ7mZ2vN8sL4wR6t"
    made = json.loads(server.ok("webhook", "create", "dead", url, "-o", "json"))
    time.sleep(3)
    planted = [made["secret"].removeprefix("whsec_"), "planted-Kp93xQ7mZ2vN8sL4wR6t"]
    for path in Path(server.state).rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert all(each.encode() not in content for each in planted), path
