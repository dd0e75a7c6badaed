"""Every setting of Pratique: one section per part, each field with its unit, its default and the reason for it.

Add a field to the section of the part that reads it; `docs/reference/settings.md` is generated from here.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from pratique.core.settings.fields import section, setting


def default_state_directory() -> Path:
    """Return the folder for state: `$XDG_STATE_HOME/pratique`, else `~/.local/state/pratique`."""
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else Path("~/.local/state").expanduser()
    return root / "pratique"


@dataclass(frozen=True)
class Server:
    """Where the server listens and under which names it is reached."""

    host: str = setting(
        "127.0.0.1",
        "Address to listen on. Loopback by default, so that nothing is open to the network before somebody asks for "
        "it; set 0.0.0.0 or :: together with `server.domain`.",
    )
    port: int = setting(
        8443,
        "TCP port for HTTPS. Above 1024, so that no privilege is needed.",
        minimum=0,
        maximum=65535,
    )
    domain: str = setting(
        "localhost",
        "Domain under which the roles have their hosts (`console.`, `registry.`, `login.`). With `localhost` one "
        "address serves registry, login and console by path.",
    )
    extra_hosts: tuple[str, ...] = setting(
        (),
        "Further host names or addresses that clients may use; they go into the certificate. Any other Host header "
        "is answered 421.",
    )
    certificate: Path | None = setting(
        None,
        "PEM file with a certificate chain of your own. Without it a certificate of the installation's own CA is used.",
    )
    private_key: Path | None = setting(None, "PEM file with the private key of `server.certificate`.")
    drain: float = setting(
        10.0,
        "How long requests under way may finish on stop; uploads resume later from saved state.",
        unit="seconds",
        minimum=0,
        maximum=300,
    )
    threads: int = setting(
        2,
        "I/O threads of the HTTP server. Two, because TLS of one large transfer must not hold up small requests.",
        minimum=1,
        maximum=64,
    )


@dataclass(frozen=True)
class Data:
    """Where state lives."""

    directory: Path = setting(
        Path("@state"),
        "Folder of all state: database, blobs, keys, advisories, logs. Never inside a source tree. The default is "
        "`$XDG_STATE_HOME/pratique`, else `~/.local/state/pratique`.",
    )
    minimum_free: int = setting(
        512 * 1024 * 1024,
        "Free space below which uploads are refused, so that the database can always finish its writes.",
        unit="bytes",
        minimum=0,
    )


@dataclass(frozen=True)
class DatabaseSection:
    """Which engine keeps the records."""

    url: str = setting(
        "",
        "`postgresql://USER@HOST/NAME`, or empty for the embedded SQLite file in the data folder.",
        secret=True,
    )
    pool: int = setting(
        8,
        "Connections per process to PostgreSQL, or read-only connections to SQLite.",
        minimum=1,
        maximum=200,
    )
    write_wait: float = setting(
        5.0,
        "How long a write may wait for its turn before the client is told 503 with Retry-After. Bounded, because a "
        "client that retries is better than a queue that grows.",
        unit="seconds",
        minimum=0.1,
        maximum=60,
    )


@dataclass(frozen=True)
class Blobs:
    """Where layers and manifests are stored."""

    store: str = setting("disk", "Engine for blobs.", choices=("disk", "s3"))
    bucket: str = setting("", "Bucket name for `s3`.")
    endpoint: str = setting("", "URL of an S3-compatible service; empty for the provider's own.")
    region: str = setting("", "Region of the bucket, where the service asks for one.")
    prefix: str = setting("", "Prefix of all object keys, so that a bucket can be shared.")
    access_key: str = setting("", "Access key id; empty to take the machine's own identity.", secret=True)
    secret_key: str = setting("", "Secret access key.", secret=True)


@dataclass(frozen=True)
class Keys:
    """The process that holds every key."""

    start_timeout: float = setting(
        10.0,
        "How long other processes wait for the key process at start.",
        unit="seconds",
        minimum=1,
        maximum=120,
    )


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
class Telemetry:
    """Logs, metrics and traces."""

    log_level: str = setting("info", "Least level that is logged.", choices=("debug", "info", "warning", "error"))
    log_size: int = setting(
        10 * 1024 * 1024,
        "A log file is rotated at this size.",
        unit="bytes",
        minimum=64 * 1024,
    )
    log_files: int = setting(5, "Rotated log files that are kept per process.", minimum=1, maximum=100)
    otlp_endpoint: str = setting(
        "",
        "URL to which traces are sent (needs the extra `telemetry`). Empty: none leave this machine.",
    )
    open_metrics: bool = setting(
        False,
        "Serve `/metrics` without authentication to clients on the loopback address.",
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
    identity: Identity = section(Identity)
    registry: Registry = section(Registry)
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
