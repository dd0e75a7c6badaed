"""The planes that every installation has: liveness, readiness with named checks, metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from pratique.core.errors import PratiqueError
from pratique.core.http.answers import answer, answer_json, problem_json
from pratique.core.http.hosts import SHARED
from pratique.core.http.plane import Authenticator, HttpScope, Plane, Receive, Send, caller_of
from pratique.core.permissions import Authorizer, Permission, Scope
from pratique.core.telemetry import METRICS

Check = Callable[[], Awaitable[None]]
CHECK_SECONDS = 5.0


def health_plane(checks: Mapping[str, Check]) -> Plane:
    """Serve /healthz (the process answers) and /readyz (every check passes, or 503 naming those that fail)."""

    async def app(scope: HttpScope, receive: Receive, send: Send) -> None:
        del receive
        if scope["raw_path"] == b"/healthz":
            await answer(send, 200, b"ok\n", media_type="text/plain")
            return
        failures = await run_checks(checks)
        state = "ready" if not failures else "not ready"
        await answer_json(send, 200 if not failures else 503, {"state": state, "failures": failures})

    return Plane("health", (SHARED,), ("/healthz", "/readyz"), app, problem_json, max_body=0, threads=1, log=False)


def metrics_plane(
    authenticator: Authenticator | None,
    authorizer: Authorizer | None,
    collect: Callable[[], Awaitable[None]] | None = None,
) -> Plane:
    """Serve /metrics as Prometheus text to callers that may read metrics; `collect` reads what nobody counts."""

    async def app(scope: HttpScope, receive: Receive, send: Send) -> None:
        del receive
        if authorizer is not None:
            authorizer.require(caller_of(scope), Permission.SYSTEM_METRICS_READ, Scope.root())
        if collect is not None:
            await collect()
        await answer(send, 200, METRICS.render().encode(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return Plane(
        "metrics", (SHARED,), ("/metrics",), app, problem_json, authenticator, max_body=0, threads=1, log=False
    )


async def run_checks(checks: Mapping[str, Check]) -> dict[str, str]:
    """Run every check side by side; return what fails, by name, with what to do."""
    results = await asyncio.gather(*(_outcome(check) for check in checks.values()))
    return {name: text for name, text in zip(checks, results, strict=True) if text}


async def _outcome(check: Check) -> str:
    try:
        await asyncio.wait_for(check(), CHECK_SECONDS)
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except PratiqueError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  readiness reports what is wrong, whatever it is
        return type(error).__name__
    return ""
