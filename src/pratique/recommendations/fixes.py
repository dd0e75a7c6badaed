"""Which of several fixed versions repairs everything: the newest, by the order of their own kind of version."""

from collections.abc import Callable, Iterable

from pratique.recommendations.actions import Action, Kind

VersionOrder = Callable[[str, str], bytes]
"""(scheme, version) -> key whose byte order is the order of versions; raises ValueError for what is no version."""

_SCHEMES = {"debian": "deb", "ubuntu": "deb", "alpine": "apk", "almalinux": "rpm", "rocky": "rpm"}


def scheme_of(action: Action) -> str:
    """Return the version scheme of an action: `deb`, `apk`, or the ecosystem itself."""
    return _SCHEMES.get(action.place.partition(":")[0], action.place)


def newest(action: Action, versions: Iterable[str], order: VersionOrder) -> str:
    """Return the version that repairs all; '' where there is none, or where several packages are meant."""
    known = {version for version in versions if version}
    if not known or action.kind is Kind.BASE_UPGRADE:
        return ""
    if len(known) == 1:
        return known.pop()
    scheme = scheme_of(action)
    return max(known, key=lambda version: (_key(order, scheme, version), version))


def _key(order: VersionOrder, scheme: str, version: str) -> bytes:
    try:
        return order(scheme, version)
    except ValueError:
        return b""
