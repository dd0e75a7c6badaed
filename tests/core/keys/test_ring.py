"""The sealed file: what is written opens again with its key, and in no other way."""

import json
import os
from pathlib import Path

import pytest

from pratique.core.keys.errors import SealBroken
from pratique.core.keys.ring import Ring, SealedFile, completed, new_key, new_ring, thumbprint
from pratique.core.keys.types import Purpose


def opened(folder: Path) -> Ring:
    file = SealedFile(folder)
    try:
        return file.load_or_create(1_000_000)
    finally:
        file.close()


def test_what_was_created_is_loaded_again(tmp_path: Path) -> None:
    first = opened(tmp_path / "keys")
    assert opened(tmp_path / "keys") == first
    assert first.active(Purpose.CA) is None
    assert {key.purpose for key in first.keys} == set(Purpose) - {Purpose.CA}


def test_nothing_readable_is_in_the_file(tmp_path: Path) -> None:
    ring = opened(tmp_path / "keys")
    text = (tmp_path / "keys/sealed.json").read_bytes()
    for key in ring.keys:
        assert key.material not in text
        assert key.material.hex().encode() not in text
        assert repr(key.material) not in repr(ring)


@pytest.mark.parametrize("field", ["installation", "generation", "root", "body"])
def test_a_changed_file_does_not_open(tmp_path: Path, field: str) -> None:
    folder = tmp_path / "keys"
    opened(folder)
    document = json.loads((folder / "sealed.json").read_text())
    value = document[field]
    document[field] = (
        value + 1 if isinstance(value, int) else value[:-6] + ("AAAA" if "AAAA" not in value else "BBBB") + value[-2:]
    )
    (folder / "sealed.json").write_text(json.dumps(document))
    with pytest.raises(SealBroken):
        opened(folder)


def test_an_older_body_under_a_newer_head_does_not_open(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    file = SealedFile(folder)
    ring = file.load_or_create(1)
    old = json.loads((folder / "sealed.json").read_text())
    file.store(ring.with_active(new_key(Purpose.TOKEN, 2)))
    new = json.loads((folder / "sealed.json").read_text())
    file.close()
    (folder / "sealed.json").write_text(json.dumps(new | {"root": old["root"], "body": old["body"]}))
    with pytest.raises(SealBroken):
        opened(folder)


def test_another_unseal_key_does_not_open(tmp_path: Path) -> None:
    opened(tmp_path / "a")
    opened(tmp_path / "b")
    (tmp_path / "a/unseal.key").write_bytes((tmp_path / "b/unseal.key").read_bytes())
    with pytest.raises(SealBroken):
        opened(tmp_path / "a")


def test_an_unseal_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    opened(tmp_path / "keys")
    (tmp_path / "keys/unseal.key").chmod(0o640)
    with pytest.raises(SealBroken, match="Others can read"):
        opened(tmp_path / "keys")


def test_a_missing_unseal_key_is_never_replaced(tmp_path: Path) -> None:
    opened(tmp_path / "keys")
    (tmp_path / "keys/unseal.key").unlink()
    with pytest.raises(SealBroken, match="missing"):
        opened(tmp_path / "keys")


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b'{"format":"pratique-keys","version":2}'])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    opened(tmp_path / "keys")
    (tmp_path / "keys/sealed.json").write_bytes(content)
    with pytest.raises(SealBroken):
        opened(tmp_path / "keys")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_the_old_ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    folder = tmp_path / "keys"
    file = SealedFile(folder)
    ring = file.load_or_create(1)

    def crash(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os if step == "fsync" else Path, step, crash)
        with pytest.raises(OSError, match="no space"):
            file.store(ring.with_active(new_key(Purpose.TOKEN, 2)))
    file.close()
    assert opened(folder) == ring
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "sealed.json", "unseal.key"]


def test_a_new_purpose_gets_its_key_and_the_others_keep_theirs() -> None:
    ring = new_ring(1)
    without = Ring(ring.installation, 1, tuple(key for key in ring.keys if key.purpose is not Purpose.WEBHOOK))
    whole = completed(without, 2)
    assert whole.generation == 2
    assert whole.active(Purpose.WEBHOOK) is not None
    assert whole.active(Purpose.TOKEN) == ring.active(Purpose.TOKEN)
    assert completed(whole, 3) is whole


def test_the_key_id_is_the_thumbprint_of_the_standard() -> None:
    # A P-256 key of RFC 7515, appendix A.3, whose RFC 7638 thumbprint was computed with another tool (jwt.PyJWK).
    from cryptography.hazmat.primitives.asymmetric import ec

    x = int.from_bytes(bytes.fromhex("7fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445"), "big")
    y = int.from_bytes(bytes.fromhex("c7f144cd1bbd9b7e872cdfedb9eeb9f4b3695d6ea90b24ad8a4623288588e5ad"), "big")
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    assert thumbprint(key) == "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"
