"""Secrets in an image's configuration: variables that its processes get, and build steps that its history tells."""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from pratique.inventory.secrets import checks
from pratique.inventory.secrets.search import digest_of, secrets_in_text
from pratique.inventory.types import ImageFacts

NAMED: Final = "named-secret"
"""The kind of a value that only its name makes a secret."""

_NAME: Final = re.compile(
    r"(?i)(?:password|passwd|secret|token|api_?key|access_?key|private_?key|credentials?)(?:_[a-z0-9]{1,8})?"
)
_ASSIGNED: Final = re.compile(r"(?<![\w$])([A-Za-z][A-Za-z0-9_]{2,64})=[\"']?([^\s\"']{8,512})")
_REFERENCES: Final = ("/", "./", "http://", "https://", "file:", "vault:", "$")
_LONGEST: Final = 16_384


class Configured(NamedTuple):
    """One secret of the configuration; `location` is a JSON pointer, `step` the number of the build step or -1."""

    location: str
    kind: str
    step: int
    fingerprint: str


def configured_secrets(facts: ImageFacts, fingerprint: Callable[[bytes], str]) -> tuple[Configured, ...]:
    """The secrets of environment and history, each once at its place."""
    found = (*_environment(facts), *_history(facts))
    first = {(location, kind): (step, digest) for location, kind, step, digest in reversed(found)}
    return tuple(
        Configured(location, kind, step, fingerprint(digest))
        for (location, kind), (step, digest) in sorted(first.items())
    )


def _environment(facts: ImageFacts) -> Iterator[tuple[str, str, int, bytes]]:
    for name, value in facts.environment:
        shown = "".join(one if one.isprintable() else "?" for one in name[:100]).replace("~", "~0").replace("/", "~1")
        for kind, digest in _in_assignment(name, value[:_LONGEST]):
            yield f"/config/Env/{shown}", kind, -1, digest


def _history(facts: ImageFacts) -> Iterator[tuple[str, str, int, bytes]]:
    for number, step in enumerate(facts.history):
        text = step.created_by[:_LONGEST]
        for found in secrets_in_text(text.encode(errors="replace")):
            yield f"/history/{number}", found.kind, number, found.digest
        for match in _ASSIGNED.finditer(text):
            for kind, digest in _in_assignment(match[1], match[2]):
                if kind == NAMED:
                    yield f"/history/{number}", kind, number, digest


def _in_assignment(name: str, value: str) -> Iterator[tuple[str, bytes]]:
    """What a variable holds: a kind that its value shows, or else one that its name says."""
    raw = value.encode(errors="replace")
    shown = [(found.kind, found.digest) for found in secrets_in_text(f"{name}={value}".encode(errors="replace"))]
    if shown:
        yield from shown
    elif _NAME.search(name) and not name.upper().endswith("_FILE") and _is_secret(value, raw):
        yield NAMED, digest_of(NAMED, raw)


def _is_secret(value: str, raw: bytes) -> bool:
    return (
        len(raw) >= 8 and not value.startswith(_REFERENCES) and checks.is_password(raw) and checks.entropy(raw) >= 2.8
    )
