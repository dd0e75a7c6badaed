"""JSON of manifests and configurations, taken as the hostile text that it may be."""

import json
import re
from typing import Any, Final

from pratique.inventory.errors import UnreadableImage

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class _RepeatedKeyError(ValueError):
    """An object gives one key twice."""


def parse(data: bytes, what: str) -> dict[str, Any]:
    """The object in a JSON document. Raises `UnreadableImage`, also for a key given twice: readers differ there."""
    try:
        value = json.loads(data, object_pairs_hook=_once)
    except _RepeatedKeyError as error:
        raise UnreadableImage(f"{what} gives the key {error} twice, of which readers may take either.") from None
    except (ValueError, RecursionError):
        raise UnreadableImage(f"{what} is no JSON.") from None
    if not isinstance(value, dict):
        raise UnreadableImage(f"{what} is no JSON object.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKeyError(repr(next(key for key in keys if keys.count(key) > 1))[:80])
    return value


def as_object(value: Any) -> dict[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The list, or an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """The text, or an empty one."""
    return value if isinstance(value, str) else ""


def as_digest(value: Any, where: str) -> str:
    """A digest in its one spelling. Raises `UnreadableImage` for anything else."""
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise UnreadableImage(f"{where} names a blob by something that is no digest.")
    return value
