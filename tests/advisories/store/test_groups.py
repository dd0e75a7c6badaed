"""One vulnerability, one id, whatever its records are called and in whichever order they come."""

import random
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pratique.advisories.store.groups import Groups, canonical_names, group_id, write_groups


def groups(
    tmp_path: Path, records: list[tuple[str, tuple[str, ...]]], previous: dict[str, str] | None = None
) -> Groups:
    path = tmp_path / f"groups-{random.random()}.db"
    write_groups(path, canonical_names(records), previous or {})
    return Groups(path)


def test_aliases_share_the_group_of_their_cve(tmp_path: Path) -> None:
    found = groups(tmp_path, [("GHSA-1", ("CVE-2024-1",)), ("PYSEC-1", ("CVE-2024-1", "GHSA-1")), ("DSA-1", ())])
    for name in ("GHSA-1", "PYSEC-1", "CVE-2024-1", group_id("GHSA-1")):
        group = found.group(name)
        assert group is not None
        assert group.id == group_id("CVE-2024-1")
        assert group.aliases == ("CVE-2024-1", "GHSA-1", "PYSEC-1")
        assert group_id("GHSA-1") in group.redirected_from


def test_a_record_that_learns_its_cve_redirects_its_old_id(tmp_path: Path) -> None:
    before = groups(tmp_path, [("GHSA-1", ("PYSEC-1",))])
    old = before.group("PYSEC-1")
    assert old is not None
    assert old.id == group_id("GHSA-1")
    after = groups(tmp_path, [("GHSA-1", ("PYSEC-1", "CVE-2024-1"))], before.canonical)
    new = after.group(old.id)
    assert new is not None
    assert new.id == group_id("CVE-2024-1")
    assert sorted(before.moved(after)) == ["GHSA-1", "PYSEC-1"]


def test_names_without_a_cve_of_their_own_follow_their_neighbours(tmp_path: Path) -> None:
    found = groups(tmp_path, [("GHSA-1", ("CVE-2024-1",)), ("PYSEC-1", ("GHSA-1",))])
    assert found.name_of("PYSEC-1") == "CVE-2024-1"


def test_two_cves_stay_two_vulnerabilities(tmp_path: Path) -> None:
    found = groups(tmp_path, [("PYSEC-1", ("CVE-2024-2", "CVE-2024-1"))])
    assert found.name_of("CVE-2024-2") == "CVE-2024-2"
    assert found.name_of("PYSEC-1") == "CVE-2024-1"


def test_a_name_that_vanishes_keeps_its_group(tmp_path: Path) -> None:
    before = groups(tmp_path, [("GHSA-1", ("CVE-2024-1",))])
    after = groups(tmp_path, [], before.canonical)
    assert after.name_of("GHSA-1") == "CVE-2024-1"


def test_a_lone_name_needs_no_row(tmp_path: Path) -> None:
    found = groups(tmp_path, [])
    group = found.group("CVE-2024-1")
    assert group is not None
    assert (group.id, group.aliases) == (group_id("CVE-2024-1"), ("CVE-2024-1",))
    assert found.group("vg-unknown") is None


NAMES = st.sampled_from([f"{kind}-{number}" for kind in ("CVE-2024", "GHSA", "PYSEC") for number in range(4)])


@given(records=st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=3).map(tuple)), max_size=8), seed=st.integers())
def test_the_order_of_records_does_not_matter_and_every_name_has_one_group(
    records: list[tuple[str, tuple[str, ...]]], seed: int
) -> None:
    shuffled = list(records)
    random.Random(seed).shuffle(shuffled)
    canonical = canonical_names(records)
    assert canonical == canonical_names(shuffled)
    for name, target in canonical.items():
        assert not name.startswith("CVE-")
        assert target not in canonical, "a canonical name is its own"
