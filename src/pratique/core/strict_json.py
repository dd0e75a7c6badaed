"""JSON as hostile text: what two readers could take differently is refused. Pure."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from pratique.core.errors import Invalid

MAX_DEPTH = 32


class NotStrictJson(Invalid):
    """The text is no JSON that every reader takes alike."""

    code = "not-strict-json"


def parse(content: bytes, *, what: str = "the document", depth: int = MAX_DEPTH) -> Any:
    """Return the value: UTF-8, no name twice in an object, no NaN or infinity, at most `depth` levels (RFC 8259, 4).

    Raises NotStrictJson, which names `what`.
    """
    try:
        value = json.loads(content.decode(), object_pairs_hook=_unique, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise NotStrictJson(f"{what} is not JSON that every reader takes alike", remedy=str(error)[:200]) from None
    if _deeper_than(value, depth):
        raise NotStrictJson(f"{what} is nested deeper than {depth} levels")
    return value


def parse_object(content: bytes, *, what: str = "the document", depth: int = MAX_DEPTH) -> Mapping[str, Any]:
    """Return the object, as `parse` does; any other value raises NotStrictJson."""
    value = parse(content, what=what, depth=depth)
    if not isinstance(value, dict):
        raise NotStrictJson(f"{what} is no JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return value


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
