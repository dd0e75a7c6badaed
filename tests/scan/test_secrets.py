"""Secrets of an image become findings with place, kind and fingerprint, and their values lie nowhere."""

import hashlib
import hmac
import json
import logging
from pathlib import Path

import pytest
import sqlalchemy as sa

from pratique.core.database import Database
from pratique.core.database.schema import metadata
from pratique.core.findings.types import Severity
from pratique.registry.types import GateState
from pratique.scan.child import ReaderPool
from pratique.scan.indexing import Indexer
from pratique.scan.layer_files import LayerFiles
from tests.inventory.found_secrets.planted import PASSWORD, PLANTED, checked_token
from tests.scan.parts import Parts, debian_layer, tarred

TOKEN = checked_token("gho")


def keyed(digest: bytes) -> str:
    return hmac.new(b"key", digest, hashlib.sha256).hexdigest()[:32]


def test_findings_tell_of_secrets_and_nothing_keeps_their_values(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    parts = Parts(database)
    files = {path: text.encode() for path, text, _ in PLANTED.values()}
    files["app/again.env"] = PLANTED["github-token"][1].encode()
    config = {
        "config": {"Env": [f"API_TOKEN={TOKEN}", f"DB_PASSWORD={PASSWORD}", "PASSWORD_FILE=/run/secrets/x"]},
        "history": [{"created_by": f"RUN |1 NPM={TOKEN} /bin/sh -c make", "empty_layer": True}],
    }
    place = parts.shelf.put("team/app", [debian_layer({"zlib": "1"}, files)], extra=config)
    with ReaderPool(1, fingerprint=keyed) as pool:
        parts.indexer = Indexer(database, parts.registry, pool, parts.store, parts.announcer, fingerprint=keyed)
        parts.index(place)
    shown = database.read(lambda tx: parts.findings.of_subject(tx, place.digest, lineage=place.lineage))
    rules = {(stored.finding.rule.removeprefix("secret-"), stored.finding.location) for stored, _ in shown}
    assert {(kind, path) for kind, (path, _, _) in PLANTED.items()} <= rules
    assert ("github-token", "/config/Env/API_TOKEN") in rules
    assert ("named-secret", "/config/Env/DB_PASSWORD") in rules
    assert ("github-token", "/history/0") in rules
    assert not any("PASSWORD_FILE" in location for _, location in rules)
    assert parts.shelf.state(place) is GateState.OPEN
    by_place = {stored.finding.location: (stored, seen) for stored, seen in shown}
    stored, seen = by_place["app/a.env"]
    assert (stored.finding.severity, stored.finding.action) == (Severity.HIGH, "secret|github-token")
    assert "Replace the secret" in seen.remediation
    (spot,) = seen.evidence["places"]
    assert (spot["line"], spot["layer_index"], spot["deleted"], len(spot["fingerprint"])) == (2, 0, False, 32)
    again = by_place["app/again.env"][1].evidence["places"][0]
    assert again["fingerprint"] == spot["fingerprint"]
    whole = _everything(database) + caplog.text
    for kind, (_, _, value) in PLANTED.items():
        hidden = value.splitlines()[1] if kind == "private-key" else value
        assert hidden not in whole, kind
    assert TOKEN not in whole
    digests = {hashlib.sha256(b"pratique.secret.v1\0github-token\0" + TOKEN.encode())}
    assert not any(one.hexdigest() in whole for one in digests)


def test_a_report_on_disk_holds_neither_values_nor_their_hashes(tmp_path: Path) -> None:
    layer = tarred({path: text.encode() for path, text, _ in PLANTED.values()})
    source = tmp_path / "layer"
    source.write_bytes(layer)
    with ReaderPool(1) as pool, source.open("rb") as stream:
        report = pool.read(stream)
    assert len(report.secrets) == len(PLANTED)
    LayerFiles(tmp_path / "kept").put(report)
    (kept,) = (tmp_path / "kept").rglob("*.report")
    data = kept.read_bytes()
    for kind, (_, _, value) in PLANTED.items():
        assert value.encode() not in data
        assert hashlib.sha256(f"pratique.secret.v1\0{kind}\0{value}".encode()).digest() not in data


def _everything(database: Database) -> str:
    """All rows of all tables as text, compressed reports unpacked."""
    import zstandard

    def rows(tx: object) -> list[str]:
        found = []
        for table in metadata.sorted_tables:
            for row in tx.execute(sa.select(table)).mappings():  # type: ignore[attr-defined]
                for stored in row.values():
                    value = stored
                    if isinstance(stored, bytes) and stored.startswith(b"\x28\xb5\x2f\xfd"):
                        value = zstandard.ZstdDecompressor().decompress(stored, max_output_size=1 << 26)
                    found.append(
                        value.decode("latin-1") if isinstance(value, bytes) else json.dumps(value, default=str)
                    )
        return found

    return "\n".join(database.read(rows))
