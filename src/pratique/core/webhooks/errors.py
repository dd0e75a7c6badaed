"""Errors of webhooks.

PratiqueError
├── NotFound ── WebhookUnknown
├── Conflict ── WebhookExists
└── Invalid ── WebhookInvalid
"""

from pratique.core.errors import Conflict, Invalid, NotFound


class WebhookUnknown(NotFound):
    code = "webhook-unknown"


class WebhookExists(Conflict):
    code = "webhook-exists"


class WebhookInvalid(Invalid):
    code = "webhook-invalid"
