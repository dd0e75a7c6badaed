"""What encryption at rest costs per GiB of blob: CPU seconds of the store alone, and of a server over TLS, both ways.

    python benchmarks/encryption.py [--size MIB]

Prints ratios of one run: encrypted against plain. A plain blob of one segment is handed to the kernel; an encrypted one
goes through the process, which is most of the difference of a GET.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.core.blobs.conftest import BlobKeys
from tests.tls_server import Authority

from pratique.core.blobs.local import LocalBlobStore
from pratique.core.blobs.sealed import SealedBlobStore

PIECE = 1 << 20
FORMAT = "{:<28}{:>10}{:>12}{:>8}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="MiB of the blob")
    parser.add_argument("--serve", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve)
        return
    print(FORMAT.format("CPU s per GiB", "plain", "encrypted", "ratio"))
    with tempfile.TemporaryDirectory() as folder:
        measure_store(Path(folder), options.size)
        measure_server(Path(folder), options.size)


def measure_store(folder: Path, size: int) -> None:
    content = os.urandom(PIECE)
    costs = []
    for sealed in (False, True):
        store = SealedBlobStore(LocalBlobStore(folder / f"store-{sealed}"), BlobKeys(), writes=sealed)
        writer = store.create()
        written = cpu_of(lambda: [writer.write(content) for _ in range(size)])  # noqa: B023  called at once
        writer.commit()
        read = cpu_of(lambda: sum(map(len, store.read_span(writer.span, 0, size * PIECE))))  # noqa: B023
        costs.append((written, read))
    report("store, write", costs[0][0], costs[1][0], size)
    report("store, read", costs[0][1], costs[1][1], size)


def measure_server(folder: Path, size: int) -> None:
    authority = Authority(folder)
    certificate, key = authority.issue("localhost")
    blob = folder / "blob"
    with blob.open("wb") as stream:
        for _ in range(size):
            stream.write(os.urandom(PIECE))
    with blob.open("rb") as stream:
        digest = "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()
    costs = []
    for sealed in ("plain", "sealed"):
        state = folder / sealed
        state.mkdir()
        arguments = [sys.executable, __file__, "--serve", str(state), sealed, str(certificate), str(key)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None  # noqa: S101  asked for above
            base = f"https://localhost:{int(child.stdout.readline())}/v2/team/app/blobs"
            put = cpu_of(lambda: upload(base, blob, digest, authority.path), child.pid)  # noqa: B023
            get = cpu_of(lambda: curl(authority.path, "-o", os.devnull, f"{base}/{digest}"), child.pid)  # noqa: B023
            child.terminate()
        costs.append((put, get))
    report("server, PUT (HTTP/1, TLS)", costs[0][0], costs[1][0], size)
    report("server, GET (HTTP/1, TLS)", costs[0][1], costs[1][1], size)


def upload(base: str, blob: Path, digest: str, authority: Path) -> None:
    heads = curl(authority, "-D-", "-o", os.devnull, "-X", "POST", f"{base}/uploads/")
    place = next(line.split(": ", 1)[1].strip() for line in heads.splitlines() if line.lower().startswith("location"))
    curl(authority, "-o", os.devnull, "-T", str(blob), f"{base.partition('/v2/')[0]}{place}?digest={digest}")


def curl(authority: Path, *arguments: str) -> str:
    command = ["curl", "-fsS", "--http1.1", "--cacert", str(authority), "-H", "Authorization: Bearer pusher"]
    return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout


def cpu_of(action: Callable[[], object], process: int | None = None) -> float:
    before = _cpu(process)
    action()
    return _cpu(process) - before


def _cpu(process: int | None) -> float:
    if process is None:
        return time.process_time()
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(name: str, plain: float, sealed: float, size: int) -> None:
    per_gib = 1024 / size
    print(FORMAT.format(name, f"{plain * per_gib:.2f}", f"{sealed * per_gib:.2f}", f"{sealed / plain:.2f}"))


def serve(folder: str, sealed: str, certificate: str, key: str) -> None:
    from tests.registry.parties import CountingAudit, NameAuthenticator, RuleAuthorizer

    import pratique.migrations.tables  # noqa: F401  every table
    from pratique.core.database import create_schema, open_database
    from pratique.core.events import EventBus
    from pratique.core.http.hosts import HostRules
    from pratique.core.http.pipeline import Pipeline
    from pratique.core.http.server import Server, TlsFiles
    from pratique.core.jobs import JobHandlers, JobQueue
    from pratique.core.settings.schema import Registry
    from pratique.registry.assembly import create_registry

    database = open_database(f"sqlite:///{folder}/pratique.db")
    create_schema(database)
    parts = create_registry(
        settings=replace(Registry()),
        database=database,
        store=SealedBlobStore(LocalBlobStore(Path(folder) / "blobs"), BlobKeys(), writes=sealed == "sealed"),
        events=EventBus(JobQueue(), JobHandlers()),
        authorizer=RuleAuthorizer(),
        authenticator=NameAuthenticator(),
        audit=CountingAudit(),
    )
    pipeline = Pipeline([parts.plane], HostRules(), log_requests=False)
    server = Server(pipeline, port=0, tls=TlsFiles(Path(certificate), Path(key)), drain=1.0)
    server.bind()
    print(server.port, flush=True)
    server.run()


if __name__ == "__main__":
    main()
