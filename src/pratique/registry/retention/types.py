"""Rules about what stays, and what they say about one tag or manifest."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Tags that match `tags` in repositories below `prefix` stay for any of the reasons that are given; spans are days.

    `tags` is '' for a rule that speaks of untagged manifests only.
    """

    id: str
    prefix: str
    tags: str
    keep_newest: int | None = None
    keep_versions: int | None = None
    pushed_within: int | None = None
    pulled_within: int | None = None
    untagged_after: int | None = None

    @property
    def shown(self) -> str:
        """In few words, as the reason of a deletion names it."""
        return f"rule {self.id} for {self.tags or 'untagged manifests'} below /{self.prefix}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A tag (`tag` is set) or an untagged manifest stays or goes, and why."""

    repository: str
    tag: str
    digest: str
    goes: bool
    because: str
