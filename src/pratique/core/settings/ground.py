"""Settings of the process tree and of what it stands on: address, folders, engines, keys, logs."""

from dataclasses import dataclass
from pathlib import Path

from pratique.core.settings.fields import setting


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
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "Addresses or networks of proxies whose X-Forwarded-For is believed. None by default: the address of the "
        "connection counts, whatever a header says.",
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

    def host_of(self, role: str) -> str:
        """Return the name under which a role is reached: `role.` below a domain; `localhost` serves all by path."""
        return self.domain if self.domain == "localhost" else f"{role}.{self.domain}"


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
    endpoint: str = setting(
        "",
        "URL of an S3-compatible service; empty for the provider's own. With http:// the traffic is not encrypted.",
    )
    region: str = setting("", "Region of the bucket, where the service asks for one.")
    prefix: str = setting("", "Prefix of all object keys, so that a bucket can be shared.")
    encrypt: bool = setting(
        False,
        "Encrypt what is stored from now on with keys of the installation. What was stored before stays readable; "
        "`pratique registry encrypt` rewrites it. Off, because files are then no longer handed to the kernel.",
    )
    access_key: str = setting("", "Access key id; empty to take the machine's own identity.", secret=True)
    secret_key: str = setting("", "Secret access key.", secret=True)


@dataclass(frozen=True)
class Keys:
    """The process that holds every key."""

    unseal_file: Path | None = setting(
        None,
        "File with the key that opens the sealed key file, mode 0600. Empty: `keys/unseal.key` in the data folder, "
        "which protects a copied database but not a copied folder; a path on other storage protects that too.",
    )
    start_timeout: float = setting(
        10.0,
        "How long other processes wait for the key process at start.",
        unit="seconds",
        minimum=1,
        maximum=120,
    )


@dataclass(frozen=True)
class Outward:
    """Requests to servers whose address a person or another server names: webhooks, upstreams, sign-in providers."""

    private: tuple[str, ...] = setting(
        (),
        "Hosts that may lead to private or loopback addresses (`registry.corp.example`, `10.1.2.3`). None by default, "
        "so that nobody reaches into the network of the server through an address they may enter. Metadata services "
        "of clouds stay closed whatever is set.",
    )
    plain: tuple[str, ...] = setting(
        (),
        "`HOST` or `HOST:PORT` that may be asked without TLS. None by default.",
    )
    ca: Path | None = setting(
        None,
        "PEM file with certificates of authorities that are trusted beside those of the system.",
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
