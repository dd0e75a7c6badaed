"""The token endpoints under the load of Azure's registry client, which exchanges a token for every request it makes.

CPU of one exchange and of one registry token, through the whole pipeline and with the key process counted in, beside
what OpenSSL needs for the one signature in each. The limit of the design is 1 ms of CPU for either.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from pratique.core.audit import Audit
from pratique.core.clock import SystemClock
from pratique.core.database import Cursors, Epochs, create_schema, open_database
from pratique.core.http.hosts import HostRules
from pratique.core.http.pipeline import Pipeline
from pratique.core.http.plane import Plane
from pratique.core.keys.client import wait_for_keys
from pratique.core.keys.types import KeyClient, Role
from pratique.core.permissions import OPERATOR, Scope
from pratique.core.settings import Settings
from pratique.identity import roles
from pratique.identity.service import IdentityService
from pratique.identity.token_endpoint import PREFIXES, token_app, token_error
from pratique.identity.types import PrincipalName

LIMIT = 1000.0
ROUNDS = 2000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pratique.core.keys.process", "--state", folder]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            asyncio.run(measure(Path(folder), process.pid))
        finally:
            process.terminate()
            process.wait()


async def measure(state: Path, key_process: int) -> None:
    keys = wait_for_keys(state / "keys", Role.API, within=20)
    database = open_database(f"sqlite:///{state}/bench.db", hints_directory=state / "hints")
    create_schema(database)
    identity = IdentityService(
        database,
        keys,
        Settings().identity,
        epochs=Epochs(database),
        audit=Audit(database),
        cursors=Cursors(b"c" * 32),
        clock=SystemClock(),
    )
    pipeline = _pipeline(identity, keys)
    secret = _principal(identity)
    entra = {
        "grant_type": "client_credentials",
        "client_id": "builder",
        "client_secret": secret,
        "scope": "https://containerregistry.azure.net/.default",
    }
    access = (await post(pipeline, "/common/oauth2/v2.0/token", entra))["access_token"]
    offered = {"grant_type": "access_token", "service": "localhost", "access_token": access}
    refresh = (await post(pipeline, "/oauth2/exchange", offered))["refresh_token"]
    asked = {
        "grant_type": "refresh_token",
        "service": "localhost",
        "scope": "repository:team/app:pull",
        "refresh_token": refresh,
    }
    figures = {
        "exchange": await _cpu(lambda: post(pipeline, "/oauth2/exchange", offered), key_process),
        "registry token": await _cpu(lambda: post(pipeline, "/oauth2/token", asked), key_process),
        "client secret": await _cpu(lambda: post(pipeline, "/common/oauth2/v2.0/token", entra), key_process),
    }
    signing = _signing()
    print(f"OpenSSL, one ES256 signature: {signing:7.1f} us CPU")
    for name, figure in figures.items():
        share, times = figure / LIMIT, figure / signing
        print(f"{name + ':':29} {figure:7.1f} us CPU, {share:.2f} of the limit, {times:.0f} signatures")
    identity.close()
    database.close()
    keys.close()


def _pipeline(identity: IdentityService, keys: KeyClient) -> Pipeline:
    app = token_app(identity.token_service, keys)
    planes = [Plane("token", ("login",), PREFIXES, app, token_error), identity.machines.plane]
    return Pipeline(planes, HostRules(), log_requests=False)


async def post(pipeline: Pipeline, path: str, form: dict[str, str]) -> dict[str, Any]:
    body = urlencode(form).encode()
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"content-length", str(len(body)).encode()),
        ],
        "client": ("192.0.2.1", 1),
        "server": ("localhost", 443),
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await pipeline(scope, receive, send)
    if sent[0]["status"] != 200:
        raise SystemExit(f"{path}: {sent[0]['status']} {sent[1]['body']!r}")
    answer: dict[str, Any] = msgspec.json.decode(sent[1]["body"])
    return answer


def _principal(identity: IdentityService) -> str:
    database, name = identity.database, PrincipalName("builder")
    principal = database.write(lambda tx: identity.principals.create(tx, OPERATOR, name, "service"))
    role, scope = roles.find("AcrPush"), Scope.parse("/registry/team")
    database.write(lambda tx: identity.assignments.create(tx, OPERATOR, principal, role, scope))
    return database.write(lambda tx: identity.principals.add_secret(tx, OPERATOR, principal)).value


def _signing() -> float:
    key, kind = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(hashes.SHA256())
    before = time.process_time()
    for _ in range(ROUNDS):
        key.sign(b"x" * 400, kind)
    return (time.process_time() - before) / ROUNDS * 1e6


async def _cpu(work: Callable[[], Awaitable[object]], other: int) -> float:
    """Microseconds of CPU for one of `ROUNDS`, in this process and in the key process."""
    await work()
    before, beside = time.process_time(), _cpu_of(other)
    for _ in range(ROUNDS):
        await work()
    return (time.process_time() - before + _cpu_of(other) - beside) / ROUNDS * 1e6


def _cpu_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
