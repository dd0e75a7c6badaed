"""The one HTTP pipeline: request id, limits, authentication, host routing, errors, audit, metrics."""

from pratique.core.http.plane import (
    AsgiApp,
    Authenticator,
    ErrorAnswer,
    ErrorShape,
    HttpScope,
    Plane,
    Receive,
    Send,
    caller_of,
    request_id_of,
    threads_of,
)

__all__ = [
    "AsgiApp",
    "Authenticator",
    "ErrorAnswer",
    "ErrorShape",
    "HttpScope",
    "Plane",
    "Receive",
    "Send",
    "caller_of",
    "request_id_of",
    "threads_of",
]
