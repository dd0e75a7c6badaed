"""Numbers, times and sizes as people read them. Times are UTC; every filter is pure."""

from datetime import UTC, date, datetime, time

from pratique.core.clock import DAY, HOUR, MINUTE, SECOND

_SPANS = (
    (365 * DAY, "year"),
    (30 * DAY, "month"),
    (DAY, "day"),
    (HOUR, "hour"),
    (MINUTE, "minute"),
)
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
_SHORT = 12


def moment(instant: int) -> datetime:
    return datetime.fromtimestamp(instant / SECOND, tz=UTC)


def iso(instant: int) -> str:
    """Return `2026-11-23T06:41:07Z`, for machines."""
    return moment(instant).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc(instant: int) -> str:
    """Return `2026-11-23 06:41 UTC`."""
    return moment(instant).strftime("%Y-%m-%d %H:%M UTC")


def day(instant: int) -> str:
    """Return `2026-11-23`."""
    return moment(instant).strftime("%Y-%m-%d")


def end_of(text: str) -> int:
    """Return the last microsecond of a day like 2026-11-23; raises ValueError."""
    end = datetime.combine(date.fromisoformat(text), time.max, tzinfo=UTC)
    return int(end.timestamp()) * SECOND + SECOND - 1


def ago(instant: int, now: int) -> str:
    """Return `3 hours ago`, `in 2 days`, or `just now` under a minute."""
    distance = abs(now - instant)
    for span, name in _SPANS:
        if distance >= span:
            whole = distance // span if instant <= now else round(distance / span)
            count = plural(whole, name)
            return f"{count} ago" if instant <= now else f"in {count}"
    return "just now"


def number(value: float) -> str:
    """Return an integer with thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def plural(count: int, one: str, many: str = "") -> str:
    """Return `1 image` or `3 images`."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def percent(value: float) -> str:
    """Return `12 %`, and `<1 %` for less than one."""
    return "<1\N{NO-BREAK SPACE}%" if 0 < value < 0.01 else f"{value * 100:.0f}\N{NO-BREAK SPACE}%"


def size(count: float) -> str:
    """Return bytes in the unit that leaves at most three digits."""
    for unit in _SIZES[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} {_SIZES[-1]}"


def short(digest: str) -> str:
    """Return `sha256:0123456789ab` for a digest, and any other text cut to the same length."""
    algorithm, colon, digits = digest.partition(":")
    return f"{algorithm}{colon}{digits[:_SHORT]}" if colon else digest[:_SHORT]


def clip(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def grouped(secret: str) -> str:
    """Return a key in groups of four, to be typed."""
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))


def sentence(text: str) -> str:
    """Return a text that begins as a sentence does."""
    return text[:1].upper() + text[1:]


def words(value: str) -> str:
    return value.replace("-", " ")


FILTERS = {
    "ago": ago,
    "bytes": size,
    "clip": clip,
    "day": day,
    "grouped": grouped,
    "iso": iso,
    "number": number,
    "percent": percent,
    "plural": plural,
    "sentence": sentence,
    "short": short,
    "utc": utc,
    "words": words,
}
