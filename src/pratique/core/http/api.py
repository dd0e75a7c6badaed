"""The management API below /api/v1: FastAPI for its OpenAPI, with the errors and callers of the one pipeline."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pratique.core.errors import Invalid, NotFound, PratiqueError
from pratique.core.http.answers import problem_json
from pratique.core.http.management import OPENAPI, PREFIX


class MethodUnknown(Invalid):
    code = "method-not-allowed"
    status = 405


def create_api(routers: Sequence[APIRouter], *, version: str) -> FastAPI:
    """Return the application of all routers; every error leaves it as problem+json."""
    api = FastAPI(
        title="Pratique",
        version=version,
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in routers:
        api.include_router(router, prefix=PREFIX)
    api.add_middleware(WithoutNul)
    api.add_exception_handler(PratiqueError, _answer_error)
    api.add_exception_handler(RequestValidationError, _answer_validation)
    api.add_exception_handler(HTTPException, _answer_http)
    return api


class WithoutNul:
    """Refuses the character NUL in addresses and JSON: no name has it, and PostgreSQL stores no text that does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if b"%00" in scope.get("raw_path", b"") + scope.get("query_string", b""):
            answer = problem_json(_NUL, scope)
            await Response(answer.body, answer.status, dict(answer.headers))(scope, receive, send)
            return
        tail = b""

        async def received() -> Message:
            nonlocal tail
            message = await receive()
            body = tail + message.get("body", b"")
            if b"\\u0000" in body:
                raise HTTPException(400, _NUL.message)
            tail = body[-5:]
            return message

        await self._app(scope, received, send)


_NUL = Invalid("the request holds the character NUL", remedy="leave it out: no text has it")


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PratiqueError)  # noqa: S101  registered for this class only
    answer = problem_json(error, request.scope)
    return Response(answer.body, answer.status, dict(answer.headers))


async def _answer_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class only
    places = [{"place": ".".join(map(str, each["loc"])), "problem": each["msg"]} for each in error.errors()[:20]]
    first: dict[str, Any] = places[0] if places else {"place": "request", "problem": "cannot be read"}
    invalid = Invalid(f"{first['place']}: {first['problem']}", remedy="see the API description", problems=places)
    return await _answer_error(request, invalid)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class only
    if error.status_code == 405:
        return await _answer_error(request, MethodUnknown("this method is not for this resource"))
    if error.status_code == 404:
        return await _answer_error(request, NotFound("there is no such resource", remedy="see the API description"))
    return await _answer_error(request, Invalid(str(error.detail)))
