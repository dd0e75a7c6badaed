"""What foreign text may keep before it is stored or logged: what is known to be harmless, and no more.

Lists of bad things are never complete, so the rules go the other way: of mappings only named fields survive, of
addresses only the parts that name a place, and in running text every long word that is not of a harmless shape
(a digest, an id, a path, a version, plain words) is masked.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

MASK = "[redacted]"
_LIMIT = 4000
_LONG = 20
_LONGEST_PART = 60

SAFE_HEADERS = frozenset(
    {
        "accept", "accept-encoding", "content-length", "content-range", "content-type", "date", "docker-content-digest",
        "etag", "host", "if-match", "if-modified-since", "if-none-match", "last-modified", "oci-subject", "range",
        "retry-after", "server", "user-agent", "warning",
    }
)  # fmt: skip
SAFE_QUERY = frozenset(
    {"api-version", "artifacttype", "digest", "from", "last", "limit", "mount", "n", "ns", "orderby", "page", "service",
     "scope", "tag"}
)  # fmt: skip

_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]{1,20}://[^\s\"'<>]+)", re.IGNORECASE)
_SCHEME_WORD = re.compile(
    r"\b(basic|bearer|digest|negotiate|token|aws4-hmac-sha256)(\s+|:\s*)[^\s,;\"']+", re.IGNORECASE
)
_ASSIGNED = re.compile(
    r"""(?ix) \b([\w.-]*(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|auth|credential
    |private[_-]?key|signature|sig|cookie)[\w.-]*) (["']?\s*[=:]\s*) (?!//)
    (?: "[^"]*" | '[^']*' | [^\s"',;&]+ ) """
)
_PEM = re.compile(r"-----BEGIN [^-]+-----.*?(?:-----END [^-]+-----|\Z)", re.DOTALL)
_WORD = re.compile(rf"[A-Za-z0-9_+/=~.$-]{{{_LONG},}}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_HARMLESS = re.compile(
    r"""(?x)
    [0-9a-f]{40} | (?:sha256:)?[0-9a-f]{64} | (?:sha512:)?[0-9a-f]{128}  # commits, digests
    | [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}       # ids
    | [0-9.:TZ+-]+                                                       # versions, times
    """
)
# Words of the parts that paths, names, versions and identifiers are made of. In random text a digit is soon followed by
# a letter and a lone small letter stands between capitals; neither fits. Possessive, so that nothing is tried twice.
_SEPARATORS = re.compile(r"[._/=+~-]+")
_PART = re.compile(
    r"""(?x)
    (?:[A-Z]{0,5}+[a-z]{2,}+[0-9]{0,3}+)++        # words, CamelCase
    | [A-Z]{1,14}[0-9]{0,3}                       # CONSTANTS
    | [0-9]{1,8}[a-z]{0,3}[0-9]{0,3}              # 11u3
    | [a-z]{1,6}[0-9]{1,3}(?:[a-z][0-9]{1,3})?    # deb12u2
    | [A-Za-z]
    """
)


def redact(text: str, *, limit: int = _LIMIT) -> str:
    """Return foreign text as it may be stored: short, without controls, and with whatever could be a secret masked."""
    cut = _PEM.sub(MASK, text[: limit * 2])
    parts = _ADDRESS.split(cut)
    parts[::2] = [_redact_words(part) for part in parts[::2]]
    parts[1::2] = [redact_address(part) for part in parts[1::2]]
    clean = _CONTROL.sub("\ufffd", "".join(parts))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _redact_words(text: str) -> str:
    text = _SCHEME_WORD.sub(lambda found: f"{found.group(1)} {MASK}", text)
    text = _ASSIGNED.sub(lambda found: f"{found.group(1)}{found.group(2)}{MASK}", text)
    return _WORD.sub(lambda found: found.group() if _is_harmless(found.group()) else MASK, text)


def redact_address(address: str) -> str:
    """Return a URL without user, password and fragment; of its query only harmless names keep their values."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
        query = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return MASK
    if ":" in host:
        host = f"[{host}]"
    path = "/".join(part if len(part) < _LONG or _is_harmless(part) else MASK for part in parts.path.split("/"))
    kept = urlencode([(k, v if k.lower() in SAFE_QUERY else MASK) for k, v in query], safe="[]:/,")
    return urlunsplit((parts.scheme, host + port, path, kept, ""))


def redact_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by lower-case name; only the values of harmless ones survive, themselves redacted."""
    return {
        name.lower()[:100]: redact(value, limit=500) if name.lower() in SAFE_HEADERS else MASK
        for name, value in headers
    }


def only(detail: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """Return the named fields of a mapping with their text redacted; everything else is dropped, whatever its type."""
    return {field: _plain(detail[field]) for field in fields if field in detail}


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value[:100]]
    return MASK


def _is_harmless(word: str) -> bool:
    if _HARMLESS.fullmatch(word.strip(".=")):
        return True
    return all(len(part) <= _LONGEST_PART and _PART.fullmatch(part) for part in _SEPARATORS.split(word) if part)
