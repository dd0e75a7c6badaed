"""From a pushed image to facts, findings, decision and gate."""

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
import sqlalchemy as sa

from pratique.core.database import Database
from pratique.core.findings.types import Severity
from pratique.core.jobs.errors import Postpone
from pratique.registry.types import GateState
from pratique.scan.tables import layer_reports, packages, set_members
from pratique.scan.types import ImageState
from tests.scan.parts import Parts, Said, debian_layer, tarred

EXPLOITED = Said("vg-1", ("1.0",), fix="1.1", exploited=True)


@pytest.fixture
def parts(database: Database) -> Parts:
    return Parts(database)


def test_an_image_with_an_exploited_package_is_refused_and_says_what_to_do(parts: Parts) -> None:
    parts.store.say("nginx", EXPLOITED)
    place = parts.push("team/app", {"nginx": "1.0", "zlib": "1.2"})
    assert parts.shelf.state(place) is GateState.REFUSED
    assert parts.shelf.summary(place) == "refused: CVE-1 in nginx 1.0 is known to be exploited; update to 1.1"
    assert parts.shown(place) == {"CVE-1 in nginx: a fault": "affected"}


def test_a_repaired_image_that_shares_its_base_layer_opens_without_reading_that_layer_again(parts: Parts) -> None:
    parts.store.say("nginx", EXPLOITED)
    base = debian_layer({"zlib": "1.2"})
    broken = parts.shelf.put("team/app", [base, debian_layer({"zlib": "1.2", "nginx": "1.0"})])
    repaired = parts.shelf.put("team/app", [base, debian_layer({"zlib": "1.2", "nginx": "1.1"})])
    parts.index(broken)
    parts.index(repaired)
    assert parts.shelf.state(broken) is GateState.REFUSED
    assert parts.shelf.state(repaired) is GateState.OPEN
    assert len(parts.reader.read_digests) == 3


def test_indexing_twice_changes_nothing_and_reads_nothing(parts: Parts) -> None:
    place = parts.push("team/app", {"zlib": "1.2"})
    before = _rows(parts)
    parts.index(place)
    assert _rows(parts) == before
    assert len(parts.reader.read_digests) == 1


def test_each_package_and_set_is_stored_once_for_all_images(parts: Parts) -> None:
    parts.push("team/a", {"zlib": "1.2", "nginx": "1.0"}, salt="1")
    parts.push("team/b", {"zlib": "1.2", "nginx": "1.0"}, salt="2")
    parts.push("team/b", {"zlib": "1.2", "nginx": "1.1"}, salt="3")
    assert sorted(parts.store.matched) == ["nginx", "nginx", "zlib"]
    counted = parts.database.read(
        lambda tx: (
            tx.execute(sa.select(sa.func.count()).select_from(packages)).scalar_one(),
            tx.execute(sa.select(sa.func.count()).select_from(set_members)).scalar_one(),
        )
    )
    assert counted == (3, 4)


def test_the_same_image_in_a_second_repository_has_findings_and_a_gate_of_its_own(parts: Parts) -> None:
    parts.store.say("nginx", EXPLOITED)
    first = parts.push("team/a", {"nginx": "1.0"})
    second = parts.push("team/b", {"nginx": "1.0"})
    assert first.digest == second.digest
    assert parts.shelf.state(second) is GateState.REFUSED
    assert parts.shown(second) == parts.shown(first)


def test_an_image_of_known_layers_is_decided_inside_the_push(parts: Parts) -> None:
    parts.store.say("nginx", EXPLOITED)
    layer = debian_layer({"nginx": "1.0"})
    parts.index(parts.shelf.put("team/a", [layer], salt="1"))
    second = parts.shelf.put("team/b", [layer], salt="2")
    assert parts.database.write(lambda tx: parts.indexer.judge_at_push(tx, second))
    assert parts.shelf.state(second) is GateState.REFUSED


def test_an_image_with_a_layer_never_seen_is_left_to_the_job(parts: Parts) -> None:
    place = parts.shelf.put("team/a", [debian_layer({"nginx": "1.0"})])
    assert not parts.database.write(lambda tx: parts.indexer.judge_at_push(tx, place))
    assert parts.shelf.state(place) is None


