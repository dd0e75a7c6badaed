"""Every attack of the corpus is named for what it is, costs little, and spares what is beside it."""

import tracemalloc
from typing import Any

import pytest
from tests.corpus.layers.archive import END, gzipped, stream
from tests.corpus.layers.build import ATTACKS, GOOD

from pratique.inventory.service import merge, read_layer
from pratique.inventory.types import ExpectedLayer, Limits

LIMITS = Limits(entries=10_000)


def _codes(report: Any) -> Any:
    return {problem.code for problem in report.problems} | {
        record.problem.code for record in report.records if record.problem
    }


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_an_attack_is_named_and_the_rest_is_read(name: str) -> None:
    attack = ATTACKS[name]
    data = attack.build()
    tracemalloc.start()
    report = read_layer(stream(data), limits=LIMITS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert attack.code in _codes(report), report.problems
    assert peak < 32 << 20
    names = {package.name for record in report.records for package in record.packages}
    if attack.innocent:
        assert "innocent" in names
    inventory = merge([report], {"rootfs": {"diff_ids": [report.diff_id]}})
    assert attack.code in {problem.code for problem in inventory.not_assessed}


def test_the_innocent_layer_alone_has_no_problem() -> None:
    report = read_layer(stream(gzipped(GOOD + END)), limits=LIMITS)
    assert _codes(report) == set()


def test_a_wrong_digest_is_named() -> None:
    report = read_layer(stream(gzipped(GOOD + END)), expected=ExpectedLayer(digest="sha256:" + "0" * 64, size=1))
    assert _codes(report) == {"wrong-digest", "wrong-size"}
    assert not report.complete


def test_time_is_a_limit() -> None:
    report = read_layer(stream(gzipped(GOOD + END)), limits=Limits(seconds=0.0))
    assert _codes(report) == {"limit-time"}


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(stored_bytes=100), "limit-stored"),
        (Limits(tar_bytes=1000), "limit-tar"),
        (Limits(captured_bytes=10), "limit-captured"),
        (Limits(records=1), "limit-records"),
        (Limits(packages=0), "limit-packages"),
    ],
)
def test_every_limit_is_named(limits: Limits, code: str) -> None:
    report = read_layer(stream(gzipped(GOOD + END)), limits=limits)
    assert code in _codes(report)
    assert not report.complete


def test_an_encrypted_layer_is_named() -> None:
    report = read_layer(stream(b"\x00\x01"), "application/vnd.oci.image.layer.v1.tar+gzip+encrypted")
    assert _codes(report) == {"encrypted"}
