"""skopeo pushes and pulls over TLS with token sign-in, and prints what the registry says."""

import json
import threading
from pathlib import Path

from tests.interop.clients import Skopeo
from tests.interop.layouts import write_layout
from tests.registry.conftest import Judge
from tests.registry.images import image, index, statement
from tests.registry.serving import Running

NAME = "team/app"


def test_push_then_pull_waits_and_works(skopeo: Skopeo, registry: Running, judge: Judge, tmp_path: Path) -> None:
    made = image(b"one", b"two" * 100_000)
    layout = write_layout(tmp_path / "layout", made)
    pushed = skopeo.copy(f"oci:{layout}", f"docker://{registry.host}/{NAME}:v1", "--dest-creds", "pusher:pusher")
    assert pushed.code == 0, pushed.err
    timer = threading.Timer(0.3, judge.open, (NAME, made.digest))
    timer.start()
    pulled = skopeo.copy(
        f"docker://{registry.host}/{NAME}:v1", f"oci:{tmp_path / 'out'}:v1", "--src-creds", "reader:reader"
    )
    timer.join()
    assert pulled.code == 0, pulled.err
    written = json.loads((tmp_path / "out" / "index.json").read_text())
    assert written["manifests"][0]["digest"] == made.digest


def test_push_and_pull_by_the_same_principal_just_works(skopeo: Skopeo, registry: Running, tmp_path: Path) -> None:
    made = image(b"mine")
    layout = write_layout(tmp_path / "layout", made)
    target = f"docker://{registry.host}/{NAME}:v1"
    assert skopeo.login(registry.host, "pusher", "pusher").code == 0
    assert skopeo.copy(f"oci:{layout}", target).code == 0
    pulled = skopeo.copy(target, f"oci:{tmp_path / 'out'}:v1")
    assert pulled.code == 0, pulled.err


def test_missing_right_is_named(skopeo: Skopeo, registry: Running, tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout", image())
    pushed = skopeo.copy(f"oci:{layout}", f"docker://{registry.host}/{NAME}:v1", "--dest-creds", "reader:reader")
    assert pushed.code != 0
    assert "principal reader lacks registry/content/write at /registry/team/app" in pushed.err


def test_missing_right_is_named_where_nothing_at_all_is_allowed(
    skopeo: Skopeo, registry: Running, tmp_path: Path
) -> None:
    layout = write_layout(tmp_path / "layout", image())
    for who, name in (("stranger", NAME), ("team-pusher", "other/app")):
        pushed = skopeo.copy(f"oci:{layout}", f"docker://{registry.host}/{name}:v1", "--dest-creds", f"{who}:{who}")
        assert pushed.code != 0
        assert f"principal {who} lacks registry/content/write at /registry/{name}" in pushed.err


def test_refusal_is_printed_with_finding_and_remedy(
    skopeo: Skopeo, registry: Running, judge: Judge, tmp_path: Path
) -> None:
    made = image(b"bad")
    layout = write_layout(tmp_path / "layout", made)
    target = f"docker://{registry.host}/{NAME}:v1"
    assert skopeo.copy(f"oci:{layout}", target, "--dest-creds", "pusher:pusher").code == 0
    judge.refuse(NAME, made.digest)
    pulled = skopeo.copy(target, f"oci:{tmp_path / 'out'}:v1", "--src-creds", "reader:reader")
    assert pulled.code != 0
    assert "refused: CVE-2024-0001 in openssl 3.0.11 (critical)" in pulled.err
    assert "update openssl to 3.0.17" in pulled.err
    assert f"/r/{NAME}/-/{made.digest}" in pulled.err


def test_wrong_password_is_said(skopeo: Skopeo, registry: Running) -> None:
    signed_in = skopeo.login(registry.host, "pusher", "wrong")
    assert signed_in.code != 0
    assert "wrong name or secret" in signed_in.err or "401" in signed_in.err or "invalid username" in signed_in.err


def test_multi_platform_index_with_attestation_is_copied_whole(
    skopeo: Skopeo, registry: Running, judge: Judge, tmp_path: Path
) -> None:
    amd, arm, note = image(b"amd"), image(b"arm"), statement("amd")
    top = index(amd, arm, note, annotations={note.digest: {"vnd.docker.reference.digest": amd.digest}})
    layout = write_layout(tmp_path / "layout", top, amd, arm, note)
    target = f"docker://{registry.host}/{NAME}:multi"
    pushed = skopeo.copy(f"oci:{layout}", target, "--all", "--dest-creds", "pusher:pusher")
    assert pushed.code == 0, pushed.err
    for member in (amd, arm):
        judge.open(NAME, member.digest)
    pulled = skopeo.copy(target, f"oci:{tmp_path / 'out'}:multi", "--all", "--src-creds", "reader:reader")
    assert pulled.code == 0, pulled.err
    inspected = skopeo.inspect(target, "--raw", "--creds", "reader:reader")
    assert inspected.out.encode() == top.manifest


def test_layer_is_mounted_from_another_repository(
    skopeo: Skopeo, registry: Running, judge: Judge, tmp_path: Path
) -> None:
    made = image(b"shared base" * 1000)
    layout = write_layout(tmp_path / "layout", made)
    assert skopeo.login(registry.host, "pusher", "pusher").code == 0
    first, second = f"docker://{registry.host}/team/one:v1", f"docker://{registry.host}/team/two:v1"
    assert skopeo.copy(f"oci:{layout}", first).code == 0
    copied = skopeo.copy(first, second)
    assert copied.code == 0, copied.err
