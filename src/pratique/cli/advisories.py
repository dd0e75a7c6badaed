"""`pratique advisories`: fetch feeds, look at them, and carry them to a network without one.

These commands work on the store of this machine, with or without a running server; a server that runs is told.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pratique.cli.exits import Exit
from pratique.cli.output import Output, OutputOption, emit, emit_json

if TYPE_CHECKING:
    from pratique.advisories.service import AdvisoryStore
    from pratique.advisories.types import FeedStatus, NeededFeed, SyncReport
    from pratique.core.settings import Settings

app = typer.Typer(help="Fetch, import and export advisory feeds.")

LARGE = 50_000_000
"""Downloads above this many bytes are announced and confirmed on a terminal."""

Feeds = Annotated[list[str] | None, typer.Argument(help="Names of feeds; all without one.")]


@app.command()
def sync(
    feeds: Feeds = None,
    *,
    fetch: Annotated[bool, typer.Option("--fetch", "-y", help="Fetch without asking, however large it is.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Ask for everything again, whatever the source says.")] = False,
    accept_shrink: Annotated[
        bool, typer.Option("--accept-shrink", help="Take a feed that lost more than half of its records.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Bring feeds up to date: only what changed is transferred, and a feed that fails keeps its old data."""
    from pratique.core.settings import load

    settings = load()
    with _Store(settings) as store:
        names = feeds or []
        if not fetch:
            _confirm(store, names)
        report = _sync(settings, store, names, force=force, accept_shrink=accept_shrink)
    _show_report(report, output)


