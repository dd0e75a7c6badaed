"""Conditions of assignments: Azure's text form, limited to what can be told exactly about a repository.

    ((!(ActionMatches{'Microsoft.ContainerRegistry/registries/repositories/content/read'}))
     OR (@Request[Microsoft.ContainerRegistry/registries/repositories:name] StringStartsWith 'team/'))

Grammar: MicrosoftDocs/azure-docs, articles/role-based-access-control/conditions-format.md. Anything else is refused
when it is written, so that no condition means less than its author thinks. A request that names no repository makes a
comparison unknown; unknown allows nothing, and denies.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

from pratique.core.errors import Invalid
from pratique.core.permissions import NamePattern, Permission, Scope
from pratique.identity.azure_actions import REPOSITORY_NAME, matches, repository_actions
from pratique.identity.wildcards import fits

MAX_LENGTH = 8192
_MAX_DEPTH = 30
_MAX_PARTS = 400

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<attribute>@\w+\[[^\[\]]*\])|(?P<sign>&&|\|\||[!(){},])|(?P<word>[\w:]+))"
)
_COMPARISONS = {
    f"string{negation}{kind}{case}": (kind, bool(negation), bool(case))
    for kind in ("equals", "startswith", "like")
    for negation in ("", "not")
    for case in ("", "ignorecase")
}
_VALUE = re.compile(r"[a-z0-9._/*?-]{1,255}")
_ANY_OF = "foranyofanyvalues:"


class Part(Protocol):
    """One part of a condition; answers in three values, None for unknown."""

    def holds(self, permission: Permission, name: str | None) -> bool | None: ...


@dataclass(frozen=True, slots=True)
class _Action:
    pattern: str

    def holds(self, permission: Permission, _name: str | None) -> bool:
        return any(matches(self.pattern, action) for action in repository_actions(permission))


@dataclass(frozen=True, slots=True)
class _Name:
    kind: str
    value: str
    negated: bool

    def holds(self, _permission: Permission, name: str | None) -> bool | None:
        if name is None:
            return None
        return self._fits(name) is not self.negated

    def _fits(self, name: str) -> bool:
        if self.kind == "equals":
            return name == self.value
        if self.kind == "startswith":
            return name.startswith(self.value)
        return fits(self.value, name, question=True)


@dataclass(frozen=True, slots=True)
class _Not:
    part: Part

    def holds(self, permission: Permission, name: str | None) -> bool | None:
        held = self.part.holds(permission, name)
        return None if held is None else not held


@dataclass(frozen=True, slots=True)
class _Joined:
    """Parts joined by `and` (one False decides) or by `or` (one True decides); unknown wins over the rest."""

    kind: Literal["and", "or"]
    parts: tuple[Part, ...]

    def holds(self, permission: Permission, name: str | None) -> bool | None:
        decides = self.kind == "or"
        unknown = False
        for part in self.parts:
            held = part.holds(permission, name)
            if held is decides:
                return decides
            unknown = unknown or held is None
        return None if unknown else not decides


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was read; its text is kept as it was written."""

    text: str
    root: Part

    def allows(self, permission: Permission, scope: Scope) -> bool:
        """True when it certainly holds."""
        return self.root.holds(permission, repository_of(scope)) is True

    def denies(self, permission: Permission, scope: Scope) -> bool:
        """True unless it certainly does not hold."""
        return self.root.holds(permission, repository_of(scope)) is not False

    def names(self, permission: Permission, scope: Scope) -> tuple[NamePattern, ...] | None:
        """Names below a scope for which it certainly holds, as lists can filter them; None for every place.

        Where a condition cannot be said as names and beginnings of names, lists show less than is allowed, never more.
        """
        reach = _reach(self.root, permission)
        return None if reach is None else tuple(NamePattern(scope, text, exact) for text, exact in sorted(reach))


def repository_of(scope: Scope) -> str | None:
    """The name of the repository that a scope stands for, or None."""
    return "/".join(scope.segments[1:]) if scope.segments[:1] == ("registry",) and scope.segments[1:] else None


@lru_cache(maxsize=4096)
def parse(text: str) -> Condition:
    """Read a condition, or raise Invalid saying where it cannot be read."""
    if len(text) > MAX_LENGTH:
        raise _invalid("it is too long", f"Stay below {MAX_LENGTH} characters.")
    reader = _Reader(text)
    root = reader.disjunction(0)
    reader.end()
    return Condition(text, root)


