"""What cosign and notation sign, in every form in which they store it, counts for their keys and for nobody else's."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.interop.clients import Outcome, Skopeo, run
from tests.interop.go_programs import built
from tests.interop.layouts import write_layout
from tests.registry.images import image
from tests.registry.serving import Running

from pratique.core.http.server import TlsFiles

pytestmark = [pytest.mark.interop, pytest.mark.timeout(1800), pytest.mark.xdist_group("go-signing")]
NAME = "team/app"
UNLOGGED = ("--use-signing-config=false", "--tlog-upload=false", "--yes")
Tool = Callable[..., Outcome]


@pytest.fixture(scope="session")
def programs() -> dict[str, Path]:
    return built("go_signing", "cosign", "notation")


@pytest.fixture
def home(tmp_path: Path, registry: Running, certificate: TlsFiles) -> dict[str, str]:
    """An environment with a sign-in as the one who pushes, and a password for keys."""
    folder = tmp_path / "home"
    (folder / "docker").mkdir(parents=True)
    auth = base64.b64encode(b"pusher:pusher").decode()
    (folder / "docker" / "config.json").write_text(
        json.dumps({"auths": {f"{host}:{registry.port}": {"auth": auth} for host in ("localhost", "127.0.0.1")}})
    )
    return {
        "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / ".config"), "DOCKER_CONFIG": str(folder / "docker"),
        "SSL_CERT_FILE": str(certificate.certificate), "COSIGN_PASSWORD": "correct horse",
    }  # fmt: skip


@pytest.fixture
def cosign(programs: dict[str, Path], home: dict[str, str], tmp_path: Path) -> Tool:
    def call(*arguments: str | Path) -> Outcome:
        done = run(programs["cosign"], *arguments, env=home, cwd=tmp_path)
        assert done.code == 0, done.err
        return done

    call("generate-key-pair")
    call("generate-key-pair", "--output-key-prefix", "other")
    return call


@pytest.fixture
def notation(programs: dict[str, Path], home: dict[str, str], tmp_path: Path) -> Tool:
    def call(*arguments: str | Path) -> Outcome:
        done = run(programs["notation"], *arguments, env=home, cwd=tmp_path)
        assert done.code == 0, done.err
        return done

    return call


@pytest.fixture
def signed_in(registry: Running, skopeo: Skopeo) -> Skopeo:
    assert skopeo.login(registry.host, "pusher", "pusher").code == 0
    return skopeo


@pytest.fixture
def pushed(registry: Running, signed_in: Skopeo, tmp_path: Path) -> str:
    """An image by its digest, as clients name it."""
    made = image(b"signed")
    layout = write_layout(tmp_path / "layout", made)
    done = signed_in.copy(f"oci:{layout}", f"docker://{registry.host}/{NAME}:v1", "--preserve-digests")
    assert done.code == 0, done.err
    return f"{registry.host}/{NAME}@{made.digest}"


@pytest.fixture
def verified(home: dict[str, str], certificate: TlsFiles, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    login = tmp_path / "home" / "docker" / "config.json"

    def call(name: str, *options: str | Path) -> dict[str, Any]:
        done = run(
            "pratique", "verify", name, "--auth-file", login, "--ca", certificate.certificate, "-o", "json", *options,
            env=home, cwd=tmp_path,
        )  # fmt: skip
        assert done.out, done.err
        found: dict[str, Any] = json.loads(done.out)
        assert found["code"] == done.code
        return found

    return call


def counting(found: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((one["form"], one["says"]) for one in found["signatures"] if one["counts"])


def test_cosign_counts_in_each_form_for_its_own_key(
    cosign: Tool, pushed: str, verified: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    assert verified(pushed, "--key", "cosign.pub")["code"] == 1  # nothing is there, and everywhere was looked
    (tmp_path / "predicate.json").write_text('{"a": 1}')
    attest = ("--predicate", "predicate.json", "--key", "cosign.key")
    cosign("sign", "--key", "cosign.key", *UNLOGGED, pushed)
    cosign("sign", "--key", "cosign.key", "--new-bundle-format=false", *UNLOGGED, pushed)
    cosign("attest", *attest, "--type", "spdxjson", "--new-bundle-format=false", *UNLOGGED, pushed)
    cosign("attest", *attest, "--type", "https://tests.invalid/x", *UNLOGGED, pushed)
    found = verified(pushed, "--key", "cosign.pub")
    assert counting(found) == [
        ("cosign", "signed"),
        ("dsse", "https://spdx.dev/Document"),
        ("sigstore-bundle", "https://tests.invalid/x"),
        ("sigstore-bundle", "signed"),
    ]
    assert found["could_not_look"] == []
    other = verified(pushed, "--key", "other.pub")
    assert (other["code"], counting(other), len(other["signatures"])) == (1, [], 4)
    assert {one["class"] for one in other["signatures"]} == {"unknown-signer"}


def test_a_signature_moved_to_another_image_does_not_count(
    cosign: Tool, pushed: str, verified: Callable[..., dict[str, Any]], skopeo: Skopeo, tmp_path: Path
) -> None:
    cosign("sign", "--key", "cosign.key", "--new-bundle-format=false", *UNLOGGED, pushed)
    evil = image(b"evil")
    place = "docker://" + pushed.partition("@")[0]
    assert skopeo.copy(f"oci:{write_layout(tmp_path / 'evil', evil)}", f"{place}:v2", "--preserve-digests").code == 0
    of = pushed.rpartition("@")[2].replace(":", "-")
    moved = skopeo.copy(f"{place}:{of}.sig", f"{place}:{evil.digest.replace(':', '-')}.sig", "--preserve-digests")
    assert moved.code == 0, moved.err
    found = verified(f"{pushed.partition('@')[0]}@{evil.digest}", "--key", "cosign.pub")
    assert (found["code"], [one["class"] for one in found["signatures"]]) == (1, ["wrong-digest"])


@pytest.mark.parametrize("form", ["jws", "cose"])
def test_notation_counts_under_a_trust_policy(
    form: str, notation: Tool, pushed: str, verified: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    pushed = pushed.replace("localhost", "127.0.0.1")  # notation takes localhost for a server without TLS
    notation("cert", "generate-test", "--default", "pratique.test")
    notation("sign", "--signature-format", form, "--user-metadata", "build=7", pushed)
    policy = {
        "name": "ours",
        "registryScopes": [pushed.partition("@")[0]],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:pratique.test"],
        "trustedIdentities": ["x509.subject: C=US, ST=WA, L=Seattle, O=Notary, CN=pratique.test"],
    }
    options = ["--trust-policy", "policy.json", "--trust-store", str(tmp_path / "home/.config/notation/truststore")]
    (tmp_path / "policy.json").write_text(json.dumps({"version": "1.0", "trustPolicies": [policy]}))
    found = verified(pushed, *options)
    assert counting(found) == [(f"notation-{form}", "signed")]
    policy["trustedIdentities"] = ["x509.subject: C=US, ST=WA, O=Somebody"]
    (tmp_path / "policy.json").write_text(json.dumps({"version": "1.0", "trustPolicies": [policy]}))
    other = verified(pushed, *options)
    assert (other["code"], [one["class"] for one in other["signatures"]]) == (1, ["unknown-signer"])
