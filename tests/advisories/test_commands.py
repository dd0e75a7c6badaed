"""`pratique advisories` on a machine without a server."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pratique.cli.advisories import app
from pratique.core.errors import PratiqueError
from tests.advisories.feed_server import Fault, FeedServer
from tests.advisories.samples import KEV, put_small_world

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, server: FeedServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PRATIQUE_ADVISORIES__MIRROR", server.url)
    monkeypatch.setenv("PRATIQUE_ADVISORIES__STARTER", "false")
    monkeypatch.delenv("PRATIQUE_CONFIG", raising=False)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_sync_status_export_import(
    run: Run, server: FeedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_small_world(server)
    done = run("sync", "kev", "debian", "-o", "json")
    assert done.exit_code == 0, done.output
    assert [item["outcome"] for item in json.loads(done.stdout)["feeds"]] == ["updated", "updated"]
    listed = run("status")
    assert "current" in listed.stdout
    assert "absent" in listed.stdout
    exported = run("export", tmp_path / "b", "--unsigned")
    assert "not signed" in exported.stdout
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    refused = run("import", tmp_path / "b")
    assert isinstance(refused.exception, PratiqueError)
    assert "--allow-unsigned" in refused.exception.remedy
    taken = run("import", tmp_path / "b", "--allow-unsigned", "-o", "json")
    assert {item["feed"]: item["outcome"] for item in json.loads(taken.stdout)["feeds"]} == {
        "kev": "updated",
        "debian": "updated",
    }


def test_a_failed_feed_is_told_by_the_exit_code(run: Run, server: FeedServer) -> None:
    put_small_world(server)
    server.fail(KEV, Fault(status=403, times=9))
    done = run("sync", "kev", "debian")
    assert done.exit_code == 3
    assert "403" in done.stdout
    assert "failed" in run("status").stdout


def test_nothing_is_fetched_by_looking(run: Run, server: FeedServer) -> None:
    assert run("status").exit_code == 0
    assert server.asked == []


def test_an_unknown_feed_is_named(run: Run) -> None:
    done = run("sync", "nonsense")
    assert isinstance(done.exception, PratiqueError)
    assert "nonsense" in done.exception.message
