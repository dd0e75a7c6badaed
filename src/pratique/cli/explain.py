"""`pratique explain`: why an image is, or is not, affected by one vulnerability, without a server.

Exit codes: 0 not affected; 1 affected; 6 it cannot be told, because something was not assessed.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pratique.cli.exits import Exit
from pratique.cli.output import Output, OutputOption, emit, emit_json
from pratique.cli.progress import TerminalReporter

if TYPE_CHECKING:
    from pratique.advisories.types import Match
    from pratique.scan.report.explanation import Explanation

app = typer.Typer(help="Say why an image is, or is not, affected by one vulnerability.")

_SHOWN = 20


@app.command()
def explain(
    vulnerability: Annotated[str, typer.Argument(help="CVE-2021-44228, GHSA-… or another name of it.")],
    target: Annotated[str, typer.Argument(help="An image, archive or SBOM, named as for pratique scan.")],
    *,
    platform: Annotated[str, typer.Option(help="Platform to take from an index, as linux/arm64.")] = "",
    auth_file: Annotated[Path | None, typer.Option(help="Registry credentials.")] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="Certificate of the registry's authority.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Speak plain HTTP to the registry.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say which record and which comparison make an image affected or not, and how old the data is."""
    from pratique.advisories.service import AdvisoryStore
    from pratique.cli.scan import results_of
    from pratique.core.settings import load
    from pratique.scan.report.explanation import document
    from pratique.scan.report.explanation import explain as explained

    settings = load()
    with TerminalReporter(delay=2.0) as reporter:
        (result,) = results_of(settings, (target,), platform, (auth_file, ca, insecure), reporter)
    store = AdvisoryStore.open(settings.data.directory / "advisories", starter=settings.advisories.starter)
    name = vulnerability.upper() if vulnerability[:4].upper() == "CVE-" else vulnerability
    distro = result.inventory.distro.key if result.inventory.distro else ""
    aliases, known = store.names_of(name)
    told = store.explain(name, result.inventory.package_set.packages, distro)
    found = explained(result, name, aliases, known, told)
    if output is Output.JSON:
        emit_json(document(found))
    else:
        _print(found)
    raise typer.Exit({"affected": Exit.NO, "not-affected": Exit.DONE}.get(found.state.value, Exit.UNDECIDED))


def _print(found: "Explanation") -> None:
    said = {"affected": "AFFECTED", "not-affected": "not affected"}.get(found.state.value, "CANNOT BE TOLD")
    rows = [("image", found.result.subject), ("vulnerability", ", ".join(found.aliases)), ("answer", said)]
    if found.reason:
        rows.append(("because", found.reason))
    for match in found.affected:
        rows += _affected(found, match)
    for one in found.others[:_SHOWN]:
        rows.append((f"{one.package.name} {one.package.version}", f"{one.comparison} [{one.feed}, {one.record}]"))
        rows += [("", one.reason)] if one.reason else []
    problems = (*found.result.why_not_assessable, *found.result.not_assessed)
    rows += [("not assessed", f"{one.what}: {one.reason}") for one in problems[:_SHOWN]]
    emit([{"field": name, "value": value} for name, value in rows], ["field", "value"], Output.TABLE)


def _affected(found: "Explanation", match: "Match") -> list[tuple[str, str]]:
    from pratique.scan.report.instants import age, rfc3339

    origin = found.result.origin_of(match)
    severity = f"{match.severity.value} by {match.severity_source}" if match.severity_source else match.severity.value
    rows = [
        ("package", f"{match.package.name} {match.package.version}"),
        ("at", match.package.location),
        ("layer", f"{origin.layer_index} ({origin.diff_id})" if origin.diff_id else ""),
        ("severity", f"{severity}, known to be exploited" if match.exploited else severity),
        ("fixed in", match.fixed_version or "no fixed version is known"),
        ("note", match.reason),
    ]
    for one in match.evidence:
        data = f"data of {rfc3339(one.data_date)}, {age(one.data_date, found.result.scanned_at)} old"
        data = f"{data}, built-in starter data" if one.starter else data
        rows += [("record", f"{one.record} in {one.feed}: {one.range}"), ("compared", one.comparison), ("", data)]
    return [(name, value) for name, value in rows if value]
