"""The least application under our server: takes a body, forgets it, answers 201. `bare.py PORT CERTIFICATE KEY`.

What an upload costs here is the server's part of every upload: no plane, no hash, no disk.
"""

import sys
from pathlib import Path
from typing import Any

from pratique.core.http.server import Server, TlsFiles


class Bare:
    """As much of a pipeline as the server asks for."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def begin_stop(self) -> None:
        """Nothing is held."""

    async def abandon(self, seconds: float) -> None:
        """Nothing goes on."""

    def close(self) -> None:
        """Nothing is open."""


def main() -> None:
    port, certificate, key = sys.argv[1:4]
    application: Any = Bare()
    Server(application, port=int(port), tls=TlsFiles(Path(certificate), Path(key))).run()


if __name__ == "__main__":
    main()
