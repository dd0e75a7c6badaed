"""Where packages lie in an image is found in the stored text whatever paths are called."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.scan.findings import _SOUGHT, _spots

_PATHS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('":[]{},\\1234'), max_size=20)
_HELD = st.dictionaries(
    st.integers(1, 40), st.lists(st.tuples(st.integers(0, 9), _PATHS, _PATHS).map(list), max_size=3), max_size=30
)


@given(_HELD, st.sets(st.integers(1, 45)))
def test_places_are_found_as_a_full_reading_finds_them(held: dict[int, list[list[object]]], wanted: set[int]) -> None:
    expected = {each: held[each] for each in wanted if each in held}
    keyed = {str(each): spots for each, spots in held.items()}
    assert _spots(msgspec.json.encode(keyed).decode(), wanted) == expected
    assert _spots(json.dumps(keyed), wanted) == expected


@pytest.mark.parametrize("count", [1, _SOUGHT, _SOUGHT + 1])
def test_text_with_blanks_after_colons_is_read_too(count: int) -> None:
    held = {str(number): [[0, "sha256:0", f'srv/"{number}":[']] for number in range(count)}
    assert _spots(json.dumps(held), range(count)) == {int(key): spots for key, spots in held.items()}
