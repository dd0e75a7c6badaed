"""The form for people: a summary, findings grouped by package with the worst first, and what was not assessed."""

from collections.abc import Iterable
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from pratique.advisories.types import FeedState, Match
from pratique.core.findings.types import Severity
from pratique.inventory.types import NotAssessed
from pratique.scan.report.instants import age
from pratique.scan.report.result import ScanResult

_STYLES: Final = {
    Severity.CRITICAL: "bold white on red",
    Severity.HIGH: "bold red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.NEGLIGIBLE: "dim",
    Severity.UNKNOWN: "magenta",
}
_PROBLEMS: Final = 20


def show(console: Console, result: ScanResult, *, everything: bool = False) -> None:
    """Prints a result; `everything` also lists what the vendor calls unimportant."""
    matches = (*result.findings, *result.unimportant) if everything else result.findings
    console.print(_heading(result))
    if matches:
        console.print(Group(*_findings(matches)))
    console.print(Group(*_closing(result, everything=everything)))


def _plain(text: str) -> str:
    """Foreign text must not move the cursor or colour the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _heading(result: ScanResult) -> RenderableType:
    distro = result.inventory.distro
    system = (distro.name or distro.key) if distro else "no distribution"
    counts = ", ".join(f"{row.packages} {row.ecosystem}" for row in result.inventory.coverage if row.state == "read")
    lines = Text()
    lines.append(_plain(result.subject), style="bold")
    lines.append(f"\n{_plain(system)}")
    lines.append(f" · {result.platform}" if result.platform else "")
    lines.append(f" · packages: {counts or 'none'}")
    return lines


def _findings(matches: Iterable[Match]) -> Iterable[RenderableType]:
    """A line for each package that is updated as one, and under it a row for each vulnerability."""
    groups = [(group, [_row(match) for match in group]) for group in _grouped(matches)]
    widths = [max(len(row[column].plain) for _, rows in groups for row in rows) for column in range(4)]
    for group, rows in groups:
        yield Text()
        yield _package_line(group)
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=1)
        for width in widths:
            table.add_column(min_width=min(width, 24), max_width=40, overflow="fold")
        table.add_column(overflow="fold")
        for row in rows:
            table.add_row("", *row)
        yield table


def _package_line(group: list[Match]) -> Text:
    package = group[0].package
    line = Text()
    line.append(_plain(package.source_name or package.name), style="bold")
    line.append(f" {_plain(package.source_version or package.version)}")
    names = sorted({match.package.name for match in group} - {package.source_name})
    if names:
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        line.append(f"  ({_plain(', '.join(names[:4]))}{more})", style="dim")
    if not package.distro and package.location:
        line.append(f"  {_plain(package.location)}", style="dim")
    if getattr(package, "confidence", "high") == "low":
        line.append("  low confidence: its name or version is guessed", style="yellow")
    if package.owned_by:
        line.append(f"  shipped by {_plain(package.owned_by)}", style="dim")
    return line


def _row(match: Match) -> tuple[Text, Text, Text, Text, Text]:
    return (
        Text("security update" if match.update_pending else _plain(match.vulnerability)),
        Text(match.severity.value, style=_STYLES[match.severity]),
        Text(_plain(match.severity_source), style="dim"),
        Text(f"→ {_plain(match.fixed_version)}") if match.fixed_version else Text(_status(match), style="dim"),
        _marks(match),
    )


def _status(match: Match) -> str:
    return f"no fix ({_plain(match.status)})" if match.status else "no fix"


def _grouped(matches: Iterable[Match]) -> list[list[Match]]:
    """Findings by what is updated together: source package and version; one row a vulnerability and its fix."""
    groups: dict[tuple[str, ...], dict[tuple[str, str], Match]] = {}
    for match in matches:
        package = match.package
        place = "" if package.distro else package.location
        key = (package.ecosystem, package.source_name or package.name, package.source_version or package.version, place)
        groups.setdefault(key, {}).setdefault((match.vulnerability, match.fixed_version), match)
    return [list(group.values()) for group in groups.values()]


def _marks(match: Match) -> Text:
    marks = Text()
    if match.exploited:
        marks.append("exploited ", style="bold red")
    if match.epss is not None and match.epss >= 0.1:
        marks.append(f"likely {match.epss:.0%} ", style="yellow")
    if match.confidence.value == "low":
        marks.append("low confidence ", style="dim")
    return marks


def _closing(result: ScanResult, *, everything: bool) -> Iterable[RenderableType]:
    yield Text()
    yield _totals(result)
    if result.unimportant and not everything:
        yield Text(f"{len(result.unimportant)} more that the vendor calls unimportant (--all lists them).", style="dim")
    for problem in result.why_not_assessable:
        yield Text(f"NOT ASSESSED: {_plain(problem.what)}: {_plain(problem.reason)}.", style="bold magenta")
    yield from _checks(result)
    yield from _problems([one for one in result.not_assessed if one not in result.why_not_assessable])
    yield from _data(result)


def _totals(result: ScanResult) -> Text:
    line = Text()
    if not result.findings:
        return line.append("No finding." if result.assessable else "No finding, but see below.", style="bold")
    line.append(f"{len(result.findings)} findings: ", style="bold")
    for severity, count in result.counts.items():
        if count:
            line.append(f"{count} {severity.value}", style=_STYLES[severity])
            line.append("  ")
    fixable = sum(bool(match.fixed_version) for match in result.findings)
    return line.append(f"· {fixable} with a fix")


def _checks(result: ScanResult) -> Iterable[RenderableType]:
    """Secrets and settings: shown, not counted among the findings of packages."""
    if result.checks:
        yield Text(f"Secrets and settings ({len(result.checks)}):", style="bold")
    for check in result.checks[:_PROBLEMS]:
        yield Text("  ").append(check.severity.value, style=_STYLES[check.severity]).append(f"  {_plain(check.title)}")
    if len(result.checks) > _PROBLEMS:
        yield Text(f"  and {len(result.checks) - _PROBLEMS} more (--output json lists them)")


def _problems(problems: list[NotAssessed]) -> Iterable[RenderableType]:
    if problems:
        yield Text(f"Not assessed ({len(problems)}):", style="magenta")
    for problem in problems[:_PROBLEMS]:
        where = f"{problem.ecosystem}: " if problem.ecosystem else ""
        yield Text(f"  {where}{_plain(problem.what)}: {_plain(problem.reason)}")
    if len(problems) > _PROBLEMS:
        yield Text(f"  and {len(problems) - _PROBLEMS} more (--output json lists them)")


def _data(result: ScanResult) -> Iterable[RenderableType]:
    """Kind and age of the data behind the answer, and what would make it better."""
    used = {name for item in result.report.coverage for name in item.feeds}
    used |= {feed.name for feed in result.report.needed}
    dated = [
        feed for feed in result.feeds if feed.name in used and feed.data_date and feed.state is not FeedState.ABSENT
    ]
    if dated:
        parts = (f"{feed.name} {feed.state.value}, {age(feed.data_date, result.scanned_at)} old" for feed in dated)
        yield Text("Data: " + "; ".join(parts), style="dim")
    if result.starter_feeds:
        names = ", ".join(feed.name for feed in result.starter_feeds)
        yield Text(f"Only built-in starter data for {names}: it knows a few advisories, not all.", style="bold yellow")
    if result.report.needed:
        size = sum(feed.download_bytes for feed in result.report.needed) / 1_000_000
        names = " ".join(feed.name for feed in result.report.needed)
        yield Text(
            f"For a full answer: pratique advisories sync {names}   (about {size:.0f} MB, or --fetch)", style="yellow"
        )
