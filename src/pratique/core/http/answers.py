"""Errors in the words of each plane, and the few answers that every plane gives."""

import html
from collections.abc import Mapping
from typing import Any

import msgspec

from pratique.core.errors import PratiqueError
from pratique.core.http.plane import ErrorAnswer, HttpScope, Send, request_id_of


def problem_json(error: PratiqueError, scope: HttpScope) -> ErrorAnswer:
    """RFC 9457 problem details, for the management API."""
    body: dict[str, Any] = {
        "type": f"urn:pratique:error:{error.code}",
        "title": error.message,
        "status": error.status,
        "code": error.code,
        "remedy": error.remedy,
        "request_id": request_id_of(scope),
    }
    if error.detail:
        body["detail"] = {key: _plain(value) for key, value in error.detail.items()}
    return ErrorAnswer(error.status, retry_header(error, "application/problem+json"), msgspec.json.encode(body))


def html_error(error: PratiqueError, scope: HttpScope) -> ErrorAnswer:
    """A page without scripts that says what happened and what to do."""
    title, remedy = html.escape(error.message), html.escape(error.remedy)
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{error.status}</title>'
        f"<h1>{title}</h1><p>{remedy}</p><p>Request {html.escape(request_id_of(scope))}</p></html>"
    )
    return ErrorAnswer(error.status, retry_header(error, "text/html; charset=utf-8"), page.encode())


def plain_error(error: PratiqueError, scope: HttpScope) -> ErrorAnswer:
    """One line of text; for hosts and paths that belong to no plane."""
    text = f"{error.message}: {error.remedy}" if error.remedy else error.message
    line = f"{text} (request {request_id_of(scope)})\n"
    return ErrorAnswer(error.status, retry_header(error, "text/plain; charset=utf-8"), line.encode())


def retry_header(error: PratiqueError, media_type: str) -> dict[str, str]:
    """Return the content type and, for errors that pass, Retry-After in whole seconds."""
    headers = {"content-type": media_type}
    after = getattr(error, "retry_after", None)
    if after is not None:
        headers["retry-after"] = str(max(1, round(after)))
    return headers


async def answer(
    send: Send, status: int, body: bytes = b"", *, media_type: str = "", headers: Mapping[str, str] | None = None
) -> None:
    """Send one whole answer with its length."""
    lines = [(name.encode(), value.encode("latin-1", "replace")) for name, value in (headers or {}).items()]
    if media_type:
        lines.append((b"content-type", media_type.encode()))
    if status not in (204, 304):
        lines.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def answer_json(
    send: Send,
    status: int,
    value: Any,
    *,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send one JSON answer."""
    await answer(send, status, msgspec.json.encode(value), media_type=media_type, headers=headers)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list | tuple | dict | None) else str(value)