@app.command()
def status(
    *,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch what is needed for what was seen.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List every feed with its age and size, and what is needed to judge what this installation has seen."""
    from pratique.core.settings import load

    settings = load()
    with _Store(settings) as store:
        needed = _needed(settings, store)
        if fetch:
            _show_report(_sync(settings, store, [feed.name for feed in needed]), output)
            return
        if output is Output.JSON:
            from dataclasses import asdict

            emit_json(
                {
                    "revision": store.revision,
                    "feeds": [{**asdict(feed), "detail": dict(feed.detail)} for feed in store.feeds()],
                    "needed": [asdict(feed) for feed in needed],
                }
            )
            return
        columns = ("feed", "state", "records", "size", "data_of", "checked", "first_fetch", "note")
        emit([_status_row(feed) for feed in store.feeds()], columns, output)
        _show_needed(needed)


@app.command()
def export(
    target: Annotated[Path, typer.Argument(help="File to write.")],
    *,
    feeds: Annotated[list[str] | None, typer.Option("--feed", help="Only this feed; may be given again.")] = None,
    key: Annotated[Path | None, typer.Option(help="Sign with this P-256 private key (PEM) instead.")] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Do not sign.")] = False,
) -> None:
    """Write the fetched data to a bundle, signed by this installation's key or by one kept offline."""
    from pratique.advisories.service import export_bundle, offline_signer
    from pratique.core.settings import load

    settings = load()
    sign = None if unsigned else offline_signer(key) if key else _installation_signer(settings)
    with _Store(settings) as store:
        names = export_bundle(store, target, sign=sign, feeds=feeds or [])
    size = target.stat().st_size
    print(f"{target}: {', '.join(names)}; {_bytes(size)}; {'signed' if sign else 'not signed'}")
    if sign:
        key_id = sign(b"").key_id
        print(f"On the other machine: pratique advisories import {target.name} --trust {key_id}")


@app.command(name="import")
def import_(
    source: Annotated[Path, typer.Argument(help="Bundle to read.", exists=True, dir_okay=False)],
    *,
    trust: Annotated[list[str] | None, typer.Option("--trust", help="Id of a key whose signature to believe.")] = None,
    key: Annotated[Path | None, typer.Option(help="File with the public key (PEM or JWK) to believe.")] = None,
    allow_unsigned: Annotated[bool, typer.Option("--allow-unsigned", help="Take a bundle that is not signed.")] = False,
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Take data that is older than what is here.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Take the data of a bundle after verifying it; feeds whose data here is newer are left alone."""
    from pratique.advisories.service import import_bundle, trusted_key
    from pratique.core.settings import load

    settings = load()
    trusted = {*(trust or ()), *([trusted_key(key)] if key else ()), *_own_keys(settings)}
    with _Store(settings) as store:
        report = import_bundle(store, source, trusted=trusted, allow_unsigned=allow_unsigned, allow_older=allow_older)
    _tell_server(settings, report)
    _show_report(report, output)


class _Store:
    """The store of this installation, open for one command."""

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings

    def __enter__(self) -> "AdvisoryStore":
        from pratique.advisories.service import AdvisoryStore

        folder = self._settings.data.directory / "advisories"
        self._store = AdvisoryStore.open(folder, starter=self._settings.advisories.starter)
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def _sync(
    settings: "Settings", store: "AdvisoryStore", names: list[str], *, force: bool = False, accept_shrink: bool = False
) -> "SyncReport":
    from pratique.advisories.service import FeedClient, sync
    from pratique.cli.progress import TerminalReporter

    options = {"security_index": settings.advisories.security_index}
    with FeedClient(mirror=settings.advisories.mirror) as client, TerminalReporter(delay=1.0) as reporter:
        report = sync(store, names, client, reporter, None, options=options, force=force, accept_shrink=accept_shrink)
    _tell_server(settings, report)
    return report


def _confirm(store: "AdvisoryStore", names: list[str]) -> None:
    """Say how much a first fetch would transfer, and ask, where there is somebody to ask."""
    from pratique.advisories.types import FeedState

    fresh = (FeedState.ABSENT, FeedState.STARTER)
    wanted = [feed for feed in store.feeds() if (not names or feed.name in names) and feed.state in fresh]
    total = sum(feed.download_bytes for feed in wanted)
    if total < LARGE or not sys.stdin.isatty():
        return
    for feed in wanted:
        print(f"{feed.name:16} {_bytes(feed.download_bytes):>9}  {feed.title}", file=sys.stderr)
    typer.confirm(f"Fetch about {_bytes(total)}?", default=True, abort=True, err=True)


def _needed(settings: "Settings", store: "AdvisoryStore") -> "list[NeededFeed]":
    """What a running server has seen and lacks; without a server, nothing has been seen here."""
    from pratique.advisories.types import NeededFeed
    from pratique.core.errors import PratiqueError

    try:
        from pratique.cli.client import connect

        with connect(settings, timeout=5.0) as client:
            found = client.get("/api/v1/advisories").json()["needed"]
    except (PratiqueError, OSError):
        return []
    known = {feed.name for feed in store.feeds()}
    return [NeededFeed(**item) for item in found if item["name"] in known]


def _tell_server(settings: "Settings", report: "SyncReport") -> None:
    """Have a running server judge again at once; one that is down, or looks for itself, needs no telling."""
    from pratique.core.errors import PratiqueError

    if report.before == report.after:
        return
    try:
        from pratique.cli.client import connect

        with connect(settings, timeout=5.0) as client:
            client.post("/api/v1/advisories/changed")
    except (PratiqueError, OSError):
        return


def _installation_signer(settings: "Settings") -> Any:
    from pratique.advisories.service import key_process_signer
    from pratique.core.keys.client import connect_keys
    from pratique.core.keys.types import Purpose, Role

    keys = connect_keys(settings.data.directory / "keys", Role.ADMIN)
    public = keys.public_keys(Purpose.BUNDLE)[0]
    return key_process_signer(
        lambda key_id, message: keys.sign(Purpose.BUNDLE, message, key_id=key_id).value, public.jwk
    )


def _own_keys(settings: "Settings") -> set[str]:
    """Ids of this installation's own bundle keys; none while no key process runs."""
    from pratique.core.errors import PratiqueError
    from pratique.core.keys.client import connect_keys
    from pratique.core.keys.types import Purpose, Role

    try:
        keys = connect_keys(settings.data.directory / "keys", Role.ADMIN, patience=0.1)
        return {key.key_id for key in keys.public_keys(Purpose.BUNDLE)}
    except (PratiqueError, OSError):
        return set()


def _show_report(report: "SyncReport", output: Output) -> None:
    """Print what became of each feed; exit code 3 when one failed."""
    from dataclasses import asdict

    if output is Output.JSON:
        emit_json({"before": report.before, "after": report.after, "feeds": [asdict(item) for item in report.outcomes]})
    else:
        rows = [
            {
                "feed": item.feed,
                "outcome": item.outcome,
                "records": item.records or None,
                "changed": item.changed or None,
                "transferred": _bytes(item.downloaded) if item.downloaded else None,
                "seconds": f"{item.seconds:.1f}",
                "note": " ".join(filter(None, (item.error, item.remedy))),
            }
            for item in report.outcomes
        ]
        emit(rows, ("feed", "outcome", "records", "changed", "transferred", "seconds", "note"), output)
    if not report.ok:
        raise typer.Exit(Exit.FAILED)


def _status_row(feed: "FeedStatus") -> dict[str, Any]:
    return {
        "feed": feed.name,
        "state": feed.state.value,
        "records": feed.records or None,
        "size": _bytes(feed.bytes) if feed.bytes else None,
        "data_of": _day(feed.data_date),
        "checked": _day(feed.checked_at),
        "first_fetch": _bytes(feed.download_bytes),
        "note": " ".join(filter(None, (feed.error, str(feed.detail["remedy"]) if feed.error else "", feed.note))),
    }


def _show_needed(needed: "list[NeededFeed]") -> None:
    if not needed:
        return
    total = sum(feed.download_bytes for feed in needed)
    print(f"\nNeeded for what was seen ({_bytes(total)}; fetch it: pratique advisories status --fetch):")
    for feed in needed:
        print(f"  {feed.name:16} {_bytes(feed.download_bytes):>9}  {feed.reason}")


def _day(micros: int) -> str | None:
    if not micros:
        return None
    from datetime import UTC, datetime

    return datetime.fromtimestamp(micros / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M")


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
