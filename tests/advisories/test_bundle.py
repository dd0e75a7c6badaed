"""Data moves in signed bundles; what is altered, unsigned or older is refused before anything changes."""

import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from pratique.advisories.bundle.archive import BundleSignature, describe, open_bundle, pack
from pratique.advisories.errors import BundleRefused
from pratique.advisories.service import (
    AdvisoryStore,
    export_bundle,
    import_bundle,
    key_process_signer,
    offline_signer,
    trusted_key,
)
from pratique.core.clock import FakeClock
from pratique.core.keys.client import local_keys
from tests.advisories import samples
from tests.advisories.conftest import Renew
from tests.advisories.feed_server import FeedServer
from tests.advisories.samples import deb, debian, fixed, pypi


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(path)],
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture
def elsewhere(tmp_path: Path, clock: FakeClock) -> Iterator[AdvisoryStore]:
    """A store on a machine without a network."""
    opened = AdvisoryStore.open(tmp_path / "elsewhere", starter=False, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def bundle(world: AdvisoryStore, key: Path, tmp_path: Path) -> Path:
    path = tmp_path / "advisories.bundle"
    export_bundle(world, path, sign=offline_signer(key))
    return path


def key_id(key: Path) -> str:
    return offline_signer(key)(b"").key_id


PACKAGES = [deb("openssl", "3.0.11-1"), pypi("django", "3.2")]


def test_a_bundle_carries_every_answer(world: AdvisoryStore, elsewhere: AdvisoryStore, bundle: Path, key: Path) -> None:
    report = import_bundle(elsewhere, bundle, trusted=[key_id(key)])
    assert report.ok
    assert {item.outcome for item in report.outcomes} == {"updated"}
    there, here = elsewhere.match(PACKAGES), world.match(PACKAGES)
    assert there.matches == here.matches
    assert [item.records for item in elsewhere.feeds()] == [item.records for item in world.feeds()]


def test_a_second_import_changes_nothing(elsewhere: AdvisoryStore, bundle: Path, key: Path) -> None:
    import_bundle(elsewhere, bundle, trusted=[key_id(key)])
    revision = elsewhere.revision
    report = import_bundle(elsewhere, bundle, trusted=[key_id(key)])
    assert {item.outcome for item in report.outcomes} == {"unchanged"}
    assert elsewhere.revision == revision


def test_an_import_over_older_data_names_what_changed(
    *,
    world: AdvisoryStore,
    elsewhere: AdvisoryStore,
    bundle: Path,
    key: Path,
    server: FeedServer,
    renew: Renew,
    clock: FakeClock,
    tmp_path: Path,
) -> None:
    import_bundle(elsewhere, bundle, trusted=[key_id(key)])
    before = elsewhere.revision
    clock.advance(60)
    server.put(
        samples.DEBIAN,
        debian(
            {
                "openssl": {"CVE-2024-0001": {"bookworm": fixed("3.0.99-1")}},
                "six": {"CVE-2024-0009": {"bookworm": fixed("1.16.0-4")}},
            }
        ),
    )
    renew("debian")
    export_bundle(world, tmp_path / "newer.bundle", sign=offline_signer(key), feeds=["debian"])
    import_bundle(elsewhere, tmp_path / "newer.bundle", trusted=[key_id(key)])
    changed = elsewhere.changes(before)
    assert [(item.ecosystem, item.name) for item in changed.packages] == [("debian", "openssl")]
    older = import_bundle(elsewhere, bundle, trusted=[key_id(key)])
    assert next(item for item in older.outcomes if item.feed == "debian").outcome == "unchanged"
    assert elsewhere.match(PACKAGES).affected[0].fixed_version == "3.0.99-1"
    import_bundle(elsewhere, bundle, trusted=[key_id(key)], allow_older=True)
    assert elsewhere.match(PACKAGES).affected[0].fixed_version == "3.0.13-1~deb12u1"


def test_an_untrusted_key_is_refused_and_named(elsewhere: AdvisoryStore, bundle: Path, key: Path) -> None:
    with pytest.raises(BundleRefused, match=key_id(key)):
        import_bundle(elsewhere, bundle)
    with pytest.raises(BundleRefused):
        import_bundle(elsewhere, bundle, allow_unsigned=True)  # a signature that is there must be believed
    assert elsewhere.match(PACKAGES).affected == ()


def test_an_unsigned_bundle_needs_an_explicit_word(
    world: AdvisoryStore, elsewhere: AdvisoryStore, tmp_path: Path
) -> None:
    export_bundle(world, tmp_path / "b")
    with pytest.raises(BundleRefused, match="not signed"):
        import_bundle(elsewhere, tmp_path / "b")
    assert import_bundle(elsewhere, tmp_path / "b", allow_unsigned=True).ok


def test_the_public_key_file_names_the_key(key: Path, tmp_path: Path) -> None:
    public = tmp_path / "public.pem"
    subprocess.run(
        ["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(public)], check=True, capture_output=True
    )
    assert trusted_key(public) == key_id(key)
    jwk = tmp_path / "key.jwk"
    jwk.write_bytes(msgspec.json.encode(offline_signer(key)(b"").jwk))
    assert trusted_key(jwk) == key_id(key)


def test_the_installations_own_key_signs_through_the_key_process(
    world: AdvisoryStore, elsewhere: AdvisoryStore, tmp_path: Path
) -> None:
    from pratique.core.keys.types import Role

    keys = local_keys(tmp_path / "keys", Role.ADMIN)
    public = keys.public_keys("bundle")[0]
    sign = key_process_signer(lambda key_id, message: keys.sign("bundle", message, key_id=key_id).value, public.jwk)
    export_bundle(world, tmp_path / "b", sign=sign)
    assert import_bundle(elsewhere, tmp_path / "b", trusted=[public.key_id]).ok
    keys.close()


def rewritten(bundle: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The bundle with each member passed through `change`; None leaves it out."""
    target = bundle.with_name("altered.bundle")
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            content = change(info.filename, old.read(info))
            if content is not None:
                new.writestr(info.filename, content)
    return target


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda name, data: data.replace(b'"export"', b'"starter"') if name == "bundle.json" else data, "altered"),
        (
            lambda name, data: data[:-1] + bytes([data[-1] ^ 1]) if name.endswith(".zst") else data,
            "not the one|cannot be unpacked",
        ),
        (lambda name, data: None if name.endswith(".zst") else data, "cannot be unpacked"),
        (lambda name, data: None if name == "bundle.sig" else data, "not signed"),
        (lambda name, data: b"{}" if name == "bundle.sig" else data, "no advisory bundle"),
        (lambda name, data: b"[]" if name == "bundle.json" else data, "no advisory bundle"),
        (
            lambda name, data: data.replace(b'"format": 1', b'"format": 99', 1) if name == "bundle.json" else data,
            "format 99",
        ),
    ],
    ids=["description", "file", "no-file", "no-signature", "bad-signature", "bad-description", "format"],
)
def test_an_altered_bundle_is_refused_and_changes_nothing(
    elsewhere: AdvisoryStore, bundle: Path, key: Path, change: Callable[[str, bytes], bytes | None], message: str
) -> None:
    revision = elsewhere.revision
    with pytest.raises(BundleRefused, match=message):
        import_bundle(elsewhere, rewritten(bundle, change), trusted=[key_id(key)])
    assert elsewhere.revision == revision
    assert list((elsewhere.directory / "files").glob("*.db")) == []
    assert list(elsewhere.directory.glob("work/*")) == []


@pytest.mark.parametrize("name", ["../evil.db", "/etc/evil.db", "a/b.db", ".hidden.db", "x.sh"])
def test_a_bundle_cannot_name_a_path(
    elsewhere: AdvisoryStore, bundle: Path, key: Path, tmp_path: Path, name: str
) -> None:
    opened = open_bundle(bundle)
    first = next(iter(opened.description.files.values()))
    hostile = msgspec.structs.replace(opened.description, files={**opened.description.files, name: first})
    signature = offline_signer(key)(describe(hostile))
    pack(tmp_path / "hostile", hostile, signature, {})
    with pytest.raises(BundleRefused, match="cannot have"):
        import_bundle(elsewhere, tmp_path / "hostile", trusted=[key_id(key)])


def test_a_signature_under_another_keys_id_is_refused(
    elsewhere: AdvisoryStore, bundle: Path, key: Path, tmp_path: Path
) -> None:
    opened = open_bundle(bundle)
    assert opened.signature is not None
    forged = BundleSignature(key_id="trusted", jwk=opened.signature.jwk, value=opened.signature.value)
    altered = rewritten(bundle, lambda name, data: msgspec.json.encode(forged) if name == "bundle.sig" else data)
    with pytest.raises(BundleRefused, match="not valid"):
        import_bundle(elsewhere, altered, trusted=["trusted"])


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all" * 100])
def test_what_is_no_bundle_is_refused(elsewhere: AdvisoryStore, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(BundleRefused, match="no advisory bundle"):
        import_bundle(elsewhere, tmp_path / "b", allow_unsigned=True)


def test_nothing_to_export_says_what_to_do(store: AdvisoryStore, tmp_path: Path) -> None:
    with pytest.raises(BundleRefused) as caught:
        export_bundle(store, tmp_path / "b")
    assert "sync" in caught.value.remedy
    assert not (tmp_path / "b").exists()
