"""The one way out for addresses that people or other servers name: webhooks, upstreams, discovery documents."""

from pratique.core.outward.addresses import OutwardRules
from pratique.core.outward.client import Answer, Bounds, Document, OutwardClient
from pratique.core.outward.errors import OutwardRefused, OutwardUnavailable
from pratique.core.settings.ground import Outward

__all__ = [
    "Answer",
    "Bounds",
    "Document",
    "OutwardClient",
    "OutwardRefused",
    "OutwardRules",
    "OutwardUnavailable",
    "create_outward",
]


def create_outward(settings: Outward, *, keep: int = 4) -> OutwardClient:
    """Return a client under the rules that are set."""
    return OutwardClient(OutwardRules.of(settings.private, settings.plain), ca=settings.ca, keep=keep)
