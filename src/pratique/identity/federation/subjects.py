"""Which tokens of an issuer stand for a principal: exactly one subject, or a pattern that crosses no boundary.

Subjects of Kubernetes, GitHub and GitLab are made of parts between `:` and `/`, and who controls one part must not be
able to reach into the next. So `*` stands for one or more characters of one part, never for a separator, and the parts
that name the owner must be written out. Comparison is by code point: neither case nor Unicode look-alikes match.
"""

import re
from functools import lru_cache
from typing import Literal

from pratique.core.errors import Invalid

Matching = Literal["exact", "wildcard"]

MAX_LENGTH = 600
_PRINTABLE = re.compile(r"[!-~]+")
_SEPARATORS = re.compile(r"([:/])")
_FIXED_PARTS = 2
"""Parts at the head of a pattern without a wildcard: the kind of subject and whose it is."""


def check_subject(subject: str, matching: Matching) -> None:
    """Return, or raise Invalid for a subject that says nothing, is no ASCII, or whose pattern reaches too far."""
    if not subject or len(subject) > MAX_LENGTH or not _PRINTABLE.fullmatch(subject):
        raise Invalid(
            "The subject cannot be read.", remedy=f"Write 1 to {MAX_LENGTH} printable ASCII characters without blanks."
        )
    if "*" not in subject:
        return
    if matching == "exact":
        raise Invalid("The subject holds a * but is compared exactly.", remedy="Ask for wildcard matching, or drop it.")
    parts = _SEPARATORS.split(subject)[::2]
    if len(parts) <= _FIXED_PARTS or any("*" in part for part in parts[:_FIXED_PARTS]):
        raise Invalid(
            "The pattern would match subjects of others.",
            remedy="Write out at least the first two parts, for instance repo:my-team/app:ref:refs/heads/*",
        )


def subject_matches(pattern: str, matching: Matching, subject: str) -> bool:
    """True when a token's subject is the one that was written, or fits its pattern part by part."""
    if matching == "exact":
        return subject == pattern
    return len(subject) <= MAX_LENGTH and _compiled(pattern).fullmatch(subject) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    pieces = (r"[!-.0-9;-~]+" if piece == "*" else re.escape(piece) for piece in re.split(r"(\*)", pattern))
    return re.compile("".join(pieces))
