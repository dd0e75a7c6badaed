"""The menu: what a caller may look at, in groups that leave room for what is to come."""

from collections.abc import Sequence
from dataclasses import dataclass

from pratique.core.permissions import Authorizer, Caller, Permission


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the menu."""

    name: str
    href: str
    icon: str
    permission: Permission
    current: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Lines under one heading."""

    name: str
    entries: tuple[Entry, ...]


_MENU: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "Images",
        (
            Entry("Recommendations", "/recommendations", "list", Permission.RECOMMENDATIONS_ITEMS_READ),
            Entry("Repositories", "/repositories", "box", Permission.REGISTRY_CATALOG_LIST),
            Entry("Exemptions", "/exemptions", "exempt", Permission.TRUST_EXEMPTIONS_READ),
        ),
    ),
    (
        "Access",
        (
            Entry("People", "/people", "person", Permission.IDENTITY_PRINCIPALS_READ),
            Entry("Principals", "/principals", "box", Permission.IDENTITY_PRINCIPALS_READ),
            Entry("Groups", "/groups", "person", Permission.IDENTITY_GROUPS_READ),
            Entry("Roles", "/roles", "list", Permission.IDENTITY_ASSIGNMENTS_READ),
            Entry("Assignments", "/assignments", "list", Permission.IDENTITY_ASSIGNMENTS_READ),
            Entry("Explain", "/access", "search", Permission.IDENTITY_ASSIGNMENTS_READ),
            Entry("Activation", "/activation", "clock", Permission.IDENTITY_ASSIGNMENTS_READ),
            Entry("Reviews", "/reviews", "good", Permission.IDENTITY_PRINCIPALS_READ),
            Entry("Sessions", "/sessions", "person", Permission.IDENTITY_SESSIONS_READ),
        ),
    ),
    (
        "Content",
        (
            Entry("Collection", "/collections", "box", Permission.REGISTRY_STORAGE_READ),
            Entry("Retention", "/retention", "clock", Permission.REGISTRY_RETENTION_READ),
            Entry("Immutable tags", "/immutability", "exempt", Permission.REGISTRY_RETENTION_READ),
            Entry("Caches", "/caches", "feed", Permission.REGISTRY_CACHES_READ),
            Entry("Webhooks", "/webhooks", "jobs", Permission.REGISTRY_WEBHOOKS_READ),
            Entry("Events", "/events", "list", Permission.REGISTRY_EVENTS_READ),
        ),
    ),
    (
        "System",
        (
            Entry("Advisory data", "/advisories", "feed", Permission.ADVISORIES_FEEDS_READ),
            Entry("Background work", "/jobs", "jobs", Permission.SYSTEM_JOBS_READ),
        ),
    ),
)
_SECTIONS = {
    "/r": "/repositories",
    "/content": "/repositories",
    "/help": "/recommendations",
    "/score": "/recommendations",
}


def menu(authorizer: Authorizer, caller: Caller, path: str) -> Sequence[Group]:
    """Return the groups with at least one line that the caller may use somewhere."""
    section = "/" + path.strip("/").partition("/")[0]
    here = _SECTIONS.get(section, section)
    groups = []
    for name, entries in _MENU:
        allowed = tuple(
            Entry(entry.name, entry.href, entry.icon, entry.permission, current=entry.href == here)
            for entry in entries
            if not authorizer.extent(caller, entry.permission).is_empty
        )
        if allowed:
            groups.append(Group(name, allowed))
    return groups
