"""Imports: whole, by the server, from other registries and within this one; no way around rights, gates or quarantine."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.registry.clients import Client
from tests.registry.conftest import Judge, live_database  # noqa: F401  a fixture
from tests.registry.images import image, index, signature
from tests.registry.parties import caller
from tests.registry.upstream.harbour import HOST, SECRET, USER, Harbour, Shelf
from tests.tls_server import Authority, Reply, world

from pratique.core.database import Database
from pratique.core.errors import Denied, Invalid, Unauthenticated
from pratique.core.outward import OutwardRefused
from pratique.registry.importing.service import NewImport, Place, TagTaken

IMPORTER = caller("importer")
TARGET = "team/copy"


@pytest.fixture
def harbour(live_database: Database, tmp_path: Path) -> Iterator[Harbour]:  # noqa: F811
    authority, shelf = Authority(tmp_path), Shelf()
    with world(shelf.answer, authority, HOST) as server:
        shelf.server = server
        made = Harbour(live_database, tmp_path, shelf, authority)
        with made.serve():
            yield made


@pytest.fixture
def inspector(harbour: Harbour) -> Iterator[Client]:
    with Client(harbour.running.url, "inspector") as client:
        yield client


def source(harbour: Harbour, rest: str) -> str:
    return f"{HOST}:{harbour.shelf.server.port}/{rest}"


def bring(harbour: Harbour, wanted: str, target: str = f"{TARGET}:v1", **options: Any) -> dict[str, Any]:
    made = harbour.imports.create(IMPORTER, NewImport(wanted, target, **options))
    end = time.monotonic() + 20
    while made["state"] not in ("done", "dead", "cancelled") and time.monotonic() < end:
        time.sleep(0.03)
        made = harbour.imports.show(IMPORTER, made["id"])
    return made


@pytest.mark.parametrize("knows_referrers", [True, False])
def test_all_platforms_and_what_speaks_about_them_come(
    harbour: Harbour, inspector: Client, knows_referrers: bool
) -> None:
    amd, arm = image(b"amd"), image(b"arm")
    listed = index(amd, arm)
    signed, cosigned = signature(amd), image(b"cosign")
    for each in (amd, arm, signed):
        harbour.shelf.put("org/app", each)
    harbour.shelf.put("org/app", listed, "v1")
    tag = f"sha256-{listed.digest[7:]}.sig"
    harbour.shelf.put("org/app", cosigned, tag)
    harbour.shelf.knows_referrers = knows_referrers
    if not knows_referrers:
        harbour.shelf.put("org/app", index(signed), f"sha256-{amd.digest[7:]}")
    done = bring(harbour, source(harbour, "org/app:v1"))
    assert (done["state"], done["digest"], done["error"]) == ("done", listed.digest, None)
    for each in (listed, amd, arm, signed, cosigned):
        assert inspector.manifest(TARGET, each.digest).content == each.manifest
    assert inspector.manifest(TARGET, tag).content == cosigned.manifest
    assert inspector.manifest(TARGET, "v1").content == listed.manifest


def test_an_import_does_not_move_what_a_rule_keeps(harbour: Harbour, inspector: Client) -> None:
    first, second = image(b"1"), image(b"2")
    harbour.protect("team", "v*")
    harbour.shelf.put("org/app", first, "v1")
    assert bring(harbour, source(harbour, "org/app:v1"))["state"] == "done"
    harbour.shelf.put("org/app", second, "v1")
    refused = bring(harbour, source(harbour, "org/app:v1"), force=True)
    assert refused["state"] == "dead"
    assert "never changes" in refused["error"]
    assert inspector.manifest(TARGET, "v1").content == first.manifest
    assert bring(harbour, source(harbour, "org/app:v1"), f"{TARGET}:latest", force=True)["state"] == "done"
    assert inspector.manifest(TARGET, "latest").content == second.manifest


def test_an_import_is_gated_like_a_push(harbour: Harbour) -> None:
    pushed = image()
    harbour.shelf.put("org/app", pushed, "v1")
    assert bring(harbour, source(harbour, "org/app:v1"))["state"] == "done"
    judge = Judge(harbour.running)
    judge.refuse(TARGET, pushed.digest)
    with Client(harbour.running.url, "reader") as reader:
        assert reader.manifest(TARGET, "v1").status_code == 403
        judge.open(TARGET, pushed.digest)
        assert reader.manifest(TARGET, "v1").status_code == 200


def test_some_platforms_only(harbour: Harbour, inspector: Client) -> None:
    amd = image(b"amd")
    listed = index(amd)
    harbour.shelf.put("org/app", amd)
    harbour.shelf.put("org/app", listed, "v1")
    assert bring(harbour, source(harbour, "org/app:v1"), platforms=("linux/arm64",))["state"] == "done"
    assert inspector.manifest(TARGET, amd.digest).status_code == 404


def test_within_the_registry_nothing_is_copied(harbour: Harbour, inspector: Client) -> None:
    pushed = image(b"here")
    with Client(harbour.running.url, "pusher") as pusher:
        pusher.push("team/app", pushed, "v1")
        pusher.push("team/app", signature(pushed))
    Judge(harbour.running).open("team/app", pushed.digest)
    before = harbour.store.keys()
    done = bring(harbour, "team/app:v1")
    assert (done["state"], done["digest"]) == ("done", pushed.digest)
    assert harbour.store.keys() == before
    assert inspector.manifest(TARGET, "v1").content == pushed.manifest
    for digest, content in pushed.blobs.items():
        assert inspector.blob(TARGET, digest).content == content
    assert len(inspector.http.get(f"/v2/{TARGET}/referrers/{pushed.digest}").json()["manifests"]) == 1


def test_what_a_reader_may_not_have_cannot_be_imported(harbour: Harbour) -> None:
    held, refused = image(b"held"), image(b"refused")
    with Client(harbour.running.url, "pusher") as pusher:
        pusher.push("team/app", held, "held")
        pusher.push("team/app", refused, "refused")
        pusher.push("private/app", image(b"private"), "v1")
    Judge(harbour.running).refuse("team/app", refused.digest)
    for wanted in ("team/app:held", f"team/app@{held.digest}", f"team/app@{refused.digest}"):
        done = bring(harbour, wanted)
        assert done["state"] == "dead", done
    with pytest.raises((Denied, Unauthenticated)):
        bring(harbour, "private/app:v1")


def test_only_those_with_the_right_may_import_there(harbour: Harbour) -> None:
    harbour.shelf.put("org/app", image(), "v1")
    with pytest.raises(Denied):
        harbour.imports.create(IMPORTER, NewImport(source(harbour, "org/app:v1"), "other/app:v1"))
    with pytest.raises(Denied):
        harbour.imports.create(caller("pusher"), NewImport(source(harbour, "org/app:v1"), "team/app:v1"))
    done = bring(harbour, source(harbour, "org/app:v1"))
    with pytest.raises(Denied):
        harbour.imports.show(caller("pusher"), done["id"])


def test_a_tag_that_is_there_is_moved_only_when_asked(harbour: Harbour, inspector: Client) -> None:
    old, new = image(b"old"), image(b"new")
    harbour.shelf.put("org/app", old, "v1")
    harbour.shelf.put("org/app", new, "v2")
    bring(harbour, source(harbour, "org/app:v1"))
    with pytest.raises(TagTaken):
        bring(harbour, source(harbour, "org/app:v2"))
    assert bring(harbour, source(harbour, "org/app:v2"), force=True)["state"] == "done"
    assert inspector.manifest(TARGET, "v1").content == new.manifest


def test_credentials_are_sealed_and_forgotten(harbour: Harbour, live_database: Database) -> None:  # noqa: F811
    harbour.shelf.login = USER, SECRET
    harbour.shelf.put("org/app", image(), "v1")
    done = bring(harbour, source(harbour, "org/app:v1"), user=USER, secret=SECRET)
    assert done["state"] == "done", done
    assert SECRET not in str(done)
    dump = live_database.read(
        lambda tx: str([tx.execute(sa.text(f"SELECT * FROM {name}")).all() for name in ("imports", "jobs")])  # noqa: S608
    )
    assert SECRET not in dump
    assert live_database.read(lambda tx: tx.execute(sa.text("SELECT secret FROM imports")).scalars().all()) == [None]


def test_a_broken_download_goes_on_with_what_is_missing(harbour: Harbour, inspector: Client) -> None:
    pushed = image(b"one", b"two")
    harbour.shelf.put("org/app", pushed, "v1")
    last = list(pushed.blobs)[-1]
    broken = iter([True])
    harbour.shelf.lie = lambda asked: (
        Reply(status=503) if last in asked.path and "authorization" in asked.headers and next(broken, False) else None
    )
    assert bring(harbour, source(harbour, "org/app:v1"), referrers=False)["state"] == "done"
    assert inspector.manifest(TARGET, "v1").status_code == 200
    first = next(iter(pushed.blobs))
    assert sum(first in each.path and "authorization" in each.headers for each in harbour.shelf.server.asked) == 1


def test_a_lying_source_leaves_nothing(harbour: Harbour, inspector: Client) -> None:
    pushed = image()
    harbour.shelf.put("org/app", pushed, "v1")
    harbour.shelf.lie = lambda asked: Reply(body=b"x" * 10) if "/blobs/" in asked.path else None
    done = bring(harbour, source(harbour, "org/app:v1"))
    assert done["state"] == "dead"
    assert HOST in done["error"]
    assert inspector.manifest(TARGET, "v1").status_code == 404
    assert harbour.store.keys() == []


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        ("169.254.169.254/a:v1", "team/a:v1"),
        ("127.0.0.1:5000/a:v1", "team/a:v1"),
        ("user@host.example/a:v1", "team/a:v1"),
        ("host.example/A:v1", "team/a:v1"),
        ("host.example/a", "team/a:v1"),
        ("host.example/a:v1", "host.example/team/a:v1"),
        ("host.example/a:v1", "team/a@sha256:" + "0" * 64),
        ("host.example/../a:v1", "team/a:v1"),
        ("host.example/a:v1", "team/../a:v1"),
    ],
)
def test_places_that_are_none_are_refused(harbour: Harbour, wanted: str, target: str) -> None:
    with pytest.raises((Invalid, OutwardRefused)):
        harbour.imports.create(IMPORTER, NewImport(wanted, target))


def test_references_read_as_people_write_them() -> None:
    assert Place.parse("docker.io/alpine:3.20").repository.value == "library/alpine"
    assert Place.parse("localhost:5000/a/b:v1").host == "localhost:5000"
    assert (Place.parse("team/app:v1").host, Place.parse("team/app:v1").reference) == ("", "v1")
    digest = "sha256:" + "0" * 64
    assert Place.parse(f"ghcr.io/org/app:v1@{digest}").reference == digest
