"""Every setting of Pratique: one section per part, each field with its unit, its default and the reason for it.

Add a field to the section of the part that reads it (those of address, storage, keys and logs stand in `ground`);
`docs/reference/settings.md` is generated from here.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from pratique.core.settings.content import Lifecycle, Limits
from pratique.core.settings.fields import section, setting
from pratique.core.settings.ground import Blobs, Data, DatabaseSection, Keys, Outward, Server, Telemetry


def default_state_directory() -> Path:
    """Return the folder for state: `$XDG_STATE_HOME/pratique`, else `~/.local/state/pratique`."""
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else Path("~/.local/state").expanduser()
    return root / "pratique"


@dataclass(frozen=True)
class Identity:
    """Principals, tokens and sessions."""

    token_lifetime: float = setting(
        3600.0,
        "Lifetime of a registry token. Rights are checked at each request against current assignments, so a long "
        "life does not delay a revocation; it lets one token carry a long push.",
        unit="seconds",
        minimum=60,
        maximum=86400,
    )
    refresh_lifetime: float = setting(
        7 * 86400.0,
        "Lifetime of a refresh token, which a client may keep in place of a secret. It ends at once when its secret, "
        "its principal or all its tokens are revoked.",
        unit="seconds",
        minimum=300,
        maximum=90 * 86400,
    )
    exchange_lifetime: float = setting(
        3 * 3600.0,
        "Lifetime of a refresh token that Azure's registry clients get for an access token; `az acr login` leaves it "
        "with the container client as a password. It ends at once with its principal or credential.",
        unit="seconds",
        minimum=300,
        maximum=86400,
    )
    issuer_away: float = setting(
        86400.0,
        "How long the last known keys of a federated issuer are used while it does not answer. After that its tokens "
        "are refused, because a key that it has withdrawn could no longer be told from a good one.",
        unit="seconds",
        minimum=3600,
        maximum=30 * 86400,
    )
    management_lifetime: float = setting(
        900.0,
        "Lifetime of a token for the management API.",
        unit="seconds",
        minimum=60,
        maximum=86400,
    )
    session_lifetime: float = setting(
        12 * 3600.0,
        "Longest life of a console session: one working day.",
        unit="seconds",
        minimum=300,
        maximum=30 * 86400,
    )
    session_idle: float = setting(
        3600.0,
        "A console session without requests ends after this time.",
        unit="seconds",
        minimum=60,
        maximum=30 * 86400,
    )
    unused_after: float = setting(
        90 * 86400.0,
        "Principals and roles that were not used for so long are shown by access reviews.",
        unit="seconds",
        minimum=86400,
        maximum=1000 * 86400,
    )
    expiry_warning: float = setting(
        30 * 86400.0,
        "Credentials that end within this time are shown by access reviews.",
        unit="seconds",
        minimum=86400,
        maximum=366 * 86400,
    )
    link_lifetime: float = setting(
        900.0,
        "Lifetime of a one-time sign-in link. Short, because whoever holds it is an administrator.",
        unit="seconds",
        minimum=60,
        maximum=86400,
    )
    anonymous_pull: tuple[str, ...] = setting(
        (),
        "Scopes (`/registry/public/`) whose open images anybody may pull without signing in. None by default.",
    )


@dataclass(frozen=True)
class Registry:
    """The OCI registry."""

    gate_wait: float = setting(
        20.0,
        "How long a pull waits for an image that is still being judged before it is answered 403 with Retry-After. "
        "Under the 30 s after which common clients give up.",
        unit="seconds",
        minimum=0,
        maximum=120,
    )
    serve_pending: bool = setting(
        False,
        "Move a tag to a pushed image at once, before its gate opens. Off, so that readers of a live tag keep the "
        "image that was served before.",
    )
    manifest_limit: int = setting(
        4 * 1024 * 1024,
        "Largest manifest that is taken. The OCI specification asks for at least 4 MiB.",
        unit="bytes",
        minimum=4 * 1024 * 1024,
        maximum=64 * 1024 * 1024,
    )
    blob_limit: int = setting(
        64 * 1024 * 1024 * 1024,
        "Largest blob that is taken.",
        unit="bytes",
        minimum=1024 * 1024,
    )
    upload_lifetime: float = setting(
        7 * 86400.0,
        "An upload that was not finished is removed after this time.",
        unit="seconds",
        minimum=600,
    )
    blob_lease: float = setting(
        86400.0,
        "How long a blob that no manifest names yet is kept: the time a client has to finish its push.",
        unit="seconds",
        minimum=600,
    )


@dataclass(frozen=True)
class Events:
    """Events for the outside: the stream and webhooks."""

    keep: float = setting(
        7 * 86400.0,
        "How long events can be read again from the stream and delivered by webhooks. A week, so that a receiver may "
        "be away over a long weekend.",
        unit="seconds",
        minimum=3600,
        maximum=366 * 86400,
    )
    webhook_patience: float = setting(
        3 * 86400.0,
        "A webhook none of whose deliveries has succeeded for this long is disabled; its place in the stream is kept.",
        unit="seconds",
        minimum=600,
        maximum=30 * 86400,
    )


@dataclass(frozen=True)
class Scan:
    """Reading of layers and judging of images."""

    children: int = setting(
        1,
        "Reader processes that may run side by side. One, because reading is bound by one core and pushes need the "
        "other.",
        minimum=1,
        maximum=64,
    )
    layer_time: float = setting(
        600.0,
        "Longest time for one layer; then its reader is killed and the layer is *not assessed*.",
        unit="seconds",
        minimum=1,
        maximum=86400,
    )
    layer_memory: int = setting(
        300 * 1024 * 1024,
        "Address space that one reader may add while it reads a layer of any size.",
        unit="bytes",
        minimum=64 * 1024 * 1024,
    )
    layer_bytes: int = setting(
        32 * 1024 * 1024 * 1024,
        "Largest decompressed layer.",
        unit="bytes",
        minimum=1024 * 1024,
    )
    layer_ratio: int = setting(
        1032,
        "Largest ratio of decompressed to compressed bytes: what DEFLATE can reach at most.",
        minimum=10,
    )
    layer_entries: int = setting(
        2_000_000,
        "Most entries in one layer.",
        minimum=1000,
    )


@dataclass(frozen=True)
class Advisories:
    """Advisory feeds."""

    mirror: str = setting(
        "",
        "URL of a mirror that has each feed under `URL/HOST/PATH`; empty for the public addresses.",
    )
    sync: bool = setting(
        False,
        "Fetch feeds by schedule. Off, because no traffic leaves this machine unless somebody asks for it.",
    )
    sync_every: float = setting(
        3600.0,
        "Time between two fetches of one feed, when `advisories.sync` is on.",
        unit="seconds",
        minimum=300,
    )
    warn_age: float = setting(
        2 * 86400.0,
        "Age of a feed above which pages and commands warn. Old data warns; it closes no gate.",
        unit="seconds",
        minimum=3600,
    )
    security_index: str = setting(
        "",
        "Address of a distribution's security suite, used as a source of pending updates; empty to read the host's "
        "own package sources.",
    )
    starter: bool = setting(
        True,
        "Load the small starter bundle at first start, so that the demo works offline. Its data is labelled.",
    )


@dataclass(frozen=True)
class Trust:
    """What the default policy decides."""

    minimum_coverage: float = setting(
        0.8,
        "Share of the packages of an image that must be assessable; below it the image is held.",
        minimum=0,
        maximum=1,
    )
    refuse_exploited: bool = setting(True, "Refuse an image with a vulnerability that is known to be exploited.")
    refuse_critical: bool = setting(True, "Refuse an image with a critical vulnerability that has a fix.")
    hold_unrated: bool = setting(
        True,
        "Hold an image with a vulnerability that has a vendor fix and that nobody has rated yet.",
    )


@dataclass(frozen=True)
class Jobs:
    """Background work."""

    threads: int = setting(
        2,
        "Jobs that run side by side in one worker.",
        minimum=1,
        maximum=64,
    )
    lease: float = setting(
        30.0,
        "A job whose worker was silent for this long is taken over by another.",
        unit="seconds",
        minimum=2,
        maximum=3600,
    )
    poll: float = setting(
        1.0,
        "Time between two looks for work when no hint came. Hints are quicker; this is the guarantee.",
        unit="seconds",
        minimum=0.05,
        maximum=60,
    )
    keep: float = setting(
        7 * 86400.0,
        "How long finished jobs are kept for `pratique status` and the console.",
        unit="seconds",
        minimum=60,
    )


@dataclass(frozen=True)
class Console:
    """The console."""

    page_size: int = setting(50, "Rows on one page of a list.", minimum=10, maximum=500)


@dataclass(frozen=True)
class Settings:
    """All settings: frozen once loaded, handed to whoever needs a section."""

    server: Server = section(Server)
    data: Data = section(Data)
    database: DatabaseSection = section(DatabaseSection)
    blobs: Blobs = section(Blobs)
    keys: Keys = section(Keys)
    outward: Outward = section(Outward)
    identity: Identity = section(Identity)
    registry: Registry = section(Registry)
    events: Events = section(Events)
    lifecycle: Lifecycle = section(Lifecycle)
    limits: Limits = section(Limits)
    scan: Scan = section(Scan)
    advisories: Advisories = section(Advisories)
    trust: Trust = section(Trust)
    jobs: Jobs = section(Jobs)
    telemetry: Telemetry = section(Telemetry)
    console: Console = section(Console)

    @property
    def database_url(self) -> str:
        """The database to open: `database.url`, else the SQLite file in the data folder."""
        return self.database.url or f"sqlite:///{self.data.directory}/pratique.db"
