"""crane, oras, helm, containerd and docker's client push, pull, attach, and print what the registry says."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.interop.clients import Outcome, need, run
from tests.interop.go_programs import built
from tests.interop.layouts import write_layout
from tests.registry.conftest import Judge
from tests.registry.images import Artifact, image, index, statement
from tests.registry.serving import Running

from pratique.core.http.server import TlsFiles
from pratique.registry.types import GateState

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900), pytest.mark.xdist_group("go-clients")]
NAME = "team/app"
DECISION = "0192a000-0000-7000-8000-000000000001"
REFUSED = "refused: CVE-2024-0001 in openssl 3.0.11 (critical)"
HELD = "held: it could not be read"
FIX = "update openssl to 3.0.17"

Client = Callable[..., Outcome]


@pytest.fixture(scope="session")
def programs() -> dict[str, Path]:
    return built("go_clients", "crane", "oras", "helm")


@pytest.fixture
def home(tmp_path: Path, certificate: TlsFiles) -> dict[str, str]:
    """An environment of its own: trust in the test's certificate, and a folder for sign-ins."""
    folder = tmp_path / "home"
    (folder / "docker").mkdir(parents=True)
    return {
        "HOME": str(folder),
        "DOCKER_CONFIG": str(folder / "docker"),
        "SSL_CERT_FILE": str(certificate.certificate),
        "HELM_REGISTRY_CONFIG": str(folder / "docker" / "config.json"),
    }


def sign_in(home: dict[str, str], registry: Running, name: str) -> None:
    """Write what `docker login` would: every one of these clients reads that file."""
    auth = base64.b64encode(f"{name}:{name}".encode()).decode()
    folder = Path(home["DOCKER_CONFIG"])
    (folder / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))


@pytest.fixture
def crane(programs: dict[str, Path], home: dict[str, str]) -> Client:
    return lambda *arguments: run(programs["crane"], *arguments, env=home)


@pytest.fixture
def oras(programs: dict[str, Path], home: dict[str, str], tmp_path: Path) -> Client:
    # Some clients take a server on this machine for one without TLS unless they are told.
    return lambda command, *arguments: run(
        programs["oras"], *command.split(), "--plain-http=false", *arguments, env=home, cwd=tmp_path
    )


@pytest.fixture
def helm(programs: dict[str, Path], home: dict[str, str], tmp_path: Path) -> Client:
    return lambda *arguments: run(programs["helm"], *arguments, env=home, cwd=tmp_path)


