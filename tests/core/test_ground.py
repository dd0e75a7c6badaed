"""The ground of a process: one writing process' worth of engines, over a real key process."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pratique.core.audit.checkpoints import Checkpointer
from pratique.core.audit.verification import public_keys_of, verify
from pratique.core.blobs.local import LocalBlobStore
from pratique.core.ground import open_blobs, open_ground
from pratique.core.keys.errors import KeysUnavailable
from pratique.core.keys.types import Role
from pratique.core.permissions import SYSTEM
from pratique.core.settings import with_directory
from pratique.migrations.run import migrate


@pytest.fixture
def key_process(state_dir: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "pratique.core.keys.process", "--state", str(state_dir)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    yield
    process.terminate()
    process.wait()


@pytest.mark.usefixtures("key_process")
def test_what_one_process_writes_another_reads_and_the_log_is_sealed_by_the_key_process(state_dir: Path) -> None:
    settings = with_directory(state_dir)
    migrate(settings.database_url, state_dir)
    api, worker = open_ground(settings, Role.API), open_ground(settings, Role.WORKER)
    api.database.write(lambda tx: api.audit.with_change(tx, "settings.change", SYSTEM, "x"))
    api.audit.count("registry.pull", SYSTEM, "registry/a")
    api.close()
    assert Checkpointer(worker.database, worker.keys, worker.audit.sink).run() == 1
    keys = public_keys_of((key.key_id, key.jwk) for key in worker.keys.public_keys("audit"))
    result = verify(worker.database, keys, state_dir / "audit" / "audit.jsonl")
    assert result.problems == ()
    assert (result.entries, result.unsealed) == (2, 0)
    worker.close()


def test_without_a_key_process_nothing_opens(state_dir: Path) -> None:
    settings = with_directory(state_dir)
    settings = replace(settings, keys=replace(settings.keys, start_timeout=1.0))
    with pytest.raises(KeysUnavailable):
        open_ground(settings, Role.API)


def test_blobs_go_to_the_disk_by_default(state_dir: Path) -> None:
    settings = with_directory(state_dir)
    assert isinstance(open_blobs(settings.blobs, state_dir, 0), LocalBlobStore)
