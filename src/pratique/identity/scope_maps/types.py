"""Values of scope maps: `repositories/team/*/content/read` and what it means in scopes, roles and conditions.

Form and system maps: MicrosoftDocs/azure-docs, articles/container-registry/container-registry-token-based-
repository-permissions.md. A `*` stands at the end of a name only and crosses slashes; without one a rule speaks of that
very repository, and not of those below it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self

from pratique.core.errors import Invalid
from pratique.core.permissions import Permission, Scope
from pratique.identity.azure_actions import REGISTRY, REPOSITORY_NAME, permissions_of
from pratique.identity.types import Credential, Principal

ACTIONS = ("content/delete", "content/read", "content/write", "metadata/read", "metadata/write")
MAX_RULES = 200
Password = Literal["password1", "password2"]
PASSWORDS: tuple[Password, ...] = ("password1", "password2")

_RULE = re.compile(
    r"repositories/(?P<name>[a-z0-9][a-z0-9._/-]{0,253}\*?|\*)/(?P<action>(?:content|metadata)/[a-z]+)", re.ASCII
)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,48}[a-z0-9])", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One action on one repository, or on all whose names begin so."""

    target: str
    action: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `repositories/NAME/content/read`, or raise Invalid."""
        found = _RULE.fullmatch(text)
        if found is None or found["action"] not in ACTIONS:
            raise Invalid(
                f"{text[:160]!r} is no action of a scope map.",
                remedy=f"Write repositories/NAME/ACTION, where NAME may end with * and ACTION is {', '.join(ACTIONS)}.",
            )
        rule = cls(found["name"], found["action"])
        rule.scope()  # refuses names that no repository can have
        return rule

    def scope(self) -> Scope:
        """The place that holds all that it speaks of."""
        name = self.target.rpartition("/")[0] if self.target.endswith("*") else self.target
        return Scope.parse(f"/registry/{name}" if name else "/registry")

    def __str__(self) -> str:
        return f"repositories/{self.target}/{self.action}"


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """What rules come to: these actions at this scope, on the repositories that the condition names."""

    scope: Scope
    actions: tuple[str, ...]
    condition: str = ""

    @property
    def data_actions(self) -> tuple[str, ...]:
        """In Azure's spelling."""
        return tuple(f"{REGISTRY}/repositories/{action}" for action in self.actions)

    @property
    def permissions(self) -> frozenset[Permission]:
        return frozenset[Permission]().union(*(permissions_of(action, data=True) for action in self.data_actions))


@dataclass(frozen=True, slots=True)
class ScopeMap:
    """A named list of rules; the system's own are code."""

    id: str
    name: str
    description: str
    rules: tuple[Rule, ...]
    system: bool = False
    created_at: int = 0

    @property
    def grants(self) -> tuple[Grant, ...]:
        return grants_of(self.rules)


@dataclass(frozen=True, slots=True)
class RegistryToken:
    """A principal whose rights are those of a scope map, with up to two passwords."""

    principal: Principal
    scope_map: ScopeMap
    passwords: tuple[Credential, ...]


def parse_rules(texts: Iterable[str]) -> tuple[Rule, ...]:
    """Read rules, each kept once; raises Invalid for none, for too many, or for one that cannot be read."""
    rules = tuple(sorted({Rule.parse(text) for text in texts}))
    if not 0 < len(rules) <= MAX_RULES:
        raise Invalid(
            f"A scope map has 1 to {MAX_RULES} actions.", remedy="Use names that end with *, or several maps."
        )
    return rules


def is_name(text: str) -> bool:
    """Whether a scope map of an installation can have this name; ids look like names too."""
    return _NAME.fullmatch(text) is not None


def parse_name(text: str) -> str:
    """Return a name for a scope map, or raise Invalid; names that begin with _ are the system's."""
    if not is_name(text):
        raise Invalid(
            f"{text[:80]!r} is not a name for a scope map.",
            remedy="Use 2 to 50 of a-z, 0-9 and . _ - ; begin and end with a letter or digit.",
        )
    return text


def grants_of(rules: Iterable[Rule]) -> tuple[Grant, ...]:
    """Join rules to as few grants as say the same: one for each place and set of actions."""
    actions: defaultdict[str, set[str]] = defaultdict(set)
    scopes: dict[str, Scope] = {}
    for rule in rules:
        actions[rule.target].add(rule.action)
        scopes[rule.target] = rule.scope()
    joined: defaultdict[tuple[Scope, tuple[str, ...]], list[str]] = defaultdict(list)
    for target, several in actions.items():
        joined[scopes[target], tuple(sorted(several))].append(target)
    return tuple(sorted(Grant(scope, several, _condition(names)) for (scope, several), names in joined.items()))


def _condition(targets: list[str]) -> str:
    if "*" in targets:
        return ""
    exact = [name for name in targets if not name.endswith("*")]
    begins = [name[:-1] for name in targets if name.endswith("*")]
    parts = [_comparison(kind, names) for kind, names in (("Equals", exact), ("StartsWith", begins)) if names]
    return " OR ".join(parts)


def _comparison(kind: str, names: list[str]) -> str:
    values = ", ".join(f"'{name}'" for name in sorted(names))
    return f"(@Request[{REPOSITORY_NAME}] ForAnyOfAnyValues:String{kind} {{{values}}})"


def _system(number: int, name: str, description: str, *actions: str) -> ScopeMap:
    rules = tuple(sorted(Rule("*", action) for action in actions))
    return ScopeMap(f"00000000-0000-7000-8100-{number:012d}", name, description, rules, system=True)


_READ, _WRITE = ("content/read",), ("content/read", "content/write")
SYSTEM_MAPS: tuple[ScopeMap, ...] = (
    _system(1, "_repositories_admin", "Read, write and delete in every repository.", *ACTIONS),
    _system(2, "_repositories_pull", "Pull from every repository.", *_READ),
    _system(
        3, "_repositories_pull_metadata_read", "Pull from every repository, and see tags.", *_READ, "metadata/read"
    ),
    _system(4, "_repositories_push", "Push to every repository, and pull.", *_WRITE),
    _system(
        5,
        "_repositories_push_metadata_write",
        "Push to every repository, pull, and change attributes.",
        *_WRITE,
        "metadata/read",
        "metadata/write",
    ),
)
