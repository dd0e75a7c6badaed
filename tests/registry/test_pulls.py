"""Pushing and pulling through the gate, as clients see it."""

import threading
import time
from pathlib import Path

import pytest
from tests.registry.clients import Client, error_of
from tests.registry.conftest import Judge
from tests.registry.images import image, index, signature, statement
from tests.registry.parties import RuleAuthorizer
from tests.registry.serving import Running, fast_settings, serving

from pratique.core.database import Database
from pratique.registry.types import GateState

NAME = "team/app"


def test_open_image_is_pulled_whole(pusher: Client, reader: Client, judge: Judge, registry: Running) -> None:
    pushed = image(b"one", b"two")
    pusher.push(NAME, pushed, "v1")
    judge.open(NAME, pushed.digest)

    got = reader.manifest(NAME, "v1")

    assert (got.status_code, got.content) == (200, pushed.manifest)
    assert got.headers["content-type"] == pushed.media_type
    assert got.headers["docker-content-digest"] == pushed.digest
    for digest, content in pushed.blobs.items():
        blob = reader.blob(NAME, digest)
        assert (blob.content, blob.headers["docker-content-digest"]) == (content, digest)
        assert blob.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert blob.headers["x-content-type-options"] == "nosniff"
    assert ("registry.manifest.pull", "reader", f"{NAME}@{pushed.digest}") in registry.audit.counts
    assert ("registry.manifest.push", "pusher", f"{NAME}@{pushed.digest}") in registry.audit.changes


def test_pull_of_what_is_held_waits_for_the_verdict(live_database: Database, state_dir: Path) -> None:
    with serving(live_database, state_dir, settings=fast_settings(gate_wait=20)) as running:  # noqa: SIM117  the inner one needs the value of the outer one
        with Client(running.url, "pusher") as pusher, Client(running.url, "reader") as reader:
            pushed = image()
            pusher.push(NAME, pushed, "v1")
            timer = threading.Timer(0.25, Judge(running).open, (NAME, pushed.digest))
            timer.start()
            began = time.monotonic()
            got = reader.manifest(NAME, "v1")
            timer.join()
    assert got.status_code == 200
    assert 0.2 < time.monotonic() - began < 10


