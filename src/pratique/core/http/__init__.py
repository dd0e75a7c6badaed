"""The one HTTP pipeline: request id, limits, authentication, host routing, errors, audit, metrics."""

from pratique.core.http.plane import Authenticator, ErrorShape, Plane, caller_of, request_id_of

__all__ = ["Authenticator", "ErrorShape", "Plane", "caller_of", "request_id_of"]
