"""The pull-through cache: gated, kept, asked again, working while the upstream is away, and believing nothing."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.registry.clients import Client, error_of
from tests.registry.conftest import Judge, live_database  # noqa: F401  a fixture
from tests.registry.images import Artifact, image, index
from tests.registry.upstream.harbour import HOST, SECRET, USER, Harbour, Shelf
from tests.tls_server import Asked, Authority, Reply, world

from pratique.core.database import Database
from pratique.core.digests import Digest
from pratique.core.errors import Invalid
from pratique.core.outward import OutwardRefused
from pratique.core.permissions import SYSTEM
from pratique.registry.types import GateState
from pratique.registry.upstream.errors import CacheRuleExists, CacheRuleInvalid
from pratique.registry.upstream.types import CacheRule, NewRule

NAME = "hub/team/app"
REMOTE = "team/app"


@pytest.fixture
def harbour(live_database: Database, tmp_path: Path) -> Iterator[Harbour]:  # noqa: F811
    authority, shelf = Authority(tmp_path), Shelf()
    with world(shelf.answer, authority, HOST) as server:
        shelf.server = server
        made = Harbour(live_database, tmp_path, shelf, authority)
        with made.serve():
            yield made


@pytest.fixture
def reader(harbour: Harbour) -> Iterator[Client]:
    with Client(harbour.running.url, "reader") as client:
        yield client


@pytest.fixture
def inspector(harbour: Harbour) -> Iterator[Client]:
    """Sees what is held, so that the test needs no verdict."""
    with Client(harbour.running.url, "inspector") as client:
        yield client


def judge_when_here(harbour: Harbour, digest: str, state: GateState, name: str = NAME) -> threading.Thread:
    """A policy that decides a moment after the image has come."""

    def decide() -> None:
        import time

        judge = Judge(harbour.running)
        for _ in range(200):
            try:
                if judge.decide(name, digest, state):
                    return
            except AttributeError:  # the repository is not there yet
                pass
            time.sleep(0.03)

    thread = threading.Thread(target=decide)
    thread.start()
    return thread


def test_a_first_pull_waits_for_fetch_and_verdict(harbour: Harbour, reader: Client) -> None:
    harbour.rule()
    pushed = image(b"one", b"two")
    harbour.shelf.put(REMOTE, pushed, "v1")
    thread = judge_when_here(harbour, pushed.digest, GateState.OPEN)
    answer = reader.manifest(NAME, "v1")
    thread.join()
    assert answer.status_code == 200
    assert answer.content == pushed.manifest
    assert answer.headers["docker-content-digest"] == pushed.digest
    for digest, content in pushed.blobs.items():
        assert reader.blob(NAME, digest).content == content


def test_a_refused_image_is_refused_through_the_cache_too(harbour: Harbour, reader: Client) -> None:
    harbour.rule()
    pushed = image()
    harbour.shelf.put(REMOTE, pushed, "v1")
    thread = judge_when_here(harbour, pushed.digest, GateState.REFUSED)
    answer = reader.manifest(NAME, "v1")
    thread.join()
    assert error_of(answer)[:2] == (403, "DENIED")
    for digest in pushed.blobs:
        assert reader.blob(NAME, digest).status_code == 403


def test_without_a_verdict_in_time_it_is_held(harbour: Harbour, reader: Client) -> None:
    harbour.rule()
    pushed = image()
    harbour.shelf.put(REMOTE, pushed, "v1")
    answer = reader.manifest(NAME, "v1")
    assert error_of(answer)[:2] == (403, "DENIED")
    assert "retry-after" in answer.headers


def test_what_is_here_is_not_fetched_again(harbour: Harbour, inspector: Client) -> None:
    harbour.rule(ttl=3600.0)
    pushed = image()
    harbour.shelf.put(REMOTE, pushed, "v1")
    for _ in range(3):
        assert inspector.manifest(NAME, "v1").status_code == 200
        assert inspector.manifest(NAME, pushed.digest).status_code == 200
    assert harbour.shelf.asked("/manifests/v1", "HEAD") == 1
    assert harbour.shelf.asked("/manifests/sha256") == 1
    assert harbour.shelf.asked("/blobs/") == len(pushed.blobs)


def test_many_who_pull_at_once_cause_one_fetch(harbour: Harbour) -> None:
    harbour.rule(ttl=60.0)
    pushed = image(b"one", b"two", b"three")
    harbour.shelf.put(REMOTE, pushed, "v1")
    answers: list[int] = []

    def pull() -> None:
        with Client(harbour.running.url, "inspector") as client:
            answers.append(client.manifest(NAME, "v1").status_code)

    threads = [threading.Thread(target=pull) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 12
    assert harbour.shelf.asked("/blobs/") == len(pushed.blobs)
    assert harbour.shelf.asked("/manifests/sha256") == 1


def test_a_tag_that_moves_there_moves_here_and_readers_keep_the_served_image(
    harbour: Harbour, reader: Client, inspector: Client
) -> None:
    harbour.rule()
    old, new = image(b"old"), image(b"new")
    harbour.shelf.put(REMOTE, old, "v1")
    assert inspector.manifest(NAME, "v1").status_code == 200
    Judge(harbour.running).open(NAME, old.digest)
    harbour.shelf.put(REMOTE, new, "v1")
    assert inspector.manifest(NAME, "v1").content == new.manifest
    assert reader.manifest(NAME, "v1").content == old.manifest
    Judge(harbour.running).open(NAME, new.digest)
    assert reader.manifest(NAME, "v1").content == new.manifest


def test_a_rule_keeps_a_cached_tag_when_the_upstream_moves_it(harbour: Harbour, inspector: Client) -> None:
    harbour.rule()
    harbour.protect("hub", "v*")
    first, second = image(b"1"), image(b"2")
    harbour.shelf.put(REMOTE, first, "v1")
    assert inspector.manifest(NAME, "v1").content == first.manifest
    harbour.shelf.put(REMOTE, second, "v1")
    kept = inspector.manifest(NAME, "v1")
    assert kept.content == first.manifest
    assert "never changes" in kept.headers["warning"]


def test_while_the_upstream_is_away_what_is_here_is_served_with_a_warning(harbour: Harbour, reader: Client) -> None:
    harbour.rule()
    pushed = image()
    harbour.shelf.put(REMOTE, pushed, "v1")
    thread = judge_when_here(harbour, pushed.digest, GateState.OPEN)
    assert reader.manifest(NAME, "v1").status_code == 200
    thread.join()
    harbour.shelf.lie = lambda _: Reply(status=502)
    answer = reader.manifest(NAME, "v1")
    assert answer.status_code == 200
    assert answer.headers["warning"].startswith('299 - "hub/team/app:v1 is what was here before: ')
    assert HOST in answer.headers["warning"]
    assert reader.manifest(NAME, pushed.digest).status_code == 200
    unknown = reader.manifest(NAME, "v2")
    assert unknown.status_code == 503
    assert HOST in unknown.text


def test_too_many_requests_are_heeded(harbour: Harbour, inspector: Client) -> None:
    harbour.rule()
    harbour.shelf.lie = lambda _: Reply(status=429, headers={"retry-after": "600"})
    assert inspector.manifest(NAME, "v1").status_code == 503
    before = len(harbour.shelf.server.asked)
    for tag in ("v1", "v2", "v3"):
        assert inspector.manifest(NAME, tag).status_code == 503
    assert len(harbour.shelf.server.asked) == before


def test_what_is_not_there_is_not_found_here(harbour: Harbour, inspector: Client) -> None:
    harbour.rule()
    assert inspector.manifest(NAME, "none").status_code == 404
    assert inspector.manifest(NAME, "sha256:" + "0" * 64).status_code in (404, 502)


def test_an_index_comes_with_the_platforms_of_the_rule_and_others_when_asked(
    harbour: Harbour, inspector: Client
) -> None:
    harbour.rule(platforms=("linux/amd64",))
    amd, arm = image(b"amd"), image(b"arm")
    listed = index(amd, arm)
    body = json.loads(listed.manifest)
    body["manifests"][1]["platform"] = {"os": "linux", "architecture": "arm64"}
    listed = Artifact(json.dumps(body).encode(), listed.media_type)
    for each in (amd, arm):
        harbour.shelf.put(REMOTE, each)
    harbour.shelf.put(REMOTE, listed, "v1")
    assert inspector.manifest(NAME, "v1").content == listed.manifest
    assert harbour.shelf.asked(amd.digest) == 1
    assert harbour.shelf.asked(arm.digest) == 0
    assert inspector.manifest(NAME, arm.digest).content == arm.manifest


def test_credentials_are_sealed_and_go_to_the_token_service_alone(
    harbour: Harbour,
    inspector: Client,
    live_database: Database,  # noqa: F811
) -> None:
    harbour.rule(user=USER, secret=SECRET)
    harbour.shelf.login = USER, SECRET
    harbour.shelf.put(REMOTE, image(), "v1")
    assert inspector.manifest(NAME, "v1").status_code == 200
    with_basic = [
        each for each in harbour.shelf.server.asked if each.headers.get("authorization", "").startswith("Basic")
    ]
    assert {each.path.partition("?")[0] for each in with_basic} == {"/token"}
    rows = live_database.read(lambda tx: str(tx.execute(sa.text("SELECT * FROM cache_rules")).all()))
    assert SECRET not in rows


def test_wrong_credentials_are_named(harbour: Harbour, inspector: Client) -> None:
    harbour.rule(user=USER, secret="wrong")
    harbour.shelf.login = USER, SECRET
    answer = inspector.manifest(NAME, "v1")
    assert answer.status_code == 502
    assert "credentials" in answer.text
    assert "wrong" not in answer.text


def test_patterns_keep_everything_else_out(harbour: Harbour, inspector: Client) -> None:
    harbour.rule(patterns=("library/*",))
    harbour.shelf.put(REMOTE, image(), "v1")
    assert inspector.manifest(NAME, "v1").status_code == 404
    assert harbour.shelf.server.asked == []


def test_strangers_cause_no_fetch(harbour: Harbour) -> None:
    harbour.rule(prefix="public/hub")
    harbour.shelf.put(REMOTE, image(), "v1")
    with Client(harbour.running.url) as stranger:
        assert stranger.manifest("public/hub/team/app", "v1").status_code in (401, 404)
    with Client(harbour.running.url, "stranger") as nobody:
        assert nobody.manifest("hub/team/app", "v1").status_code == 403
    assert harbour.shelf.server.asked == []


def test_nobody_pushes_into_what_another_registry_fills(harbour: Harbour) -> None:
    harbour.rule()
    with Client(harbour.running.url, "pusher") as pusher:
        pushed = image()
        for content in pushed.blobs.values():
            pusher.push_blob(NAME, content)
        answer = pusher.put_manifest(NAME, pushed, "v1")
    assert answer.status_code == 405
    assert "another registry" in answer.text


# What a lying registry tries.


def lying(kind: str, reply: Reply) -> "object":
    return lambda asked: reply if f"/{kind}/" in asked.path and "authorization" in asked.headers else None


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"other bytes"),
        Reply(body=b""),
        Reply(pieces=iter([bytes(65536)] * 4000)),
        Reply(headers={"content-length": "99999999"}),
        Reply(headers={"content-encoding": "gzip"}, body=b"\x1f\x8b\x08\x00"),
        Reply(status=302, headers={"location": "https://169.254.169.254/latest/meta-data/"}),
        Reply(status=302, headers={"location": "http://upstream.test/blob"}),
        Reply(status=206, body=b"part"),
        Reply(status=204),
    ],
    ids=[
        "other-bytes",
        "nothing",
        "endless",
        "announced",
        "compressed",
        "to-metadata",
        "to-plain",
        "part",
        "no-content",
    ],
)
def test_a_lying_blob_is_refused_and_named(harbour: Harbour, inspector: Client, reply: Reply) -> None:
    harbour.rule()
    pushed = image()
    harbour.shelf.put(REMOTE, pushed, "v1")
    harbour.shelf.lie = lying("blobs", reply)  # type: ignore[assignment]
    answer = inspector.manifest(NAME, "v1")
    assert answer.status_code == 502, answer.text
    assert HOST in answer.text
    assert inspector.manifest(NAME, pushed.digest).status_code == 502
    assert harbour.store.keys() == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply(headers={"content-type": "application/vnd.oci.image.manifest.v1+json"}, body=b"{}"),
        Reply(headers={"content-type": "text/html"}, body=b"<script>alert(1)</script>"),
        Reply(pieces=iter([bytes(65536)] * 4000)),
        Reply(status=301, headers={"location": "https://[::ffff:169.254.169.254]/"}),
    ],
    ids=["other-manifest", "html", "endless", "to-metadata"],
)
def test_a_lying_manifest_is_refused_and_named(harbour: Harbour, inspector: Client, reply: Reply) -> None:
    harbour.rule()
    pushed = image()
    harbour.shelf.put(REMOTE, pushed, "v1")
    harbour.shelf.lie = lambda asked: reply if asked.method == "GET" and "/manifests/" in asked.path else None
    answer = inspector.manifest(NAME, "v1")
    assert answer.status_code == 502, answer.text
    assert HOST in answer.text


def test_the_digest_that_a_head_claims_is_checked(harbour: Harbour, inspector: Client) -> None:
    harbour.rule()
    harbour.shelf.put(REMOTE, image(), "v1")
    harbour.shelf.lie = lambda asked: (
        Reply(headers={"docker-content-digest": "sha256:../../../etc"}) if asked.method == "HEAD" else None
    )
    answer = inspector.manifest(NAME, "v1")
    assert answer.status_code == 502
    assert "no digest" in answer.text


def test_a_name_that_turns_inside_is_not_followed(harbour: Harbour, inspector: Client) -> None:
    harbour.rule()
    harbour.numbers[:] = ["169.254.169.254"]
    answer = inspector.manifest(NAME, "v1")
    assert answer.status_code == 502
    assert "platform" in answer.text
    assert harbour.shelf.server.asked == []


def test_a_token_service_inside_is_not_asked(harbour: Harbour, inspector: Client) -> None:
    harbour.rule(user=USER, secret=SECRET)
    challenge = 'Bearer realm="https://169.254.169.254/token",service="x"'
    harbour.shelf.lie = lambda _: Reply(status=401, headers={"www-authenticate": challenge})
    answer = inspector.manifest(NAME, "v1")
    assert answer.status_code == 502
    assert SECRET not in answer.text
    assert all("authorization" not in each.headers for each in harbour.shelf.server.asked)


def test_an_upstream_cannot_read_what_belongs_to_others_by_naming_it(harbour: Harbour, inspector: Client) -> None:
    """Cache poisoning: a manifest there names a layer that only a private repository here holds."""
    harbour.rule()
    private = image(b"private content")
    with Client(harbour.running.url, "pusher") as pusher:
        pusher.push("team/private", private, "v1")
    harbour.shelf.manifests[REMOTE, "v1"] = harbour.shelf.manifests[REMOTE, private.digest] = private
    assert inspector.manifest(NAME, "v1").status_code in (404, 502)
    for digest in private.blobs:
        assert inspector.blob(NAME, digest).status_code == 404


def test_two_rules_do_not_mix_their_content(harbour: Harbour, inspector: Client) -> None:
    harbour.rule(prefix="one", remote="first")
    harbour.rule(prefix="two", remote="second")
    first, second = image(b"first"), image(b"second")
    harbour.shelf.put("first/app", first, "v1")
    harbour.shelf.put("second/app", second, "v1")
    assert inspector.manifest("one/app", "v1").content == first.manifest
    assert inspector.manifest("two/app", "v1").content == second.manifest
    assert inspector.manifest("one/app", second.digest).status_code in (404, 502)


def test_a_rule_does_not_take_over_what_was_pushed(harbour: Harbour) -> None:
    with Client(harbour.running.url, "pusher") as pusher:
        pusher.push("mine/app", image(), "v1")
    with pytest.raises(CacheRuleInvalid, match="here already"):
        harbour.rule(prefix="mine")
    harbour.rule(prefix="hub")
    with pytest.raises(CacheRuleExists):
        harbour.rule(prefix="hub")


@pytest.mark.parametrize(
    "upstream",
    [
        "",
        "/x",
        "user@evil.example",
        "a b",
        "169.254.169.254",
        "127.0.0.1:5000",
        "host/UPPER",
        "host/../etc",
        "2130706433",
    ],
)
def test_upstreams_that_are_none_or_lead_inside_are_refused(harbour: Harbour, upstream: str) -> None:
    def create() -> str:
        new = NewRule("hub", upstream)
        return harbour.database.write(lambda tx: harbour.rules.create(tx, SYSTEM, new))

    with pytest.raises((Invalid, OutwardRefused)):
        create()


def test_names_there_follow_from_names_here() -> None:
    def rule(prefix: str, host: str, remote: str) -> CacheRule:
        return CacheRule("id", prefix, host, remote, "", (), (), 0, 0, "")

    hub = rule("hub", "docker.io", "")
    assert hub.address == "registry-1.docker.io"
    assert hub.remote_of("hub/alpine") == "library/alpine"
    assert hub.remote_of("hub/team/app") == "team/app"
    assert not hub.allows(hub.remote_of("hub"))
    assert rule("gh", "ghcr.io", "org").remote_of("gh/app") == "org/app"
    assert rule("app", "quay.io", "org/app").remote_of("app") == "org/app"
    assert not hub.covers("hubble/app")


def asked_of(harbour: Harbour) -> list[Asked]:
    return harbour.shelf.server.asked


def test_sha512_and_digests_stay_what_they_are(harbour: Harbour, inspector: Client) -> None:
    harbour.rule()
    pushed = image()
    harbour.shelf.put(REMOTE, pushed)
    digest = str(Digest.of(pushed.manifest, "sha512"))
    harbour.shelf.manifests[REMOTE, digest] = pushed
    harbour.shelf.lie = lambda asked: (
        Reply(headers={"content-type": pushed.media_type}, body=pushed.manifest)
        if digest in asked.path and "authorization" in asked.headers
        else None
    )
    assert inspector.manifest(NAME, digest).content == pushed.manifest
    assert asked_of(harbour)
