"""Settings of what happens to content over time, and of how much and how often clients may ask."""

from dataclasses import dataclass

from pratique.core.settings.fields import setting


@dataclass(frozen=True)
class Lifecycle:
    """Deletion and garbage collection of registry content."""

    keep_deleted: float = setting(
        7 * 86400.0,
        "How long a deleted manifest or tag can be restored; its bytes stay until then. 0 deletes for good at once.",
        unit="seconds",
        minimum=0,
        maximum=90 * 86400,
    )
    collect_every: float = setting(
        86400.0,
        "Time between two garbage collections; 0 collects only when asked.",
        unit="seconds",
        minimum=0,
    )
    retain_every: float = setting(
        86400.0,
        "Time between two runs of the retention rules; 0 runs them only when asked.",
        unit="seconds",
        minimum=0,
    )
    read_grace: float = setting(
        600.0,
        "How long the bytes of a collected blob stay, so that downloads under way can end.",
        unit="seconds",
        minimum=0,
        maximum=86400,
    )
    orphan_age: float = setting(
        86400.0,
        "How long a stored segment that no record names is left alone: longer than any upload request takes.",
        unit="seconds",
        minimum=60,
    )


@dataclass(frozen=True)
class Limits:
    """How often one principal, and all together, may ask the registry; counted in each process by itself."""

    read: int = setting(
        0,
        "Reads of manifests and blobs per principal; 0 is no limit. Strangers count by address.",
        unit="requests a minute",
        minimum=0,
    )
    write: int = setting(0, "Pushes and deletes per principal; 0 is no limit.", unit="requests a minute", minimum=0)
    list: int = setting(
        0,
        "Listings (catalogue, tags, referrers) per principal; 0 is no limit.",
        unit="requests a minute",
        minimum=0,
    )
    all_read: int = setting(0, "The same for all principals together.", unit="requests a minute", minimum=0)
    all_write: int = setting(0, "The same for all principals together.", unit="requests a minute", minimum=0)
    all_list: int = setting(0, "The same for all principals together.", unit="requests a minute", minimum=0)
    networks: tuple[str, ...] = setting(
        (),
        "Where requests to the registry may come from: `allow CIDR [PREFIX]` or `deny CIDR [PREFIX]`. Deny wins; where "
        "an allow rule covers a repository, other addresses are refused. None by default: every address may ask.",
    )
