"""How the rest of the product asks for keys: one client, over a socket or in the same process."""

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pratique.core.clock import Clock, SystemClock
from pratique.core.errors import Invalid, NotFound, PratiqueError
from pratique.core.keys.errors import KeysUnavailable, KeyUseRefused, SealBroken
from pratique.core.keys.grants import Operation
from pratique.core.keys.types import DecisionEvidence, PublicKey, Purpose, Role, Signature
from pratique.core.keys.wire import FrameInvalid, Reply, Request, frame, receive, reply_of

_ERRORS: dict[str, type[PratiqueError]] = {kind.code: kind for kind in (Invalid, KeyUseRefused, NotFound, SealBroken)}
_POOL = 8
_IMPATIENT = 1.0
_PATH_LIMIT = 100

Exchange = Callable[[Request], Reply]


class Keys:
    """The `KeyClient` of everyone; `exchange` carries a request to where the keys are."""

    def __init__(self, exchange: Exchange, close: Callable[[], None] = lambda: None) -> None:
        self._exchange = exchange
        self._close = close
        self._installation = ""

    def installation(self) -> str:
        """See `KeyClient`; asked once, as it never changes."""
        if not self._installation:
            self._installation = self._ask(Request(Operation.INSTALLATION)).text
        return self._installation

    def sign(self, purpose: str, message: bytes, *, key_id: str | None = None) -> Signature:
        """See `KeyClient`."""
        reply = self._ask(Request(Operation.SIGN, purpose, message, key_id))
        return Signature(reply.text, reply.data)

    def sign_approval(self, statement: bytes, evidence: DecisionEvidence) -> Signature:
        """See `KeyClient`."""
        request = Request(
            Operation.SIGN_APPROVAL,
            Purpose.APPROVAL,
            statement,
            decision_id=evidence.decision_id,
            digest=evidence.digest,
        )
        reply = self._ask(request)
        return Signature(reply.text, reply.data)

    def public_keys(self, purpose: str) -> Sequence[PublicKey]:
        """See `KeyClient`."""
        reply = self._ask(Request(Operation.PUBLIC_KEYS, purpose))
        return tuple(PublicKey(jwk["kid"], jwk) for jwk in reply.keys)

    def hmac(self, purpose: str, data: bytes) -> bytes:
        """See `KeyClient`."""
        return self._ask(Request(Operation.HMAC, purpose, data)).data

    def unwrap(self, name: str) -> bytes:
        """See `KeyClient`."""
        return self._ask(Request(Operation.UNWRAP, name)).data

    def data_key(self, name: str, key_id: str = "") -> tuple[str, bytes]:
        """See `KeyClient`."""
        reply = self._ask(Request(Operation.UNWRAP, name, key_id=key_id or None))
        return reply.text, reply.data

    def authority(self, names: Sequence[str] = ()) -> bytes:
        """See `KeyClient`."""
        operation = Operation.RENEW_AUTHORITY if names else Operation.AUTHORITY
        return self._ask(Request(operation, Purpose.CA, names=list(names))).data

    def issue_certificate(self, csr_pem: bytes, hosts: Sequence[str]) -> bytes:
        """See `KeyClient`."""
        return self._ask(Request(Operation.ISSUE_CERTIFICATE, Purpose.CA, csr_pem, names=list(hosts))).data

    def operator_token(self) -> str:
        """See `KeyClient`."""
        return self._ask(Request(Operation.OPERATOR_TOKEN, Purpose.TOKEN)).text

    def rotate(self, purpose: str) -> str:
        """See `KeyClient`."""
        return self._ask(Request(Operation.ROTATE, purpose)).text

    def discard(self, purpose: str) -> int:
        """See `KeyClient`."""
        return int(self._ask(Request(Operation.DISCARD, purpose)).text)

    def close(self) -> None:
        """End the connections, or let go of the folder."""
        self._close()

    def _ask(self, request: Request) -> Reply:
        reply = self._exchange(request)
        if reply.error:
            raise _ERRORS.get(reply.error, PratiqueError)(reply.message, remedy=reply.remedy)
        return reply


def connect_keys(folder: Path, role: Role, *, patience: float = 0.5) -> Keys:
    """A client of the key process whose sockets are in `folder`; connects when it is first asked.

    A call waits `patience` seconds at most for a key process that is being restarted, then raises KeysUnavailable.
    """
    pool = _Pool(folder / f"{role}.sock", patience)
    return Keys(pool.exchange, pool.close)


def local_keys(
    folder: Path, role: Role = Role.API, *, clock: Clock | None = None, unseal_file: Path | None = None
) -> Keys:
    """A client that holds the keys of `folder` in this process, for tests and for commands without a server."""
    from pratique.core.keys.operations import Operations
    from pratique.core.keys.ring import SealedFile

    file = SealedFile(folder, unseal_file)
    try:
        operations = Operations(file, clock or SystemClock())
    except BaseException:
        file.close()
        raise
    return Keys(lambda request: operations.perform(role, request), file.close)


def wait_for_keys(folder: Path, role: Role, *, within: float) -> Keys:
    """Like `connect_keys`, and returns only when the key process answers; raises KeysUnavailable after `within`."""
    patient = _Pool(folder / f"{role}.sock", within)
    try:
        Keys(patient.exchange).installation()
    finally:
        patient.close()
    return connect_keys(folder, role)


class _Pool:
    """Connections to one socket, each used by one thread at a time; broken ones are replaced."""

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._gone_until = 0.0

    def exchange(self, request: Request) -> Reply:
        message = frame(request)
        # Right after it was waited for in vain nobody waits again: a caller may be an event loop.
        patience = self._patience if time.monotonic() > self._gone_until else 0.0
        deadline = time.monotonic() + patience
        pause = 0.005
        while True:
            try:
                return self._try(message)
            except (OSError, FrameInvalid) as error:
                if time.monotonic() + pause > deadline:
                    self._gone_until = time.monotonic() + _IMPATIENT
                    raise self._unavailable(error) from None
            time.sleep(pause)
            pause = min(pause * 2, 0.1)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _try(self, message: bytes) -> Reply:
        connection = self._take()
        try:
            connection.sendall(message)
            reply = reply_of(receive(connection, rest_within=5.0) or b"")
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)
        return reply

    def _take(self) -> socket.socket:
        with self._lock:
            if self._process != os.getpid():  # a child must not speak over its parent's connections
                self._idle, self._process = [], os.getpid()
            if self._idle:
                return self._idle.pop()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.settimeout(5.0)
            with reachable(self._path) as address:
                connection.connect(address)
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_back(self, connection: socket.socket) -> None:
        with self._lock:
            if len(self._idle) < _POOL:
                self._idle.append(connection)
                return
        connection.close()

    def _unavailable(self, error: Exception) -> KeysUnavailable:
        if isinstance(error, PermissionError):
            return KeysUnavailable(
                f"{self._path} may not be opened by this account.",
                remedy="Run the command as the account that runs Pratique.",
            )
        return KeysUnavailable("The key process does not answer.", remedy="See pratique doctor; it restarts by itself.")


class reachable:  # noqa: N801 - reads as a word in a with statement
    """An address for a socket whose path may be longer than the 107 bytes that the kernel takes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = -1

    def __enter__(self) -> str:
        text = str(self._path)
        if len(os.fsencode(text)) < _PATH_LIMIT:
            return text
        self._folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._folder}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        if self._folder >= 0:
            os.close(self._folder)
