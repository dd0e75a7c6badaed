"""`pratique scan`: what is in an image, and what is known against it, without a server.

Exit codes: 0 no finding meets --fail-on (without it: whatever was found); 1 one does; 2 wrong use; 3 the target could
not be fetched or opened; 6 it could not be assessed, so that silence is never taken for a clean image.
"""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pratique.cli.exits import Exit
from pratique.cli.progress import TerminalReporter
from pratique.scan.report.forms import Form

if TYPE_CHECKING:
    from pratique.advisories.service import AdvisoryStore
    from pratique.core.settings import Settings
    from pratique.inventory.types import ImageInventory
    from pratique.scan.local import Subject
    from pratique.scan.report.result import ScanResult
    from pratique.scan.sources.targets import Access

app = typer.Typer(help="Read an image, archive, root file system or SBOM and say what is known against it.")


_PAPER_WIDTH = 160


@app.command()
def scan(
    target: Annotated[
        str,
        typer.Argument(help="REGISTRY/NAME:TAG, oci:FOLDER[:NAME], archive:FILE, podman:NAME, docker:NAME, or a file."),
    ] = "",
    *,
    rootfs: Annotated[Path | None, typer.Option(help="Scan this root file system in place, as --rootfs /.")] = None,
    source: Annotated[Path | None, typer.Option(help="Scan what the lock files of this source tree name.")] = None,
    sbom: Annotated[Path | None, typer.Option(help="Scan what this CycloneDX or SPDX document lists.")] = None,
    platform: Annotated[str, typer.Option(help="Platform to take from an index, as linux/arm64.")] = "",
    all_platforms: Annotated[bool, typer.Option("--all-platforms", help="Scan every platform of an index.")] = False,
    output: Annotated[Form, typer.Option("--output", "-o", help="Form of the output.")] = Form.TABLE,
    output_file: Annotated[Path | None, typer.Option(help="Write there instead of to standard output.")] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            help="Exit with 1 for: a severity or worse, fixable, exploited, unrated, any; join by + or comma."
        ),
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="List also what the vendor calls unimportant.")] = False,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch the advisories that this scan needs, first.")] = False,
    auth_file: Annotated[
        Path | None, typer.Option(help="Registry credentials; else where podman and docker look.")
    ] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="Certificate of the registry's authority.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Speak plain HTTP to the registry.")] = False,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Keep what was read of each layer.")] = True,
) -> None:
    """Scan a target; see `pratique scan --help` for the kinds. The first thing to try: pratique scan --rootfs /."""
    from pratique.core.settings import load
    from pratique.scan.report.threshold import condition
    from pratique.scan.sources.images import host_platform
    from pratique.scan.sources.targets import Access

    if sum(map(bool, (target, rootfs, source, sbom))) != 1:
        raise typer.BadParameter("name one target: an argument, --rootfs, --source or --sbom")
    if fail_on:
        condition(fail_on)
    settings = load()
    wanted = None if all_platforms else platform or host_platform()
    access = Access(auth_file, ca or _own_authority(settings, target), insecure)
    with TerminalReporter(delay=2.0) as reporter:
        subjects = (
            [_source(source, reporter)]
            if source
            else list(_inventories(settings, target, rootfs, sbom, wanted, access, reporter, cache=cache))
        )
        results = _judged(settings, subjects, reporter, fetch=fetch)
    _write(results, output, output_file, everything=everything)
    raise typer.Exit(_answer(results, fail_on))


def results_of(
    settings: "Settings",
    targets: tuple[str, ...],
    platform: str,
    access: tuple[Path | None, Path | None, bool],
    reporter: TerminalReporter,
) -> "list[ScanResult]":
    """The result of each target for one platform, all judged by the same data, in the order given."""
    from pratique.scan.sources.images import host_platform
    from pratique.scan.sources.targets import Access

    auth_file, ca, insecure = access
    subjects = []
    for target in targets:
        way = Access(auth_file, ca or _own_authority(settings, target), insecure)
        wanted = platform or host_platform()
        subjects += list(_inventories(settings, target, None, None, wanted, way, reporter, cache=True))
    return _judged(settings, subjects, reporter, fetch=False)


def _own_authority(settings: "Settings", target: str) -> Path | None:
    """The certificate for images in the registry of this installation, which signs for itself."""
    from pratique.cli.trust import authority_file, registry_hosts

    own = target.startswith(tuple(f"{host}/" for host in registry_hosts(settings)))
    file = authority_file(settings)
    return file if own and file.exists() else None


