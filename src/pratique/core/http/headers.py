"""Headers of the data planes: what a browser must never do with bytes that somebody pushed."""

_DATA_PLANE = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# An event stream is read by scripts of the same origin and shown by no browser.
_SAFE = frozenset(
    {
        b"application/json",
        b"application/octet-stream",
        b"application/problem+json",
        b"text/event-stream",
        b"text/plain",
    }
)
_SAFE_PREFIXES = (b"application/vnd.oci.", b"application/vnd.docker.")
_FALLBACK = b"application/octet-stream"


def data_plane_headers() -> list[tuple[bytes, bytes]]:
    """Return the headers of every data-plane answer."""
    return list(_DATA_PLANE)


def safe_media_type(headers: list[tuple[bytes, bytes]]) -> None:
    """Replace a content type outside the allow-list by application/octet-stream, in place."""
    for index, (name, value) in enumerate(headers):
        if name == b"content-type":
            base = value.partition(b";")[0].strip().lower()
            if base not in _SAFE and not base.startswith(_SAFE_PREFIXES):
                headers[index] = (name, _FALLBACK)
            return
