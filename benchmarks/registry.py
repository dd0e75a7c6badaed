"""CPU seconds of the registry beside Debian's docker-registry (CNCF distribution), both over TLS, in one run.

Ours is the whole product as `pratique up` starts it, signed in as plain AcrPush and AcrPull principals, gates on; its
API process is measured. The peer has no sign-in, no gates and no scanner. ab, curl and skopeo ask both for the same.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import httpx2
from http2 import put_file

TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1024 * 1024
NAME = "bench/chart"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CLIENTS = {"": "--http1.1", " (HTTP/2)": "", " (HTTP/2, curl)": "--http2"}
"""How blobs are sent: by curl over HTTP/1.1; in 512 KiB frames as Go clients do; in the 16 KiB frames of curl."""
LIMITS = {"manifest GET": 0.25, "manifest HEAD": 0.25, "blob GET": 1.0, "blob PUT": 1.0}


@dataclass
class Peer:
    """A registry under test."""

    name: str
    url: str
    processes: Callable[[], list[int]]
    ca: Path
    push_token: str = ""
    pull_token: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    def headers(self, token: str) -> dict[str, str]:
        return {"authorization": f"Bearer {token}"} if token else {}

    def cpu(self) -> float:
        return sum(cpu_of(pid) for pid in self.processes())

    @contextmanager
    def measured(self, what: str, units: float) -> Iterator[None]:
        before = self.cpu()
        yield
        time.sleep(0.3)
        self.figures[what] = (self.cpu() - before) / units


def main() -> None:
    options = arguments()
    if shutil.which("docker-registry") is None or shutil.which("ab") is None:
        print("no peer: docker-registry and ab (apache2-utils) are needed")
        return
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder:
        root = Path(folder)
        with product(root) as ours, distribution(root, ours) as theirs, bare(ours) as alone:
            for peer in (theirs, ours):
                run(peer, root, options)
            puts(alone, lambda _: f"{alone.url}/", root, options.mebibytes)
            report(ours, theirs, alone)


def run(peer: Peer, root: Path, options: argparse.Namespace) -> None:
    print(f"{peer.name} …", file=sys.stderr)
    seed(peer)
    reference = f"{peer.url}/v2/{NAME}/manifests/v1"
    for what, extra in (("manifest GET", []), ("manifest HEAD", ["-i"])):
        ab(peer, reference, options.requests // 10, extra)
        with peer.measured(what, options.requests):
            ab(peer, reference, options.requests, extra)
    blobs(peer, root, options.mebibytes)
    layers(peer, root)
    peer.figures["peak memory"] = max(peak_of(pid) for pid in peer.processes())


def blobs(peer: Peer, root: Path, mebibytes: int) -> None:
    def target(digest: str) -> str:
        where = begin_upload(peer)
        return f"{where}{'&' if '?' in where else '?'}digest={digest}"

    stored = puts(peer, target, root, mebibytes)
    for (label, version), digest in zip(CLIENTS.items(), stored, strict=True):
        if version:
            with peer.measured(f"blob GET{label}", mebibytes / 1024):
                curl(peer, f"{peer.url}/v2/{NAME}/blobs/{digest}", peer.headers(peer.push_token), version)


def puts(peer: Peer, target: Callable[[str], str], root: Path, mebibytes: int) -> list[str]:
    """One upload by each kind of client."""
    content = root / f"{peer.name.split()[0]}.blob"
    stored = []
    for label, version in CLIENTS.items():
        digest = random_file(content, mebibytes)
        with peer.measured(f"blob PUT{label}", mebibytes / 1024):
            url, token = target(digest), peer.headers(peer.push_token)
            if version:
                curl(peer, url, token, version, "-T", str(content))
            else:
                put_file(url, token, content, peer.ca)
        stored.append(digest)
    content.unlink()
    return stored


def layers(peer: Peer, root: Path) -> None:
    """A push of twenty layers of 16 MiB by skopeo."""
    layout = root / f"layout-{peer.name.split()[0]}"
    write_layout(layout, 20, 16)
    certificates = root / "certificates"
    certificates.mkdir(exist_ok=True)
    shutil.copy(peer.ca, certificates / "ca.crt")
    token = ["--dest-registry-token", peer.push_token] if peer.push_token else []
    target = f"docker://{peer.url.removeprefix('https://')}/bench/layers:v1"
    with peer.measured("push of 20 layers of 16 MiB", 1):
        subprocess.run(
            ["skopeo", "--insecure-policy", "copy", "--dest-cert-dir", certificates, *token, f"oci:{layout}", target],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip


def report(ours: Peer, theirs: Peer, alone: Peer) -> None:
    print(f"{'':30}{'ours':>12}{'distribution':>14}{'ratio':>8}{'limit':>8}{'server alone':>14}")
    for what, value in ours.figures.items():
        other = theirs.figures[what]
        unit, factor = ("MiB", 1) if what == "peak memory" else ("µs CPU", 1e6) if "manifest" in what else ("CPU s", 1)
        limit = next((f"{bound:.2f}" for name, bound in LIMITS.items() if what.startswith(name)), "")
        least = f"{alone.figures[what]:.2f}" if what in alone.figures else ""
        line = f"{what:30}{value * factor:9.2f} {unit:7}{other * factor:9.2f}{value / other:10.2f}{limit:>8}{least:>14}"
        print(line.rstrip())


def seed(peer: Peer) -> None:
    """A chart: open without a scan, so that a reader passes the gate."""
    config, layer = b'{"name":"bench"}', os.urandom(1000)
    with client(peer) as http:
        for content in (config, layer):
            where = begin_upload(peer)
            joint = "&" if "?" in where else "?"
            http.put(f"{where}{joint}digest={digest_of(content)}", content=content).raise_for_status()
        body = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(config, "application/vnd.cncf.helm.config.v1+json"),
            "layers": [descriptor(layer, "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
        }
        manifest = json.dumps(body).encode()
        http.put(f"/v2/{NAME}/manifests/v1", content=manifest, headers={"content-type": MANIFEST}).raise_for_status()


def begin_upload(peer: Peer) -> str:
    with client(peer) as http:
        where = http.post(f"/v2/{NAME}/blobs/uploads/").raise_for_status().headers["location"]
    return where if where.startswith("http") else peer.url + where


def client(peer: Peer) -> httpx2.Client:
    import ssl

    trust = ssl.create_default_context(cafile=str(peer.ca))
    return httpx2.Client(base_url=peer.url, headers=peer.headers(peer.push_token), verify=trust, timeout=60)


def ab(peer: Peer, url: str, requests: int, extra: list[str]) -> None:
    headers = [part for key, value in peer.headers(peer.pull_token).items() for part in ("-H", f"{key}: {value}")]
    done = subprocess.run(
        ["ab", "-q", "-k", "-c", "16", "-n", str(requests), *extra, "-H", f"Accept: {MANIFEST}", *headers, url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    if "Non-2xx" in done.stdout or "Failed requests:        0" not in done.stdout:
        raise RuntimeError(done.stdout)


def curl(peer: Peer, url: str, headers: dict[str, str], *extra: str) -> None:
    lines = [part for key, value in headers.items() for part in ("-H", f"{key}: {value}")]
    subprocess.run(
        ["curl", "-sSf", "--cacert", str(peer.ca), "-o", os.devnull, "-H", "Expect:", *lines, *extra, url], check=True
    )


@contextmanager
def product(root: Path) -> Iterator[Peer]:
    port = free_port()
    environment = {**os.environ, "PRATIQUE_DATA__DIRECTORY": str(root / "state"), "PRATIQUE_SERVER__PORT": str(port)}
    pratique(environment, "up")
    try:
        tokens = {}
        for role in ("AcrPush", "AcrPull"):
            made = pratique(
                environment, "principal", "create", role.lower(), "--role", role, "--scope", "/registry/bench/",
                "--show-secret", "--output", "json",
            )  # fmt: skip
            tokens[role] = json.loads(made)["secret"]["value"]
        listed = json.loads(pratique(environment, "ps", "--output", "json"))["processes"]
        pids = [each["pid"] for each in listed if each["name"] == "api"]
        ca = root / "state" / "tls" / "ca.pem"
        peer = Peer("ours", f"https://localhost:{port}", lambda: pids, ca)
        peer.push_token = token(peer, "acrpush", tokens["AcrPush"], "pull,push")
        peer.pull_token = token(peer, "acrpull", tokens["AcrPull"], "pull")
        yield peer
    finally:
        pratique(environment, "down")


def token(peer: Peer, name: str, secret: str, actions: str) -> str:
    scopes = [("scope", f"repository:{repository}:{actions}") for repository in (NAME, "bench/layers")]
    with client(peer) as http:
        answer = http.get("/oauth2/token", params=[("service", "registry"), *scopes], auth=(name, secret))
    return str(answer.raise_for_status().json()["access_token"])


def pratique(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pratique", *arguments], env=environment, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


@contextmanager
def distribution(root: Path, ours: Peer) -> Iterator[Peer]:
    """docker-registry with our certificate, so that both sides pay for the same TLS."""
    port = free_port()
    config = root / "distribution.yml"
    keys = ours.ca.parent
    config.write_text(f"""
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}/distribution}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}", tls: {{certificate: {keys}/server.pem, key: {keys}/server.key}}}}
""")
    with (root / "distribution.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
        try:
            peer = Peer("distribution", f"https://localhost:{port}", lambda: [process.pid], ours.ca)
            wait_for(peer)
            yield peer
        finally:
            process.terminate()
            process.wait()


@contextmanager
def bare(ours: Peer) -> Iterator[Peer]:
    """Our HTTP server with an application that forgets what comes."""
    port, keys = free_port(), ours.ca.parent
    script = Path(__file__).with_name("bare.py")
    process = subprocess.Popen([sys.executable, script, str(port), keys / "server.pem", keys / "server.key"])
    try:
        peer = Peer("bare", f"https://localhost:{port}", lambda: [process.pid], ours.ca)
        wait_for(peer)
        yield peer
    finally:
        process.terminate()
        process.wait()


def wait_for(peer: Peer) -> None:
    for _ in range(100):
        try:
            with client(peer) as http:
                http.get("/v2/")
            return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"{peer.name} does not answer")


def write_layout(layout: Path, count: int, mebibytes: int) -> None:
    folder = layout / "blobs" / "sha256"
    folder.mkdir(parents=True)
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    descriptors = []
    for _ in range(count):
        content = os.urandom(mebibytes * MIB)
        descriptors.append(descriptor(content, "application/vnd.oci.image.layer.v1.tar"))
        (folder / sha256(content).hexdigest()).write_bytes(content)
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
        "layers": descriptors,
    }
    manifest = json.dumps(body).encode()
    for content in (config, manifest):
        (folder / sha256(content).hexdigest()).write_bytes(content)
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor(manifest, MANIFEST)]}))


def random_file(path: Path, mebibytes: int) -> str:
    hasher, block = sha256(), os.urandom(MIB)
    with path.open("wb") as out:
        for number in range(mebibytes):
            piece = number.to_bytes(8, "big") + block[8:]
            out.write(piece)
            hasher.update(piece)
    return f"sha256:{hasher.hexdigest()}"


def descriptor(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def digest_of(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_of(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--folder", default=None, help="Where to keep data while it runs; needs five times the blob.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