def _source(folder: Path, reporter: TerminalReporter) -> "tuple[Subject, ImageInventory]":
    from pratique.scan.local import Subject, read_source

    return Subject(str(folder), "source"), read_source(folder, reporter)


def _inventories(  # noqa: PLR0917 - one call, in one place
    settings: "Settings",
    target: str,
    rootfs: Path | None,
    sbom: Path | None,
    platform: str | None,
    access: "Access",
    reporter: TerminalReporter,
    *,
    cache: bool,
) -> "Iterator[tuple[Subject, ImageInventory]]":
    """What each asked image holds."""
    from pratique.scan.local import Subject, read_root
    from pratique.scan.sources.targets import target_of

    if rootfs is not None:
        yield Subject(str(rootfs), "rootfs"), read_root(rootfs, reporter)
        return
    chosen = target_of(f"sbom:{sbom}" if sbom is not None else target)
    if chosen.kind == "sbom":
        from pratique.inventory.sbom.read import read_sbom

        yield Subject(chosen.place, "sbom"), read_sbom(Path(chosen.place))
        return
    from pratique.scan.child import ReaderPool
    from pratique.scan.layer_files import LayerFiles, NoLayerFiles
    from pratique.scan.local import read_image
    from pratique.scan.sources.targets import images_of

    kept = LayerFiles(settings.data.directory / "layers") if cache else NoLayerFiles()
    with ReaderPool(1) as pool, images_of(chosen, platform, access) as images:
        for image in images:
            reporter.start(f"Reading {image.name}", len(image.layers), "layers")
            size = sum(layer.size for layer in image.layers)
            subject = Subject(image.name, chosen.kind, image.digest, image.platform, size)
            yield subject, read_image(image, pool, kept, reporter)
            reporter.finish()


def _judged(
    settings: "Settings", subjects: "list[tuple[Subject, ImageInventory]]", reporter: TerminalReporter, *, fetch: bool
) -> "list[ScanResult]":
    from pratique.advisories.service import AdvisoryStore
    from pratique.core.clock import SystemClock
    from pratique.scan.local import judge

    store = AdvisoryStore.open(settings.data.directory / "advisories", starter=settings.advisories.starter)
    results = [judge(subject, inventory, store, SystemClock()) for subject, inventory in subjects]
    needed = sorted({feed.name for result in results for feed in result.report.needed})
    if fetch and needed:
        _fetch(settings, store, needed, reporter)
        results = [judge(subject, inventory, store, SystemClock()) for subject, inventory in subjects]
    return results


def _fetch(settings: "Settings", store: "AdvisoryStore", names: list[str], reporter: TerminalReporter) -> None:
    """Fetches what is missing; a feed that fails is named, and the scan goes on with what is there."""
    from pratique.advisories.service import FeedClient, sync

    options = {"security_index": settings.advisories.security_index} if settings.advisories.security_index else {}
    with FeedClient(mirror=settings.advisories.mirror) as client:
        report = sync(store, names, client, reporter, options=options)
    for outcome in report.outcomes:
        if outcome.error:
            print(f"pratique: {outcome.feed}: {outcome.error} {outcome.remedy}".rstrip(), file=sys.stderr)


def _write(results: "list[ScanResult]", form: Form, path: Path | None, *, everything: bool) -> None:
    if form is Form.TABLE:
        from rich.console import Console

        from pratique.scan.report import table

        with path.open("w", encoding="utf-8") if path else nullcontext() as file:
            terminal = file is None and sys.stdout.isatty()
            width = None if terminal else _PAPER_WIDTH
            console = Console(file=file, width=width, highlight=False, markup=False, emoji=False)
            for result in results:
                table.show(console, result, everything=everything)
        return
    from pratique.scan.report.forms import text_of

    text = text_of(results, form)
    if path is None:
        print(text)
    else:
        path.write_text(text + "\n", encoding="utf-8")


def _answer(results: "list[ScanResult]", fail_on: str) -> Exit:
    """The worst answer of all: a finding at the threshold, then what could not be assessed."""
    from pratique.scan.report.threshold import fails

    if any(fails(result.findings, fail_on) for result in results):
        return Exit.NO
    return Exit.DONE if all(result.assessable for result in results) else Exit.UNDECIDED
