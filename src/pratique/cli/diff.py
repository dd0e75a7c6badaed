"""`pratique diff`: what differs between two images or SBOMs, without a server.

Exit codes: 0 nothing new meets --fail-on (without it: whatever is new); 1 something new does; 6 one of the two could
not be assessed, so that a silent side is never taken for a clean one.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pratique.cli.exits import Exit
from pratique.cli.output import Output, OutputOption, emit, emit_json
from pratique.cli.progress import TerminalReporter

if TYPE_CHECKING:
    from pratique.advisories.types import Match
    from pratique.scan.report.comparison import Comparison

app = typer.Typer(help="Compare two images or SBOMs: packages, findings, sizes.")


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="What was: an image, archive or SBOM, named as for pratique scan.")],
    after: Annotated[str, typer.Argument(help="What is to come, named alike.")],
    *,
    platform: Annotated[str, typer.Option(help="Platform to take from an index, as linux/arm64.")] = "",
    fail_on: Annotated[str, typer.Option(help="Exit with 1 for a NEW finding like this, as in pratique scan.")] = "",
    auth_file: Annotated[Path | None, typer.Option(help="Registry credentials.")] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="Certificate of the registry's authority.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Speak plain HTTP to the registry.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say which packages and findings come and go from one image to another."""
    from pratique.cli.scan import results_of
    from pratique.core.settings import load
    from pratique.scan.report.comparison import compare, document
    from pratique.scan.report.threshold import condition, fails

    if fail_on:
        condition(fail_on)
    settings = load()
    with TerminalReporter(delay=2.0) as reporter:
        sides = results_of(settings, (before, after), platform, (auth_file, ca, insecure), reporter)
    found = compare(*sides)
    if output is Output.JSON:
        emit_json(document(found))
    else:
        _print(found)
    if fails(found.new, fail_on):
        raise typer.Exit(Exit.NO)
    raise typer.Exit(Exit.DONE if found.assessable else Exit.UNDECIDED)


def _print(found: "Comparison") -> None:
    _print_sides(found)
    rows = [
        {"change": one.kind, "package": f"{one.ecosystem}/{one.name}", "before": one.before, "after": one.after}
        for one in found.packages
    ]
    print(f"\nPackages: {len(rows)} differ.")
    if rows:
        emit(rows, ["change", "package", "before", "after"], Output.TABLE)
    print(f"\nFindings: {len(found.new)} new, {len(found.gone)} gone, {found.kept} in both.")
    lines = [_row("new", match) for match in found.new] + [_row("gone", match) for match in found.gone]
    if lines:
        emit(lines, ["change", "severity", "vulnerability", "package", "version", "fix"], Output.TABLE)


def _print_sides(found: "Comparison") -> None:
    rows = []
    for name, side in (("before", found.before), ("after", found.after)):
        size = f"{side.size / 1_000_000:.1f} MB" if side.size else None
        packages = len(side.inventory.package_set.packages)
        rows.append({"side": name, "subject": side.subject, "size": size, "packages": packages,
                     "findings": len(side.findings) if side.assessable else "NOT ASSESSED"})  # fmt: skip
    emit(rows, ["side", "subject", "size", "packages", "findings"], Output.TABLE)


def _row(change: str, match: "Match") -> dict[str, object]:
    return {
        "change": change,
        "severity": match.severity.value,
        "vulnerability": match.vulnerability,
        "package": match.package.name,
        "version": match.package.version,
        "fix": match.fixed_version or None,
    }