class _Reader:
    """Reads by recursive descent; AND binds closer than OR."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._parts = 0

    def disjunction(self, depth: int) -> Part:
        return self._joined("or", ("or", "||"), depth)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._unexpected()

    def _conjunction(self, depth: int) -> Part:
        return self._joined("and", ("and", "&&"), depth)

    def _joined(self, kind: Literal["and", "or"], words: tuple[str, str], depth: int) -> Part:
        below = self._conjunction if kind == "or" else self._unary
        parts = [below(depth)]
        while self._peek() in words:
            self._at += 1
            parts.append(below(depth))
        return parts[0] if len(parts) == 1 else _Joined(kind, tuple(parts))

    def _unary(self, depth: int) -> Part:
        self._parts += 1
        if depth > _MAX_DEPTH or self._parts > _MAX_PARTS:
            raise _invalid("it is nested too deep or has too many parts", "Make several assignments of it.")
        word = self._next()
        if word in ("!", "not"):
            return _Not(self._unary(depth + 1))
        if word == "(":
            inside = self.disjunction(depth + 1)
            self._expect(")")
            return inside
        if word == "actionmatches":
            return self._action()
        if word.startswith("@"):
            return self._comparison(word)
        self._at -= 1
        raise self._unexpected()

    def _action(self) -> Part:
        self._expect("{")
        pattern = self._text()
        self._expect("}")
        return _Action(pattern)

    def _comparison(self, attribute: str) -> Part:
        if attribute != f"@request[{REPOSITORY_NAME.lower()}]":
            raise _invalid(f"{attribute[:120]} is not known here", f"Write @Request[{REPOSITORY_NAME}].")
        word = self._next()
        several = word.startswith(_ANY_OF)
        found = _COMPARISONS.get(word.removeprefix(_ANY_OF))
        if found is None:
            self._at -= 1
            raise self._unexpected()
        kind, negated, folded = found
        if several and negated:
            raise _invalid("a negated comparison with several values is unclear", "Write one comparison for each.")
        values = self._values() if several else [self._text()]
        parts = tuple(_Name(kind, _value(value, kind, folded=folded), negated) for value in values)
        return parts[0] if len(parts) == 1 else _Joined("or", parts)

    def _values(self) -> list[str]:
        self._expect("{")
        values = [self._text()]
        while self._peek() == ",":
            self._at += 1
            values.append(self._text())
        self._expect("}")
        return values

    def _text(self) -> str:
        if not self._peek().startswith("'"):
            raise self._unexpected()
        self._at += 1
        return self._tokens[self._at - 1][1:-1].replace("''", "'")

    def _peek(self) -> str:
        token = self._tokens[self._at] if self._at < len(self._tokens) else ""
        return token if token.startswith("'") else token.lower()

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _expect(self, sign: str) -> None:
        if self._peek() != sign:
            raise self._unexpected()
        self._at += 1

    def _unexpected(self) -> Invalid:
        token = self._tokens[self._at][:80] if self._at < len(self._tokens) else "its end"
        return _invalid(f"{token} is not expected there", "See docs/reference/azure-actions.md for the form.")


def _tokens(text: str) -> Iterator[str]:
    at, text = 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _invalid(f"{text[at : at + 20]!r} cannot be read", "Quote values with ' and ASCII.")
        at = found.end()
        yield found.group().strip()


def _value(value: str, kind: str, *, folded: bool) -> str:
    """Return a value as names are compared with it; one that no name can ever fit is refused rather than ignored."""
    plain = value.lower() if folded and value.isascii() else value
    if not _VALUE.fullmatch(plain) or (kind != "like" and set(plain) & set("*?")):
        raise _invalid(
            f"no repository is named like {value[:80]!r}",
            "Names have lower-case letters, digits and . _ - /; * and ? stand for others in StringLike only.",
        )
    return plain


def _invalid(why: str, remedy: str) -> Invalid:
    return Invalid(f"The condition cannot be used: {why}.", remedy=remedy)


_Reach = frozenset[tuple[str, bool]] | None
"""Names (True) and beginnings of names (False); None for every place."""
_NOWHERE: frozenset[tuple[str, bool]] = frozenset()


def _reach(part: Part, permission: Permission) -> _Reach:
    if isinstance(part, _Name):
        return _reach_of_name(part)
    if isinstance(part, _Joined):
        reaches = [_reach(one, permission) for one in part.parts]
        if part.kind == "or":
            return None if None in reaches else _NOWHERE.union(*(reach for reach in reaches if reach is not None))
        joined: _Reach = None
        for reach in reaches:
            joined = reach if joined is None else _both(joined, reach)
        return joined
    return None if part.holds(permission, None) is True else _NOWHERE


def _reach_of_name(part: _Name) -> _Reach:
    if part.negated:
        return _NOWHERE
    if part.kind == "equals":
        return frozenset({(part.value, True)})
    if part.kind == "startswith":
        return frozenset({(part.value, False)})
    begin = part.value.rstrip("*")
    if set(begin) & set("*?"):
        return _NOWHERE
    return frozenset({(begin, begin == part.value)})


def _both(one: frozenset[tuple[str, bool]], other: _Reach) -> frozenset[tuple[str, bool]]:
    if other is None:
        return one
    return _NOWHERE.union(*(_overlap(a, b) for a in one for b in other))


def _overlap(one: tuple[str, bool], other: tuple[str, bool]) -> frozenset[tuple[str, bool]]:
    longer, shorter = (one, other) if len(one[0]) >= len(other[0]) else (other, one)
    fits = longer[0] == shorter[0] if shorter[1] else longer[0].startswith(shorter[0])
    return frozenset({(longer[0], longer[1] or shorter[1])}) if fits else _NOWHERE
