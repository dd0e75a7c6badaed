"""Addresses of pages, and which addresses a form may lead to."""

from urllib.parse import quote, urlencode

from pratique.recommendations.types import RecommendationFilter, Sort

START = "/recommendations"


def image(repository: str, digest: str) -> str:
    """Return the address of an image page: the one that a refused pull names."""
    return f"/r/{quote(repository)}/-/{quote(digest, safe=':')}"


def safe_next(wanted: str) -> str:
    """Return a path on this host, or the start page for anything that a browser could take for another place."""
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted and " " not in wanted
    if not plain or not wanted.startswith("/") or wanted.startswith(("//", "/sign-")):
        return START
    return wanted[:2000]


def query(wanted: RecommendationFilter, **changes: str) -> str:
    """Return the address of a list: every filter that is set is in it, in one order."""
    fields: list[tuple[str, str]] = [
        ("q", wanted.search),
        ("repository", wanted.repository),
        *(("severity", severity.value) for severity in wanted.severity),
        ("exploited", _flag(wanted.exploited)),
        ("fixable", _flag(wanted.fixable)),
        *(("kind", kind.value) for kind in wanted.kind),
        ("state", wanted.state.value if wanted.state else ""),
        ("owner", wanted.owner),
        ("sort", wanted.sort.value if wanted.sort is not Sort.RISK else ""),
        ("limit", "" if wanted.limit == RecommendationFilter().limit else str(wanted.limit)),
        *changes.items(),
    ]
    text = urlencode([(name, value) for name, value in fields if value])
    return f"{START}?{text}" if text else START


def _flag(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def with_query(path: str, **fields: str) -> str:
    """Return a path of this console with the fields that are set."""
    text = urlencode([(name, value) for name, value in fields.items() if value])
    return f"{quote(path, safe='/:')}?{text}" if text else quote(path, safe="/:")
