"""Checks of the server: settings, port, names, certificate, processes, age of the advisory data."""

import ipaddress
import socket
from pathlib import Path

from pratique.cli.diagnosis.packages import install_line
from pratique.cli.diagnosis.result import Check, Result, fail, ok, warn
from pratique.core.settings import Settings, load_with_sources
from pratique.supervisor.ports import can_listen, free_port, holder_of
from pratique.supervisor.report import report

ROLES = ("console", "registry", "login")


def settings_file(_settings: Settings) -> Result:
    loaded = load_with_sources()
    return ok(f"{loaded.file if loaded.file_exists else 'no file'}, {len(loaded.sources)} not default")


def port(settings: Settings) -> Result:
    host, number = settings.server.host, settings.server.port
    if report(settings)["state"] != "stopped":
        return ok(f"{number}, held by this server")
    if can_listen(host, number):
        return ok(f"{number} is free")
    other = free_port(host, number)
    return fail(f"{number} is held by {holder_of(number)}", f"stop it, or set PRATIQUE_SERVER__PORT={other}")


def processes(settings: Settings) -> Result:
    found = report(settings)
    if found["state"] == "stopped":
        return warn("the server is not running", "start it: make up, or pratique up")
    if not found["ready"]:
        return fail(f"{found['state']}, but not ready", f"read the logs: {settings.data.directory}/logs")
    return ok(f"ready, {found['memory'] / 1024**2:.0f} MB")


def names(settings: Settings) -> Result:
    """Host names by role; on one machine the plain name serves all, so that a missing one is no failure."""
    domain = settings.server.domain
    if not _resolves(domain):
        return fail(f"{domain} does not resolve here", f"add to /etc/hosts:  127.0.0.1 {domain}")
    missing = [name for role in ROLES if not _resolves(name := f"{role}.{domain}")]
    if not missing:
        return ok(f"{domain} and its roles resolve")
    hosts = "add to /etc/hosts:  127.0.0.1 " + " ".join(missing)
    remedy = f"{install_line('libnss-myhostname', 'systemd-libs')}, or {hosts}" if domain == "localhost" else hosts
    return warn(f"{domain} resolves, but not {', '.join(missing)}", remedy)


def reach(settings: Settings) -> Result:
    try:
        address = ipaddress.ip_address(settings.server.host)
    except ValueError:
        return warn(f"server.host is the name {settings.server.host}", "set an address to listen on")
    if not address.is_loopback and settings.server.domain == "localhost":
        return warn(
            f"listening on {address} as localhost",
            "other machines need a name: set server.domain, or list names in server.extra_hosts",
        )
    return ok(f"{address} as {settings.server.domain}")


def advisory_data(settings: Settings) -> Result:
    from pratique.advisories.service import AdvisoryStore
    from pratique.core.clock import DAY, SECOND, SystemClock

    folder = settings.data.directory / "advisories"
    if not folder.exists():
        return warn("none yet: only the starter data", "pratique advisories sync, or pratique advisories import FILE")
    store = AdvisoryStore.open(folder, starter=settings.advisories.starter)
    try:
        ages = {feed.name: feed.checked_at for feed in store.feeds() if feed.checked_at}
    finally:
        store.close()
    if not ages:
        return warn("no feed was fetched yet", "pratique advisories sync, or pratique advisories import FILE")
    now = SystemClock().now()
    old = [name for name, at in ages.items() if now - at > settings.advisories.warn_age * SECOND]
    if old:
        return warn(f"older than {settings.advisories.warn_age * SECOND / DAY:g} days: {', '.join(old)}", "sync them")
    return ok(f"{len(ages)} feeds, all recent")


def state_mode(settings: Settings) -> Result:
    folder: Path = settings.data.directory
    if not folder.exists():
        return ok(f"{folder} will be made")
    if folder.stat().st_mode & 0o077:
        return fail(f"others can read {folder}", f"chmod 700 {folder}")
    return ok(str(folder))


def _resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM))
    except OSError:
        return False


SERVER_CHECKS = (
    Check("settings", settings_file),
    Check("data folder", state_mode),
    Check("address", reach),
    Check("port", port),
    Check("names", names),
    Check("server", processes),
    Check("advisory data", advisory_data),
)
