"""What the audit log guarantees, on every engine. The attacker here can write to the database, but cannot sign."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from jwt.algorithms import ECAlgorithm

from pratique.core.audit import Audit, Verification
from pratique.core.audit.chain import START, entry_hash
from pratique.core.audit.checkpoints import Checkpointer
from pratique.core.audit.counts import MOST_ANONYMOUS
from pratique.core.audit.jobs import register
from pratique.core.audit.log import entries
from pratique.core.audit.sink import Sink
from pratique.core.audit.tables import audit_checkpoints, audit_entries, audit_writers
from pratique.core.audit.verification import public_keys_of, verify
from pratique.core.clock import FakeClock
from pratique.core.database import Database, open_database
from pratique.core.errors import Corrupt, Invalid
from pratique.core.jobs import JobHandlers, JobQueue, Worker
from pratique.core.permissions import ANONYMOUS, SYSTEM, Caller

EVE = Caller("0198-eve", "eve", "user", credential_id="c1")


@dataclass(frozen=True)
class Signature:
    key_id: str
    value: bytes


@dataclass
class LocalSigner:
    """A real key, in this process."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def sign(self, purpose: str, message: bytes) -> Signature:
        assert purpose == "audit"
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        return Signature("k1", r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    @property
    def public(self) -> dict[str, ec.EllipticCurvePublicKey]:
        return {"k1": self.key.public_key()}


@dataclass
class Ground:
    database: Database
    path: Path
    signer: LocalSigner
    audit: Audit

    def seal(self) -> int | None:
        return Checkpointer(self.database, self.signer, self.audit.sink).run()

    def verify(self, *, sink: bool = True) -> Verification:
        return verify(self.database, self.signer.public, self.path if sink else None)

    def kinds(self, *, sink: bool = True) -> set[str]:
        return {problem.kind for problem in self.verify(sink=sink).problems}

    def write(self, count: int = 5, action: str = "identity.principal.create") -> None:
        for number in range(count):
            self.database.write(lambda tx, n=number: self.audit.with_change(tx, action, EVE, f"p{n}", {"n": n}))

    def rows(self) -> list[Any]:
        query = sa.select(audit_entries).order_by(audit_entries.c.writer, audit_entries.c.seq)
        return self.database.read(lambda tx: tx.execute(query).all())

    def attack(self, statement: Any) -> None:
        self.database.write(lambda tx: tx.execute(statement))


@pytest.fixture
def ground(database: Database, state_dir: Path) -> Any:
    path = state_dir / "audit.jsonl"
    audit = Audit(database, sink=path)
    yield Ground(database, path, LocalSigner(), audit)
    audit.close()


def recompute(ground: Ground) -> None:
    """Do what an attacker does who knows how the chain works."""
    writers = ground.database.read(lambda tx: tx.execute(sa.select(audit_writers)).all())
    sealed = {row.writer: row.sealed_seq for row in writers}
    heads: dict[str, bytes] = {}
    for row in ground.rows():
        value = entry_hash(heads.get(row.writer, START), row.writer, row.seq, row._mapping)
        place = audit_entries.c.writer == row.writer, audit_entries.c.seq == row.seq
        ground.attack(sa.update(audit_entries).where(*place).values(hash=value))
        if sealed[row.writer] == row.seq:
            ground.attack(
                sa.update(audit_writers).where(audit_writers.c.writer == row.writer).values(sealed_hash=value)
            )
        heads[row.writer] = value


def test_a_sealed_log_verifies(ground: Ground) -> None:
    ground.write(3)
    ground.audit.before_answer("vault.secret.read", EVE, "vaults/a/secrets/b", {"version": "1"})
    assert ground.seal() == 1
    assert ground.seal() is None
    ground.write(2)
    result = ground.verify()
    assert result.ok
    assert (result.entries, result.checkpoints, result.unsealed) == (6, 1, 2)
    assert ground.seal() == 2
    assert ground.verify().unsealed == 0


def test_an_edited_row_is_found_even_with_the_whole_chain_recomputed(ground: Ground) -> None:
    ground.write(5)
    ground.seal()
    ground.write(2)
    ground.attack(sa.update(audit_entries).where(audit_entries.c.target == "p2").values(principal="someone else"))
    assert ground.kinds(sink=False) == {"entry-changed"}
    recompute(ground)
    assert "head-changed" in ground.kinds(sink=False)
    assert "sink-differs" in ground.kinds()
    # Sealing what the attacker left does not heal it.
    ground.seal()
    assert "head-changed" in ground.kinds(sink=False)


def test_an_edited_row_is_not_signed(ground: Ground) -> None:
    ground.write(5)
    ground.attack(sa.update(audit_entries).where(audit_entries.c.target == "p2").values(principal="someone else"))
    with pytest.raises(Corrupt):
        ground.seal()
    assert ground.verify().checkpoints == 0


def test_a_removed_row_is_found(ground: Ground) -> None:
    ground.write(5)
    ground.seal()
    ground.attack(sa.delete(audit_entries).where(audit_entries.c.target == "p2"))
    assert {"entry-missing", "entry-changed"} <= ground.kinds(sink=False)


def test_a_removed_end_is_found(ground: Ground) -> None:
    ground.write(5)
    ground.seal()
    ground.attack(sa.delete(audit_entries).where(audit_entries.c.target == "p4"))
    assert ground.kinds(sink=False) == {"truncated"}


def test_an_end_removed_before_it_was_sealed_is_found_in_the_second_file(ground: Ground) -> None:
    ground.write(5)
    ground.seal()
    ground.write(1, "identity.principal.delete")
    ground.attack(sa.delete(audit_entries).where(audit_entries.c.action == "identity.principal.delete"))
    assert ground.kinds(sink=False) == set()
    assert ground.kinds() == {"sink-differs"}


def test_a_log_rolled_back_to_an_older_checkpoint_is_found_in_the_second_file(ground: Ground) -> None:
    ground.write(2)
    ground.seal()
    kept = {(row.writer, row.seq) for row in ground.rows()}
    ground.write(2)
    ground.seal()
    for row in ground.rows():
        if (row.writer, row.seq) not in kept:
            place = audit_entries.c.writer == row.writer, audit_entries.c.seq == row.seq
            ground.attack(sa.delete(audit_entries).where(*place))
    assert "truncated" in ground.kinds(sink=False)
    ground.attack(sa.delete(audit_checkpoints).where(audit_checkpoints.c.number == 2))
    assert "sink-differs" in ground.kinds()


def test_a_removed_checkpoint_is_found(ground: Ground) -> None:
    for _ in range(3):
        ground.write(1)
        ground.seal()
    ground.attack(sa.delete(audit_checkpoints).where(audit_checkpoints.c.number == 2))
    assert {"checkpoint-gap", "checkpoint-chain"} <= ground.kinds(sink=False)


@pytest.mark.parametrize("fault", ["message", "signature", "key"])
def test_a_forged_checkpoint_is_found(ground: Ground, fault: str) -> None:
    ground.write(2)
    ground.seal()
    values: dict[str, Any] = {
        "message": {"message": '{"number":1,"at":0,"previous":"","entries":0,"heads":[],"sink":0}'},
        "signature": {"signature": bytes(64)},
        "key": {"key_id": "k2"},
    }[fault]
    ground.attack(sa.update(audit_checkpoints).values(**values))
    assert "checkpoint-signature" in ground.kinds(sink=False)


def test_entries_that_stay_unsealed_are_reported(ground: Ground, clock: FakeClock) -> None:
    ground.write(1)
    assert ground.verify().ok
    clock.advance(3600)
    assert ground.kinds() == {"unsealed"}


def test_an_entry_is_stored_exactly_if_its_change_is(ground: Ground) -> None:
    def body(tx: Any) -> None:
        ground.audit.with_change(tx, "identity.principal.create", EVE, "lost")
        raise Invalid("no")

    ground.write(1)
    with pytest.raises(Invalid):
        ground.database.write(body)

    def half(tx: Any) -> None:
        ground.audit.with_change(tx, "identity.principal.create", EVE, "kept")
        with suppress(Invalid), tx.savepoint():
            ground.audit.with_change(tx, "identity.principal.create", EVE, "undone")
            raise Invalid("no")

    ground.database.write(half)
    ground.write(1)
    assert [row.target for row in ground.rows() if row.target in ("lost", "undone")] == []
    assert ground.seal() == 1
    assert ground.verify().ok


def test_writers_at_the_same_time_each_keep_a_whole_chain(ground: Ground) -> None:
    threads = [threading.Thread(target=ground.write, args=(20,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ground.seal()
    result = ground.verify()
    assert result.problems == ()
    assert (result.entries, result.unsealed) == (160, 0)


def test_the_second_file_is_completed_when_it_could_not_be_written(ground: Ground) -> None:
    ground.write(2)
    assert ground.audit.sink is not None
    ground.audit.sink.close()
    lines = ground.path.read_bytes().splitlines(keepends=True)
    ground.path.write_bytes(lines[0])  # as after a crash between the commit and the line
    ground.write(1)
    ground.seal()
    held = {(line["writer"], line["seq"]) for line in Sink(ground.path).lines() if "writer" in line}
    assert held == {(row.writer, row.seq) for row in ground.rows()}
    assert ground.verify().ok


def test_a_full_second_disk_stops_nothing_and_is_announced(database: Database) -> None:
    audit = Audit(database, sink=Path("/dev/full"))
    database.write(lambda tx: audit.with_change(tx, "identity.principal.create", EVE, "p1"))
    assert any("cannot be written" in warning for warning in audit.warnings())
    assert database.read(entries)[0].target == "p1"
    audit.close()


def test_counts_are_one_row_per_minute_principal_action_and_target(ground: Ground, clock: FakeClock) -> None:
    for _ in range(50):
        ground.audit.count("registry.manifest.pull", EVE, "registry/team/app")
    ground.audit.count("registry.manifest.pull", SYSTEM, "registry/team/app", 3)
    assert ground.audit.flush() == 0
    clock.advance(60)
    assert ground.audit.flush() == 2
    found = ground.database.read(lambda tx: entries(tx, action="registry.*"))
    assert {(entry.principal, entry.count) for entry in found} == {("eve", 50), ("system", 3)}
    ground.seal()
    assert ground.verify().ok


def test_nobody_without_a_name_can_fill_the_log(ground: Ground, clock: FakeClock) -> None:
    for number in range(5000):
        ground.audit.count("http.denied", ANONYMOUS, f"/v2/{number}")
    ground.audit.count("http.denied", EVE, "/v2/x")
    clock.advance(60)
    assert ground.audit.flush() <= MOST_ANONYMOUS + 2
    assert sum(row.count for row in ground.rows()) == 5001
    assert any(row.target == "*" for row in ground.rows())


def test_closing_writes_what_was_counted(database: Database) -> None:
    audit = Audit(database)
    audit.count("registry.manifest.pull", EVE, "registry/team/app")
    audit.close()
    assert [entry.count for entry in database.read(entries)] == [1]


def test_counts_that_cannot_be_written_are_kept(
    ground: Ground, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_body: Callable[..., Any]) -> None:
        raise Invalid("no")

    ground.audit.count("registry.manifest.pull", EVE, "registry/team/app", 7)
    clock.advance(60)
    with monkeypatch.context() as patch:
        patch.setattr(ground.database, "write", refuse)
        with pytest.raises(Invalid):
            ground.audit.flush()
    assert ground.audit.flush() == 1
    assert ground.rows()[-1].count == 7


def test_sealing_is_a_job(ground: Ground, clock: FakeClock) -> None:
    handlers = JobHandlers()
    register(handlers, ground.database, ground.audit, ground.signer)
    worker = Worker(ground.database, JobQueue(), handlers)
    ground.write(1)
    worker.drain()
    clock.advance(60)
    worker.drain()
    assert (ground.verify().checkpoints, ground.verify().unsealed) == (1, 0)


def test_keys_are_read_from_their_published_form(ground: Ground) -> None:
    jwk = json.loads(ECAlgorithm(ECAlgorithm.SHA256).to_jwk(ground.signer.key.public_key()))
    keys = public_keys_of([("k1", jwk), ("k2", {"kty": "RSA"})])
    ground.write(1)
    ground.seal()
    assert verify(ground.database, keys).ok
    assert keys.keys() == {"k1"}


def test_a_new_process_begins_a_chain_of_its_own(ground: Ground, database_url: str, clock: FakeClock) -> None:
    ground.write(2)
    other = open_database(database_url, clock=clock)
    second = Audit(other)
    other.write(lambda tx: second.with_change(tx, "identity.principal.create", EVE, "other"))
    ground.write(1)
    ground.seal()
    result = ground.verify()
    assert result.problems == ()
    assert len({row.writer for row in ground.rows()}) >= 2
    second.close()
    other.close()
