"""Base scores agree with an independent implementation and with published examples."""

import itertools
import random

import cvss as reference
import pytest

from pratique.advisories.cvss import InvalidVectorError, base_score, severity_of_score
from pratique.core.findings.types import Severity

V2 = {"AV": "LAN", "AC": "HML", "Au": "MSN", "C": "NPC", "I": "NPC", "A": "NPC"}
V3 = {"AV": "NALP", "AC": "LH", "PR": "NLH", "UI": "NR", "S": "UC", "C": "NLH", "I": "NLH", "A": "NLH"}
V4 = {
    "AV": "NALP", "AC": "LH", "AT": "NP", "PR": "NLH", "UI": "NPA", "VC": "HLN", "VI": "HLN", "VA": "HLN", "SC": "HLN", "SI": "HLN", "SA": "HLN",
}  # fmt: skip


def vectors(metrics: dict[str, str], prefix: str, count: int) -> list[str]:
    every = [
        "/".join(f"{name}:{value}" for name, value in zip(metrics, values, strict=True))
        for values in itertools.product(*metrics.values())
    ]
    chosen = every if len(every) <= count else random.Random(4).sample(every, count)
    return [prefix + text for text in chosen]


def test_version_2_agrees_with_the_reference_on_every_vector() -> None:
    wrong = [
        (text, base_score(text), reference.CVSS2(text).scores()[0])
        for text in vectors(V2, "", 10_000)
        if base_score(text) != float(reference.CVSS2(text).scores()[0])
    ]
    assert wrong == []


@pytest.mark.parametrize("prefix", ["CVSS:3.0/", "CVSS:3.1/"])
def test_version_3_agrees_with_the_reference_on_every_vector(prefix: str) -> None:
    wrong = [
        text for text in vectors(V3, prefix, 10_000) if base_score(text) != float(reference.CVSS3(text).scores()[0])
    ]
    assert wrong == []


def test_version_4_agrees_with_the_reference() -> None:
    wrong = [
        (text, base_score(text), reference.CVSS4(text).base_score)
        for text in vectors(V4, "CVSS:4.0/", 8_000)
        if base_score(text) != float(reference.CVSS4(text).base_score)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("vector", "score", "severity"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8, Severity.CRITICAL),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H/E:P/RL:O", 10.0, Severity.CRITICAL),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", 10.0, Severity.HIGH),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0, Severity.NEGLIGIBLE),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:U", 9.3, Severity.CRITICAL),
    ],
)
def test_known_vectors_have_their_score_and_band(vector: str, score: float, severity: Severity) -> None:
    assert base_score(vector) == score
    assert severity_of_score(score, vector) is severity


@pytest.mark.parametrize(
    "vector",
    [
        "",
        "CVSS:3.1/AV:N",
        "CVSS:9.9/AV:N",
        "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "AV:N/AV:N/AC:L/Au:N/C:C/I:C/A:C",
        "CVSS:4.0/AV:/AC:L",
        "nonsense",
    ],
)
def test_what_is_no_vector_is_refused(vector: str) -> None:
    with pytest.raises(InvalidVectorError):
        base_score(vector)
