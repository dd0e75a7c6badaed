"""Tags by pattern and repositories by prefix, as every rule about tags names them."""

import re
from functools import lru_cache

from pratique.core.errors import Invalid
from pratique.registry.types import RepositoryName

_PATTERNS = re.compile(r"[A-Za-z0-9_.*?-]{1,128}(?:,[A-Za-z0-9_.*?-]{1,128}){0,19}")


def parse_prefix(text: str) -> str:
    """Return the prefix without slashes at its ends; raises Invalid for what no repository can lie below."""
    prefix = text.strip("/")
    if prefix:
        RepositoryName.parse(prefix)
    return prefix


def check_patterns(patterns: str) -> str:
    """Return the patterns, or raise Invalid."""
    if not _PATTERNS.fullmatch(patterns):
        raise Invalid("these are no tag patterns", remedy="write up to 20, separated by commas: v*,stable")
    return patterns


def matches(patterns: str, tag: str) -> bool:
    """True when one of the patterns is that of the tag."""
    return _expression(patterns).fullmatch(tag) is not None


def prefixes_of(repository: str) -> list[str]:
    """Every prefix that covers a repository: '', team, team/app."""
    parts = repository.split("/")
    return ["", *("/".join(parts[: number + 1]) for number in range(len(parts)))]


@lru_cache(maxsize=1024)
def _expression(patterns: str) -> re.Pattern[str]:
    """`*` is any characters and `?` is one; several stars in a row are one, so that no tag makes it slow."""
    plain = (re.escape(re.sub(r"\*+", "*", one)) for one in patterns.split(","))
    return re.compile("|".join(one.replace(r"\*", ".*").replace(r"\?", ".") for one in plain))