@pytest.mark.parametrize("kind", ["manifests", "blobs"])
def test_right_taken_away_while_a_pull_waits_ends_it(
    live_database: Database, state_dir: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    taken = threading.Event()
    allowed = RuleAuthorizer.allowed
    monkeypatch.setattr(
        RuleAuthorizer,
        "allowed",
        lambda self, who, right, place: (
            not (who.name == "reader" and taken.is_set()) and allowed(self, who, right, place)
        ),
    )
    with serving(live_database, state_dir, settings=fast_settings(gate_wait=20)) as running:  # noqa: SIM117  the inner one needs the value of the outer one
        with Client(running.url, "pusher") as pusher, Client(running.url, "reader") as reader:
            pushed = image()
            pusher.push(NAME, pushed, "v1")

            def end() -> None:
                taken.set()
                Judge(running).open(NAME, pushed.digest)

            timer = threading.Timer(0.25, end)
            timer.start()
            reference = pushed.digest if kind == "manifests" else list(pushed.blobs)[1]
            got = reader.http.get(f"/v2/{NAME}/{kind}/{reference}")
            timer.join()
    assert error_of(got)[:2] == (403, "DENIED")
    assert "lacks registry/content/read" in error_of(got)[2]


def test_pull_that_waited_in_vain_hears_when_to_come_back(pusher: Client, reader: Client) -> None:
    pushed = image()
    pusher.push(NAME, pushed, "v1")

    got = reader.manifest(NAME, "v1")

    status, code, message = error_of(got)
    assert (status, code) == (403, "DENIED")
    assert message.startswith("held: not judged yet")
    assert f"/r/{NAME}/-/{pushed.digest}" in message
    assert got.headers["retry-after"] == "10"


def test_refusal_says_what_and_what_to_do_in_160_characters(pusher: Client, reader: Client, judge: Judge) -> None:
    pushed = image()
    pusher.push(NAME, pushed, "v1")
    judge.refuse(NAME, pushed.digest)

    status, code, message = error_of(reader.manifest(NAME, "v1"))

    assert (status, code) == (403, "DENIED")
    assert "CVE-2024-0001 in openssl" in message[:160]
    assert "update openssl to 3.0.17" in message[:160]
    assert f"/r/{NAME}/-/{pushed.digest}" in message
    status, code, message = error_of(reader.blob(NAME, next(iter(pushed.blobs))))
    assert (status, code) == (403, "DENIED")
    assert "CVE-2024-0001" in message


def test_pusher_and_inspector_read_what_is_held_with_a_warning(pusher: Client, registry: Running) -> None:
    pushed = image()
    answer = pusher.push(NAME, pushed, "v1")
    assert answer.headers["warning"].startswith('299 - "held')
    with Client(registry.url, "inspector") as inspector:
        for client in (pusher, inspector):
            got = client.manifest(NAME, "v1")
            assert got.status_code == 200
            assert got.headers["warning"].startswith('299 - "held: not judged yet')
            assert client.blob(NAME, next(iter(pushed.blobs))).status_code == 200


def test_head_and_repush_depend_on_rights_only(pusher: Client, reader: Client, judge: Judge) -> None:
    pushed = image()
    pusher.push(NAME, pushed, "v1")
    judge.refuse(NAME, pushed.digest)
    assert reader.http.head(f"/v2/{NAME}/manifests/v1").status_code == 200
    assert reader.http.head(f"/v2/{NAME}/blobs/{next(iter(pushed.blobs))}").status_code == 200
    pusher.push(NAME, pushed, "v1")


def test_readers_of_a_live_tag_keep_the_served_image_until_the_next_is_open(
    pusher: Client, reader: Client, judge: Judge
) -> None:
    first, second, third = image(b"1"), image(b"2"), image(b"3")
    pusher.push(NAME, first, "v1")
    judge.open(NAME, first.digest)
    pusher.push(NAME, second, "v1")
    judge.refuse(NAME, second.digest)
    assert reader.manifest(NAME, "v1").content == first.manifest
    assert pusher.manifest(NAME, "v1").content == second.manifest
    pusher.push(NAME, third, "v1")
    assert reader.manifest(NAME, "v1").content == first.manifest

    judge.open(NAME, third.digest)

    assert reader.manifest(NAME, "v1").content == third.manifest
    assert "warning" not in pusher.manifest(NAME, "v1").headers


def test_an_older_push_that_opens_late_does_not_take_the_tag(pusher: Client, reader: Client, judge: Judge) -> None:
    older, newer = image(b"older"), image(b"newer")
    pusher.push(NAME, older, "v1")
    pusher.push(NAME, newer, "v1")
    judge.open(NAME, older.digest)
    assert reader.manifest(NAME, "v1").status_code == 403
    judge.open(NAME, newer.digest)
    assert reader.manifest(NAME, "v1").content == newer.manifest


def test_a_gate_that_closes_stops_readers_at_once(pusher: Client, reader: Client, judge: Judge) -> None:
    pushed = image()
    pusher.push(NAME, pushed, "v1")
    judge.open(NAME, pushed.digest)
    blob = next(iter(pushed.blobs))
    assert reader.blob(NAME, blob).status_code == 200
    judge.refuse(NAME, pushed.digest)
    assert reader.manifest(NAME, "v1").status_code == 403
    assert reader.blob(NAME, blob).status_code == 403


def test_blob_needs_an_open_manifest_in_this_very_repository(pusher: Client, reader: Client, judge: Judge) -> None:
    shared = image(b"shared")
    pusher.push("team/open", shared, "v1")
    judge.open("team/open", shared.digest)
    pusher.push("team/closed", shared, "v1")
    judge.refuse("team/closed", shared.digest)
    digest = list(shared.blobs)[1]
    assert reader.blob("team/open", digest).status_code == 200
    assert reader.blob("team/closed", digest).status_code == 403
    assert error_of(reader.blob("team/elsewhere", digest))[:2] == (404, "BLOB_UNKNOWN")


def test_repair_that_shares_layers_with_a_refused_image_opens(pusher: Client, reader: Client, judge: Judge) -> None:
    refused, repaired = image(b"base", b"bad"), image(b"base", b"good")
    pusher.push(NAME, refused, "v1")
    judge.refuse(NAME, refused.digest)
    pusher.push(NAME, repaired, "v1")
    judge.open(NAME, repaired.digest)
    assert reader.manifest(NAME, "v1").content == repaired.manifest
    for digest in repaired.blobs:
        assert reader.blob(NAME, digest).status_code == 200
    only_bad = set(refused.blobs) - set(repaired.blobs)
    assert only_bad
    for digest in only_bad:
        assert reader.blob(NAME, digest).status_code == 403


def test_unreferenced_blob_is_for_those_who_push_there(pusher: Client, reader: Client, registry: Running) -> None:
    content = b"nobody names me"
    assert pusher.push_blob(NAME, content).status_code == 201
    digest = image(content).blobs
    from pratique.core.digests import Digest

    digest = str(Digest.of(content))
    assert pusher.blob(NAME, digest).content == content
    assert reader.blob(NAME, digest).status_code == 404
    assert pusher.blob("team/other", digest).status_code == 404


def test_index_opens_with_its_first_runnable_member(pusher: Client, reader: Client, judge: Judge) -> None:
    amd, arm = image(b"amd"), image(b"arm")
    both = index(amd, arm)
    for member in (amd, arm):
        pusher.push(NAME, member)
    pusher.push(NAME, both, "v1")
    assert reader.manifest(NAME, "v1").status_code == 403
    judge.refuse(NAME, amd.digest)
    assert reader.manifest(NAME, "v1").status_code == 403
    judge.open(NAME, arm.digest)
    assert reader.manifest(NAME, "v1").content == both.manifest
    assert reader.manifest(NAME, amd.digest).status_code == 403
    judge.refuse(NAME, arm.digest)
    status, _, message = error_of(reader.manifest(NAME, "v1"))
    assert (status, "CVE-2024-0001" in message) == (403, True)


def test_absent_members_of_an_index_do_not_count(pusher: Client, reader: Client, judge: Judge) -> None:
    here, absent = image(b"here"), image(b"absent")
    pusher.push(NAME, here)
    judge.open(NAME, here.digest)
    listing = index(absent, here)
    pusher.push(NAME, listing, "v1")
    assert reader.manifest(NAME, "v1").content == listing.manifest


def test_index_pushed_before_its_members_opens_when_one_does(pusher: Client, reader: Client, judge: Judge) -> None:
    member = image(b"late")
    listing = index(member)
    pusher.push(NAME, listing, "v1")
    pusher.push(NAME, member)
    judge.open(NAME, member.digest)
    assert reader.manifest(NAME, "v1").content == listing.manifest


def test_gate_of_an_index_is_derived_and_cannot_be_set(pusher: Client, judge: Judge) -> None:
    listing = index(image(b"x"))
    pusher.push(NAME, listing, "v1")
    assert judge.open(NAME, listing.digest) is False


@pytest.mark.parametrize("order", ["statement first", "index first"])
def test_attestation_in_an_index_shares_the_gate_of_its_image(
    pusher: Client, reader: Client, judge: Judge, order: str
) -> None:
    member, attestation = image(b"attested"), statement("x")
    notes = {attestation.digest: {"vnd.docker.reference.digest": member.digest}}
    listing = index(member, attestation, annotations=notes)
    pusher.push(NAME, member)
    if order == "statement first":
        pusher.push(NAME, attestation)
        pusher.push(NAME, listing, "v1")
    else:
        pusher.push(NAME, listing, "v1")
        pusher.push(NAME, attestation)
    assert reader.manifest(NAME, attestation.digest).status_code == 403
    judge.open(NAME, member.digest)
    assert reader.manifest(NAME, attestation.digest).content == attestation.manifest
    judge.refuse(NAME, member.digest)
    assert reader.manifest(NAME, attestation.digest).status_code == 403


def test_signature_shares_the_gate_of_its_subject(pusher: Client, reader: Client, judge: Judge) -> None:
    signed = image(b"signed")
    seal = signature(signed)
    pusher.push(NAME, seal)
    assert reader.manifest(NAME, seal.digest).status_code == 403
    pusher.push(NAME, signed)
    judge.open(NAME, signed.digest)
    assert reader.manifest(NAME, seal.digest).status_code == 200


def test_cosign_tag_names_the_subject_of_a_signature_without_one(pusher: Client, reader: Client, judge: Judge) -> None:
    signed = image(b"signed the old way")
    seal = statement("old")
    pusher.push(NAME, signed, "v1")
    pusher.push(NAME, seal, signed.digest.replace(":", "-") + ".sig")
    judge.open(NAME, signed.digest)
    assert reader.manifest(NAME, signed.digest.replace(":", "-") + ".sig").status_code == 200


def test_what_can_run_has_its_own_gate_whatever_subject_it_names(pusher: Client, reader: Client, judge: Judge) -> None:
    good = image(b"good")
    pusher.push(NAME, good, "v1")
    judge.open(NAME, good.digest)
    from tests.registry.images import descriptor

    hidden = image(b"evil", subject=descriptor(good.manifest, good.media_type))
    pusher.push(NAME, hidden)
    assert reader.manifest(NAME, hidden.digest).status_code == 403


def test_charts_are_open_and_said_to_be_no_image(pusher: Client, reader: Client, registry: Running) -> None:
    from tests.registry.images import artifact

    chart = artifact(
        b'{"name":"chart"}', "application/vnd.cncf.helm.config.v1+json",
        [(b"chart bytes", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
    )  # fmt: skip
    pusher.push("charts/app", chart, "1.0.0")
    assert reader.manifest("charts/app", "1.0.0").status_code == 200
    service = registry.parts.service
    summary = registry.database.read(lambda tx: service.resolve(tx, "charts/app", "1.0.0"))
    assert (summary.kind, summary.gate.state) == ("other", GateState.OPEN)
    assert "not an image" in summary.gate.reason.summary


def test_serve_pending_setting_moves_tags_at_once(live_database: Database, state_dir: Path) -> None:
    with serving(live_database, state_dir, settings=fast_settings(serve_pending=True)) as running:  # noqa: SIM117  the inner one needs the outer one's value
        with Client(running.url, "pusher") as pusher, Client(running.url, "reader") as reader:
            pushed = image()
            pusher.push(NAME, pushed, "v1")
            assert reader.manifest(NAME, "v1").status_code == 403
            tags = live_database.read(
                lambda tx: running.parts.service.list_tags(tx, running.parts.service.repository(tx, NAME).id, limit=5)
            )
            assert (tags[0].served, tags[0].pending) == (pushed.digest, "")


def test_what_was_judged_and_is_still_held_does_not_keep_readers_waiting(
    live_database: Database, state_dir: Path
) -> None:
    with serving(live_database, state_dir, settings=fast_settings(gate_wait=60)) as running:
        judge = Judge(running)
        with Client(running.url, "pusher") as pusher, Client(running.url, "reader") as reader:
            pushed, listing = image(), index(image())
            pusher.push(NAME, pushed, "v1")
            pusher.push(NAME, listing, "all")
            judge.decide(NAME, pushed.digest, GateState.HELD, "held: it cannot be assessed", decision="some decision")
            for reference in ("v1", "all"):
                status, _, message = error_of(reader.manifest(NAME, reference))
                assert (status, message.startswith("held: it cannot be assessed")) == (403, True)
            assert reader.blob(NAME, next(iter(pushed.blobs))).status_code == 403


def test_pusher_reads_what_is_held_with_a_token_to_pull(registry: Running, pusher: Client) -> None:
    pushed = image()
    pusher.push(NAME, pushed, "v1")
    with (
        Client(registry.url, "pusher;/registry/team/app") as pulling,
        Client(registry.url, "pusher;/registry/x") as other,
    ):
        assert pulling.manifest(NAME, "v1").status_code == 200
        assert other.manifest(NAME, "v1").status_code == 401


def test_summary_that_holds_the_remedy_is_not_followed_by_it_again(
    pusher: Client, reader: Client, judge: Judge
) -> None:
    pushed = image()
    pusher.push(NAME, pushed, "v1")
    judge.decide(NAME, pushed.digest, GateState.REFUSED, "refused: CVE-1 in zlib; update openssl to 3.0.17 and pu…")
    _, _, message = error_of(reader.manifest(NAME, "v1"))
    assert message.startswith("refused: CVE-1 in zlib; update openssl to 3.0.17: see ")


def test_head_tells_those_without_any_right_nothing(registry: Running, pusher: Client) -> None:
    pushed = image()
    pusher.push(NAME, pushed, "v1")
    with Client(registry.url, "stranger") as stranger, Client(registry.url) as nobody:
        path = f"/v2/{NAME}/blobs/{next(iter(pushed.blobs))}"
        assert stranger.http.head(path).status_code == 404
        assert nobody.http.head(path).status_code == 401