def test_an_unreadable_layer_holds_the_image_with_the_reason(parts: Parts) -> None:
    good = debian_layer({"zlib": "1.2"})
    place = parts.shelf.put("team/a", [good, good[: len(good) // 2]], config=b'{"rootfs": {"diff_ids": []}}')
    parts.index(place)
    assert parts.shelf.state(place) is GateState.HELD
    assert parts.shelf.summary(place).startswith("held: the image cannot be assessed: ")


@pytest.mark.parametrize("config", [b"", b"[]", b"{", b'"x"', b"\xff", b"[" * 100_000])
def test_a_configuration_that_is_no_json_object_holds_the_image(parts: Parts, config: bytes) -> None:
    place = parts.shelf.put("team/a", [debian_layer({"zlib": "1.2"})], config=config)
    parts.index(place)
    facts = parts.database.read(lambda tx: parts.scan.facts(tx, place.digest))
    assert facts.state is ImageState.UNASSESSABLE
    assert parts.shelf.state(place) is GateState.HELD


def test_an_image_without_readable_package_data_is_held(parts: Parts) -> None:
    place = parts.shelf.put("team/a", [tarred({"app": b"\x7fELF"})])
    parts.index(place)
    assert parts.shelf.state(place) is GateState.HELD


def test_a_layer_that_ends_its_reader_is_tried_again_and_then_called_unreadable(parts: Parts) -> None:
    parts.reader.ends = 100
    place = parts.shelf.put("team/a", [debian_layer({"zlib": "1.2"})])
    for _ in range(2):
        with pytest.raises(Postpone):
            parts.index(place)
    parts.index(place)
    assert parts.shelf.state(place) is GateState.HELD
    assert len(parts.reader.read_digests) == 3


def test_a_reader_that_ended_once_does_no_harm(parts: Parts) -> None:
    parts.reader.ends = 1
    place = parts.shelf.put("team/a", [debian_layer({"zlib": "1.2"})])
    with pytest.raises(Postpone):
        parts.index(place)
    parts.index(place)
    assert parts.shelf.state(place) is GateState.OPEN


def test_packages_without_data_are_counted_shown_and_hold_below_the_minimum(parts: Parts) -> None:
    parts.store.unloaded.add("debian:12")
    place = parts.push("team/a", {"nginx": "1.0", "zlib": "1.2"})
    assert parts.shelf.state(place) is GateState.HELD
    assert "only 0 of 2 packages could be assessed: no data for debian:12" in parts.shelf.summary(place)
    assert list(parts.shown(place).values()) == ["not-assessed"]


def test_findings_carry_evidence_place_action_and_remedy(parts: Parts) -> None:
    parts.store.say("nginx", Said("vg-1", ("1.0",), fix="1.1", severity=Severity.HIGH))
    place = parts.push("team/app", {"nginx": "1.0"})
    rows = parts.database.read(lambda tx: parts.findings.of_subject(tx, place.digest))
    stored, shown = rows[0]
    assert stored.finding.action == "os-update|debian:12|nginx"
    assert stored.finding.location == "pkg:deb/debian/nginx"
    assert shown.version == "1.0"
    assert shown.evidence["record"] == "CVE-1"
    assert shown.evidence["layer_index"] == 0
    assert shown.evidence["path"] == "var/lib/dpkg/status"
    assert "1.1" in shown.remediation


def _rows(parts: Parts) -> list[int]:
    tables = (layer_reports, packages, set_members)
    return parts.database.read(
        lambda tx: [tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in tables]
    )


def test_a_fault_that_passes_holds_with_its_reason_and_is_forgotten_once_reading_works(parts: Parts) -> None:
    place = parts.shelf.put("team/a", [debian_layer({"zlib": "1.2"})])
    parts.database.write(lambda tx: parts.indexer.write_failure(tx, place, "the disk was full", "make room"))
    assert parts.shelf.state(place) is GateState.HELD
    assert "the disk was full; make room" in parts.shelf.summary(place)
    parts.index(place)
    assert parts.shelf.state(place) is GateState.OPEN


def test_pushing_a_failing_image_again_reads_its_layers_again(parts: Parts) -> None:
    parts.reader.ends = 3
    place = parts.shelf.put("team/a", [debian_layer({"zlib": "1.2"})])
    for _ in range(2):
        with pytest.raises(Postpone):
            parts.index(place)
    parts.index(place)
    assert parts.shelf.state(place) is GateState.HELD
    assert not parts.database.write(lambda tx: parts.indexer.judge_at_push(tx, place))
    parts.index(place)
    assert parts.shelf.state(place) is GateState.OPEN


def test_an_unreadable_layer_is_read_again_when_somebody_asks(parts: Parts) -> None:
    good = debian_layer({"zlib": "1.2"})
    place = parts.shelf.put("team/a", [good[: len(good) // 2]], config=b'{"rootfs": {"diff_ids": []}}')
    parts.index(place)
    parts.index(place)
    assert len(parts.reader.read_digests) == 1
    parts.database.write(lambda tx: parts.indexer.read_again(tx, place))
    parts.indexer.index(place, lambda: None, parts.database.write, again=True)
    assert len(parts.reader.read_digests) == 2


def test_a_layer_that_one_manifest_calls_encrypted_is_still_read_for_others(parts: Parts) -> None:
    layer = debian_layer({"zlib": "1.2"})
    poisoned = parts.shelf.put("team/a", [layer], salt="1")
    key = (poisoned.repository_id, poisoned.digest)
    source = parts.shelf.manifests[key]
    called = replace(source.layers[0], media_type="application/vnd.oci.image.layer.v1.tar+gzip+encrypted")
    parts.shelf.manifests[key] = replace(source, layers=(called,))
    parts.index(poisoned)
    assert parts.shelf.state(poisoned) is GateState.HELD
    assert parts.reader.read_digests == []
    good = parts.shelf.put("team/b", [layer], salt="2")
    parts.index(good)
    assert parts.shelf.state(good) is GateState.OPEN


def test_layers_are_told_by_their_build_step_without_its_secrets(parts: Parts) -> None:
    parts.store.say("curl", Said("vg-1", ("1",), fix="2"))
    below, above = debian_layer({"zlib": "1"}), debian_layer({"zlib": "1", "curl": "1"})
    steps: list[dict[str, object]] = [
        {"created_by": "FROM scratch"},
        {"created_by": "ENV NOTHING=1", "empty_layer": True},
        {"created_by": "RUN TOKEN=hunter2hunter2 apt-get install curl"},
    ]
    place = parts.shelf.put("team/app", [below, above], config=_config([below, above], steps))
    parts.index(place)
    told = parts.database.read(lambda tx: parts.scan.layers(tx, place.digest))
    assert [layer.packages for layer in told] == [1, 1]
    assert told[0].created_by == "FROM scratch"
    assert told[1].created_by.endswith("apt-get install curl")
    assert "hunter2" not in told[1].created_by
    found = parts.database.read(lambda tx: parts.findings.of_subject(tx, place.digest, lineage=place.lineage))
    by_rule = {stored.finding.rule: occurrence for stored, occurrence in found}
    assert by_rule["vg-1"].evidence["created_by"] == told[1].created_by
    assert "secret-named-secret" in by_rule
    assert "hunter2" not in repr(found)


def test_a_history_that_does_not_fit_the_layers_is_not_believed(parts: Parts) -> None:
    layer = debian_layer({"zlib": "1"})
    steps = [{"created_by": "RUN one"}, {"created_by": "RUN two"}]
    place = parts.shelf.put("team/app", [layer], config=_config([layer], steps))
    parts.index(place)
    assert [layer.created_by for layer in parts.database.read(lambda tx: parts.scan.layers(tx, place.digest))] == [""]


def _config(layers: list[bytes], steps: Sequence[Mapping[str, object]]) -> bytes:
    diff_ids = [f"sha256:{hashlib.sha256(gzip.decompress(layer)).hexdigest()}" for layer in layers]
    return json.dumps({"os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": steps}).encode()
