import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.keys.errors import SealBroken
from pratique.core.sealed import SealedColumns, associated_data, seal, unseal

KEY = bytes(range(32))
PLACE = ("installation", "users", "row-1", "totp")


class FixedKeys:
    def __init__(self, installation: str = "installation") -> None:
        self._installation = installation

    def installation(self) -> str:
        return self._installation

    def unwrap(self, name: str) -> bytes:
        assert name == "records"
        return KEY


@given(st.binary(max_size=2000))
def test_what_was_sealed_opens_in_its_place(value: bytes) -> None:
    assert unseal(KEY, PLACE, seal(KEY, PLACE, value)) == value


@pytest.mark.parametrize("part", range(4))
def test_a_moved_value_does_not_open(part: int) -> None:
    sealed = seal(KEY, PLACE, b"secret")
    moved = list(PLACE)
    moved[part] += "x"
    with pytest.raises(SealBroken):
        unseal(KEY, moved, sealed)


def test_two_swapped_values_do_not_open() -> None:
    columns = SealedColumns(FixedKeys())
    one, two = columns.seal("users", "1", "totp", b"one"), columns.seal("users", "2", "totp", b"two")
    assert columns.open("users", "1", "totp", one) == b"one"
    for row, column, value in (("1", "totp", two), ("2", "totp", one), ("1", "password", one)):
        with pytest.raises(SealBroken):
            columns.open("users", row, column, value)


def test_a_value_of_another_installation_does_not_open() -> None:
    sealed = SealedColumns(FixedKeys("other")).seal("t", "1", "c", b"x")
    with pytest.raises(SealBroken):
        SealedColumns(FixedKeys()).open("t", "1", "c", sealed)


def test_every_changed_byte_is_noticed() -> None:
    sealed = seal(KEY, PLACE, b"secret")
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        with pytest.raises(SealBroken):
            unseal(KEY, PLACE, bytes(changed))
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            unseal(KEY, PLACE, sealed[:length])


def test_another_key_is_refused_by_the_commitment() -> None:
    sealed = seal(KEY, PLACE, b"secret")
    with pytest.raises(SealBroken) as broken:
        unseal(os.urandom(32), PLACE, sealed)
    assert "secret" not in str(broken.value)


def test_the_same_value_never_looks_the_same() -> None:
    assert len({seal(KEY, PLACE, b"secret") for _ in range(50)}) == 50


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_different_places_give_different_bytes(one: list[str], two: list[str]) -> None:
    assert (associated_data(one) == associated_data(two)) == (one == two)