@pytest.fixture
def containerd(registry: Running, home: dict[str, str], certificate: TlsFiles) -> Iterator[Client]:
    """`ctr` with a containerd of its own."""
    need("ctr")
    if os.geteuid() != 0:
        pytest.skip("a containerd that is not installed for this account cannot run")
    folder = Path(f"/tmp/ctr-{os.getpid()}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    address = folder / "socket"
    config = folder / "config.toml"
    config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    hosts = folder / "hosts" / registry.host
    hosts.mkdir(parents=True)
    (hosts / "hosts.toml").write_text(
        f'server = "{registry.url}"\n[host."{registry.url}"]\nca = "{certificate.certificate}"\n'
    )
    paths = ["--config", config, "--address", address, "--root", folder / "root", "--state", folder / "state"]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen([need("containerd"), *map(str, paths)], stdout=log, stderr=log)
        try:
            end = time.monotonic() + 20
            while not address.exists() and time.monotonic() < end:
                time.sleep(0.05)

            def pull(who: str, name: str, *more: str) -> Outcome:
                base = ["ctr", "--address", address, "images", "pull", "--snapshotter", "native"]
                return run(*base, "--user", f"{who}:{who}", "--hosts-dir", hosts.parent, *more, name, env=home)

            yield pull
        finally:
            daemon.terminate()
            daemon.wait(20)
    shutil.rmtree(folder, ignore_errors=True)


def layout_of(tmp_path: Path, made: Artifact, *others: Artifact) -> str:
    return str(write_layout(tmp_path / f"layout-{made.digest[7:15]}", made, *others))


def push_three(crane: Client, registry: Running, judge: Judge, tmp_path: Path) -> str:
    """Push an image that is open, one that is held and one that is refused; return the digest of the open one."""
    for tag, state, summary in (
        ("open", GateState.OPEN, "open: no finding"),
        ("held", GateState.HELD, HELD),
        ("refused", GateState.REFUSED, REFUSED),
    ):
        made = image(tag.encode())
        pushed = crane("push", layout_of(tmp_path, made), f"{registry.host}/{NAME}:{tag}")
        assert pushed.code == 0, pushed.err
        judge.decide(NAME, made.digest, state, summary, DECISION)
    return image(b"open").digest


def test_crane_pushes_pulls_and_prints_why_not(
    crane: Client, home: dict[str, str], registry: Running, judge: Judge, tmp_path: Path
) -> None:
    sign_in(home, registry, "pusher")
    digest = push_three(crane, registry, judge, tmp_path)
    pulled = crane("pull", f"{registry.host}/{NAME}:held", str(tmp_path / "own.tar"))
    assert pulled.code == 0, pulled.err  # whoever pushed it reads it
    sign_in(home, registry, "reader")
    assert crane("digest", f"{registry.host}/{NAME}:open").out.strip() == digest
    assert crane("pull", f"{registry.host}/{NAME}:open", str(tmp_path / "open.tar")).code == 0
    held = crane("pull", f"{registry.host}/{NAME}:held", str(tmp_path / "held.tar"))
    assert held.code != 0
    assert HELD in held.err
    refused = crane("pull", f"{registry.host}/{NAME}:refused", str(tmp_path / "refused.tar"))
    assert refused.code != 0
    assert REFUSED in refused.err
    assert FIX in refused.err
    denied = crane("push", layout_of(tmp_path, image(b"mine")), f"{registry.host}/{NAME}:mine")
    assert denied.code != 0
    assert "principal reader lacks registry/content/write at /registry/team/app" in denied.err
    assert crane("ls", f"{registry.host}/{NAME}").out.split() == ["held", "open", "refused"]


def test_an_index_with_an_attestation_goes_both_ways(
    crane: Client, home: dict[str, str], registry: Running, judge: Judge, tmp_path: Path
) -> None:
    amd, arm, note = image(b"amd"), image(b"arm"), statement("amd")
    top = index(amd, arm, note, annotations={note.digest: {"vnd.docker.reference.digest": amd.digest}})
    sign_in(home, registry, "pusher")
    name = f"{registry.host}/{NAME}:multi"
    pushed = crane("push", "--index", layout_of(tmp_path, top, amd, arm, note), name)
    assert pushed.code == 0, pushed.err
    for member in (amd, arm):
        judge.open(NAME, member.digest)
    sign_in(home, registry, "reader")
    copied = crane("pull", "--format", "oci", name, str(tmp_path / "out"))
    assert copied.code == 0, copied.err
    assert {path.name for path in (tmp_path / "out" / "blobs" / "sha256").iterdir()} >= {
        each.digest.partition(":")[2] for each in (amd, arm, note)
    }


def test_oras_attaches_right_after_the_push_and_discovers(  # noqa: PLR0917  fixtures
    oras: Client, crane: Client, home: dict[str, str], registry: Running, judge: Judge, tmp_path: Path
) -> None:
    made = image(b"signed at once")
    name = f"{registry.host}/{NAME}:v1"
    (tmp_path / "signature.json").write_text('{"signed": true}')
    sign_in(home, registry, "pusher")
    assert crane("push", layout_of(tmp_path, made), name).code == 0
    attached = oras("attach", name, "--artifact-type", "application/vnd.example.signature", "signature.json")
    assert attached.code == 0, attached.err
    found = json.loads(oras("discover", "--format", "json", name).out)
    # The image is held, and so is what speaks about it: for readers it is not there yet.
    (one,) = found.get("referrers", found.get("manifests", []))
    assert one["artifactType"] == "application/vnd.example.signature"
    sign_in(home, registry, "reader")
    at = f"{registry.host}/{NAME}@{made.digest}"
    judge.open(NAME, made.digest)
    seen = json.loads(oras("discover", "--format", "json", "--artifact-type", one["artifactType"], at).out)
    assert [each["digest"] for each in seen.get("referrers", seen.get("manifests", []))] == [one["digest"]]
    pulled = oras("pull", f"{registry.host}/{NAME}@{one['digest']}", "-o", str(tmp_path / "got"))
    assert pulled.code == 0, pulled.err
    assert (tmp_path / "got" / "signature.json").read_text() == '{"signed": true}'


def test_oras_prints_why_not(  # noqa: PLR0917  fixtures
    oras: Client, crane: Client, home: dict[str, str], registry: Running, judge: Judge, tmp_path: Path
) -> None:
    sign_in(home, registry, "pusher")
    push_three(crane, registry, judge, tmp_path)
    sign_in(home, registry, "reader")
    for tag, reason in (("held", HELD), ("refused", REFUSED)):
        answered = oras("manifest fetch", f"{registry.host}/{NAME}:{tag}")
        assert answered.code != 0
        assert reason in answered.err
    (tmp_path / "notes.txt").write_text("mine")
    denied = oras("push", f"{registry.host}/{NAME}:notes", "notes.txt")
    assert denied.code != 0
    assert "registry/content/write" in denied.err


def test_helm_pushes_and_pulls_a_chart_that_is_no_image(
    helm: Client, home: dict[str, str], registry: Running, tmp_path: Path
) -> None:
    sign_in(home, registry, "pusher")
    assert helm("create", "web").code == 0
    assert helm("package", "web").code == 0
    pushed = helm("push", "web-0.1.0.tgz", f"oci://{registry.host}/team/charts")
    assert pushed.code == 0, pushed.err
    assert "Digest: sha256:" in pushed.out + pushed.err
    sign_in(home, registry, "reader")
    (tmp_path / "got").mkdir()
    pulled = helm("pull", f"oci://{registry.host}/team/charts/web", "--version", "0.1.0", "-d", str(tmp_path / "got"))
    assert pulled.code == 0, pulled.err
    assert (tmp_path / "got" / "web-0.1.0.tgz").read_bytes() == (tmp_path / "web-0.1.0.tgz").read_bytes()
    denied = helm("push", "web-0.1.0.tgz", f"oci://{registry.host}/team/charts")
    assert denied.code != 0
    assert "registry/content/write" in denied.err
    sign_in(home, registry, "stranger")
    stranger = helm("pull", f"oci://{registry.host}/team/charts/web", "--version", "0.1.0", "-d", str(tmp_path / "no"))
    assert stranger.code != 0
    assert "lacks registry/content/read" in stranger.err


def test_containerd_pulls_and_prints_why_not(  # noqa: PLR0917  fixtures
    containerd: Client, crane: Client, home: dict[str, str], registry: Running, judge: Judge, tmp_path: Path
) -> None:
    sign_in(home, registry, "pusher")
    push_three(crane, registry, judge, tmp_path)
    pulled = containerd("reader", f"{registry.host}/{NAME}:open", "--platform", "linux/amd64")
    assert pulled.code == 0, pulled.out + pulled.err
    for tag, who in (("held", "reader"), ("refused", "reader"), ("open", "stranger")):
        answered = containerd(who, f"{registry.host}/{NAME}:{tag}", "--platform", "linux/amd64")
        assert answered.code != 0
        # containerd resolves by HEAD and prints status lines of the answers, never their bodies.
        assert "403 Forbidden" in answered.err, answered.err


def test_the_client_of_docker_prints_why_not(
    crane: Client, home: dict[str, str], registry: Running, judge: Judge, tmp_path: Path
) -> None:
    docker = need("docker")
    sign_in(home, registry, "pusher")
    push_three(crane, registry, judge, tmp_path)
    sign_in(home, registry, "reader")

    def inspect(tag: str) -> Outcome:
        return run(docker, "manifest", "inspect", f"{registry.host}/{NAME}:{tag}", env=home)

    assert "mediaType" in inspect("open").out
    for tag, reason in (("held", HELD), ("refused", REFUSED)):
        answered = inspect(tag)
        assert answered.code != 0
        assert reason in answered.err
