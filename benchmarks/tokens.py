"""Tokens: CPU of issuing one and of verifying one, beside what OpenSSL needs for the signature alone.

Issuing goes the whole way: form, keyed hash and signature over the socket of a real key process, whose CPU is counted
in. The limit of the design is 1 ms of CPU for each token. Verifying is measured for a token never seen before and for
one that was, each with the look at principal, credential and assignments.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from pratique.core.audit import Audit
from pratique.core.clock import SystemClock
from pratique.core.database import Cursors, Epochs, create_schema, open_database
from pratique.core.keys.client import wait_for_keys
from pratique.core.keys.types import Role
from pratique.core.permissions import OPERATOR, Permission, Scope
from pratique.core.settings import Settings
from pratique.identity import roles
from pratique.identity.service import IdentityService
from pratique.identity.token_requests import TokenRequest
from pratique.identity.types import Audience, PrincipalName

LIMIT = 1000.0
ROUNDS = 2000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        command = [sys.executable, "-m", "pratique.core.keys.process", "--state", folder]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            measure(state, process.pid)
        finally:
            process.terminate()
            process.wait()


def measure(state: Path, key_process: int) -> None:
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
    secret = _principal(identity)
    request = TokenRequest("secret", "builder", secret, ("repository:team/app:pull,push",), "registry")

    async def issue() -> str:
        return (await identity.token_service.issue(request, "192.0.2.1")).access_token

    own = asyncio.new_event_loop()
    made = [own.run_until_complete(issue()) for _ in range(ROUNDS)]
    issuing = _cpu(lambda: [own.run_until_complete(issue()) for _ in range(ROUNDS)], key_process)
    scope = Scope.for_repository("team/app")

    def use(token: str) -> bool:
        caller = identity.tokens.caller(token, Audience.REGISTRY)
        return identity.authorizer.allowed(caller, Permission.REGISTRY_CONTENT_WRITE, scope)

    first = _cpu(lambda: [use(token) for token in made], key_process)
    again = _cpu(lambda: [use(token) for token in made], key_process)
    calls = _cpu(lambda: [keys.hmac("cursor", b"x") for _ in range(ROUNDS)], key_process)
    signing = _signing()
    print(f"issue a token:              {issuing:7.1f} us CPU, {issuing / LIMIT:.2f} of the limit")
    print(f"  OpenSSL, the signature:   {signing:7.1f} us CPU, {issuing / signing:.1f} times that")
    print(f"  one call of the keys:     {calls:7.1f} us CPU on both sides")
    print(f"verify and authorise, new:  {first:7.1f} us CPU")
    print(f"verify and authorise, seen: {again:7.1f} us CPU")
    own.close()
    identity.close()
    database.close()
    keys.close()


def _principal(identity: IdentityService) -> str:
    database, name = identity.database, PrincipalName("builder")
    principal = database.write(lambda tx: identity.principals.create(tx, OPERATOR, name, "service"))
    role, scope = roles.find("AcrPush"), Scope.parse("/registry/team")
    database.write(lambda tx: identity.assignments.create(tx, OPERATOR, principal, role, scope))
    return database.write(lambda tx: identity.principals.add_secret(tx, OPERATOR, principal)).value


def _signing() -> float:
    key, kind = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(hashes.SHA256())
    return _cpu(lambda: [key.sign(b"x" * 400, kind) for _ in range(ROUNDS)], os.getpid())


def _cpu(work: Callable[[], object], other: int) -> float:
    """Microseconds of CPU for one of `ROUNDS`, in this process and in the other."""
    before, beside = time.process_time(), _cpu_of(other)
    work()
    seconds = time.process_time() - before
    if other != os.getpid():
        seconds += _cpu_of(other) - beside
    return seconds / ROUNDS * 1e6


def _cpu_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
