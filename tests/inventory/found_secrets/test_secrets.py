"""Secrets are found where they lie, examples are not, and what is made to hurt does not."""

import re
import time

import pytest
from tests.corpus.layers.archive import END, file, header, stream
from tests.inventory.found_secrets.planted import PASSWORD, PLANTED, checked_token, letters, pem

from pratique.inventory.layer import read, read_layer
from pratique.inventory.secrets import search
from pratique.inventory.secrets.rules import KINDS, RULES
from pratique.inventory.service import merge
from pratique.inventory.types import ExpectedLayer, Limits


def found(path: str, text: str) -> set[str]:
    return {one.kind for one in search.secrets_in(path.encode(), text.encode())}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_is_found_and_its_value_goes_nowhere(kind: str) -> None:
    path, text, value = PLANTED[kind]
    reading = read(stream(file(path.encode(), text.encode()) + END), "", Limits(), ExpectedLayer())
    (place,) = reading.report.secrets
    assert (place.path, place.kind, place.fingerprint) == (path, kind, "")
    assert text.splitlines()[place.line - 1].strip() in text
    hidden = value.splitlines()[1] if kind == "private-key" else value
    assert hidden in text
    assert hidden not in repr(reading) + repr(search.secrets_in(path.encode(), text.encode()))
    assert reading.digests[0].hex() not in repr(reading)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("app/.env", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\n"),
        ("app/.env", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"),
        ("app/x", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
        ("app/x", "npm_" + "a" * 36),
        ("app/x", "postgres://postgres:postgres@localhost/test postgres://user:${PASSWORD}@db/x"),
        ("app/x", "postgres://user:<password>@db/x mysql://me:changeme123@db/x"),
        ("app/x", "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n"),
        ("app/x", "-----BEGIN PUBLIC KEY-----\n" + letters(200) + "\n-----END PUBLIC KEY-----\n"),
        ("app/x", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0." + letters(30)),
        (
            "app/x",
            "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        ),
        ("usr/lib/python3/dist-packages/tests/test.key", pem()),
        ("app/node_modules/tls/fixtures/key.pem", pem()),
        ("root/.docker/config.json", '{"auths":{"r.invalid":{"auth":"dXNlcjpwYXNz"}}}'),
    ],
)
def test_examples_and_test_keys_of_packages_are_not_findings(path: str, text: str) -> None:
    assert found(path, text) == set()


def test_what_cannot_be_anything_else_is_found_among_packages_too() -> None:
    assert found("usr/lib/node_modules/x/y.js", checked_token("ghs")) == {"github-token"}


def test_a_secret_in_a_deleted_file_is_still_a_secret_of_the_image() -> None:
    path, text, _ = PLANTED["private-key"]
    reports = [
        read_layer(stream(one + END))
        for one in (
            file(path.encode(), text.encode()) + file(b"app/.env", f"DB=mysql://a:{PASSWORD}@b/c".encode()),
            header(b"home/app/.wh.id"),
        )
    ]
    inventory = merge(reports, {"rootfs": {"diff_ids": [one.diff_id for one in reports]}})
    shown = {(one.place.path, one.origin.layer_index, one.deleted) for one in inventory.secrets}
    assert shown == {("app/.env", 0, False), (path, 0, True)}


def test_the_search_without_its_library_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {path: text.encode() for path, text, _ in PLANTED.values()}
    fast = {path: search.secrets_in(path.encode(), text) for path, text in texts.items()}
    monkeypatch.setattr(search, "_database", lambda: None)
    assert {path: search.secrets_in(path.encode(), text) for path, text in texts.items()} == fast


HURTING = {
    "aws-access-key": b"AKIA" * 300_000,
    "aws-secret-key": b"aws_secret_access_key = " * 50_000,
    "private-key": b"-----BEGIN PRIVATE KEY-----\n" * 40_000,
    "private-key-open": b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 1_000_000,
    "jwt": b"eyJ" * 400_000,
    "jwt-dots": b"eyJaaaaaaaaaa." * 80_000,
    "connection-string": b"postgres://a:" * 80_000,
    "github-token": b"ghp_" + b"a" * 1_000_000,
    "docker-credentials": b'"auth" : ' * 100_000,
    "kubeconfig": b"token:" + b" " * 1_000_000,
    "pgpass": b"a:" * 500_000,
    "netrc": b"password " * 100_000,
}


@pytest.mark.parametrize("name", sorted(HURTING))
def test_text_that_is_made_to_hurt_costs_time_in_proportion(name: str) -> None:
    data = HURTING[name]
    for rule in RULES:
        # CPU seconds of a megabyte: a rule that is not linear takes minutes.
        assert _seconds(rule.pattern, data) < 2.0, rule.kind


def _seconds(pattern: re.Pattern[bytes], data: bytes) -> float:
    began = time.process_time()
    for _ in zip(pattern.finditer(data), range(search._TRIED), strict=False):
        pass
    return time.process_time() - began


def test_too_many_secrets_are_cut_and_it_is_said() -> None:
    files = b"".join(file(f"app/{n}.env".encode(), checked_token("ghp").encode()) for n in range(5))
    report = read_layer(stream(files + END), limits=Limits(secrets=3))
    assert len(report.secrets) == 3
    assert [problem.code for problem in report.problems] == ["limit-secrets"]


def test_binary_and_very_long_files_are_not_searched() -> None:
    token = checked_token("ghp").encode()
    files = file(b"app/a", b"\0" + token) + file(b"app/b", token + b" " * search.LARGEST) + file(b"app/c.png", token)
    assert read_layer(stream(files + END)).secrets == ()
    assert read_layer(stream(file(b"app/a", token) + END)).secrets != ()
