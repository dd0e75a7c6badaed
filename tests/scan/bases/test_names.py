"""How tags are read as versions, and which of them are compared."""

import pytest

from pratique.registry.types import ManifestName, ServedTag
from pratique.scan.bases.names import best_name, candidates, tag_version


@pytest.mark.parametrize(
    ("tag", "variant", "version"),
    [
        ("1.2.3", ("", ""), (1, 2, 3)),
        ("v1.10", ("v", ""), (1, 10)),
        ("3.19", ("", ""), (3, 19)),
        ("1.2-slim-bookworm", ("", "-slim-bookworm"), (1, 2)),
        ("3.11.4-alpine3.18", ("", "-alpine3.18"), (3, 11, 4)),
        ("bookworm-20240101", ("bookworm-", ""), (20240101,)),
        ("release_7", ("release_", ""), (7,)),
    ],
)
def test_tags_that_hold_a_version(tag: str, variant: tuple[str, str], version: tuple[int, ...]) -> None:
    found = tag_version(tag)
    assert found is not None
    assert (found.variant, found.version) == (variant, version)


@pytest.mark.parametrize("tag", ["latest", "bookworm", "4f2a9c1", "a1b2c3", "main", "1" * 40, "x86"])
def test_tags_that_hold_none(tag: str) -> None:
    assert tag_version(tag) is None


def test_only_the_same_tag_and_greater_versions_of_its_variant_are_candidates() -> None:
    tags = ("1.0", "1.1", "0.9", "1.1-slim", "1.10", "1.2-rc1", "latest", "v2.0", "1")
    served = [ServedTag(tag, f"digest of {tag}", False, 0) for tag in tags]
    found = candidates("1.0", {"digest of the base"}, served)
    assert [(each.tag, each.step) for each in found] == [("1.0", 0), ("1.1", 1), ("1.10", 2)]
    assert [each.tag for each in candidates("1.0", {"digest of 1.0", "digest of 1.1"}, served)] == ["1.10"]
    assert [each.tag for each in candidates("latest", set(), served)] == ["latest"]


def test_of_very_many_versions_the_nearest_and_the_newest_are_compared() -> None:
    served = [ServedTag(f"1.{number}", f"{number}", False, 0) for number in range(500)]
    found = [each.tag for each in candidates("1.0", {"0"}, served)]
    assert found[:2] == ["1.1", "1.2"]
    assert found[-1] == "1.499"
    assert len(found) == 12


def test_the_name_that_says_most_is_shown() -> None:
    names = [ManifestName("team/base", tag, "d", "d") for tag in ("latest", "1", "bookworm", "1.2.3", "1.2")]
    best = best_name(names)
    assert best is not None
    assert best.tag == "1.2.3"
    assert best_name([]) is None
