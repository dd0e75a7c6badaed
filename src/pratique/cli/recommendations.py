"""`pratique recommendations`: what to do next, most useful first."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pratique.cli.output import Output, OutputOption, emit, emit_json


class _ListByDefault(TyperGroup):
    """`pratique recommendations --exploited` is `pratique recommendations list --exploited`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(help="List what to do next, most useful first.", cls=_ListByDefault)

COLUMNS = ("id", "risk", "what", "findings", "exploited", "likely", "images", "due")
_SEVERITIES = ("critical", "high", "medium", "low", "negligible", "unknown")


@app.command("list")
def list_(
    *,
    severity: Annotated[list[str] | None, typer.Option(help="Only with findings of this severity; repeatable.")] = None,
    exploited: Annotated[bool, typer.Option("--exploited", help="Only what is known to be exploited.")] = False,
    fixable: Annotated[bool, typer.Option("--fixable", help="Only what has a fix.")] = False,
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind, such as os-update; repeatable.")] = None,
    state: Annotated[str, typer.Option(help="open, overdue, not-assessed or exempted.")] = "",
    repository: Annotated[str, typer.Option(help="Only of this repository, or below it.")] = "",
    search: Annotated[str, typer.Option("--search", "-s", help="Part of a package, CVE or image.")] = "",
    sort: Annotated[str, typer.Option(help="risk, severity, images, newest or due.")] = "risk",
    limit: Annotated[int, typer.Option(help="How many lines.", min=1, max=500)] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """List what to do, worst first; what is not assessed is listed apart from what is clean."""
    from pratique.cli.client import connect

    wanted = {
        "severity": severity or None,
        "exploited": "true" if exploited else None,
        "fixable": "true" if fixable else None,
        "kind": kind or None,
        "state": state or None,
        "repository": repository or None,
        "q": search or None,
        "sort": sort,
        "limit": limit,
    }
    with connect() as client:
        found = client.get(
            "/api/v1/recommendations", params={name: value for name, value in wanted.items() if value is not None}
        ).json()
        summary = client.get("/api/v1/recommendations/summary").json()
    if output is Output.JSON:
        emit_json({**found, "summary": summary})
        return
    emit([_line(item) for item in found["items"]], COLUMNS, output)
    for line in _tail(found, summary):
        print(line)


@app.command()
def show(
    recommendation: Annotated[str, typer.Argument(help="Id, as the list shows it.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Show one: what to do, where, and the evidence."""
    from pratique.cli.client import connect

    with connect() as client:
        item = client.get(f"/api/v1/recommendations/{recommendation}").json()
        found = client.get("/api/v1/findings", params={"recommendation": recommendation, "limit": 50}).json()
    if output is Output.JSON:
        emit_json({**item, "findings": found["items"]})
        return
    print(f"{_plain(item['title'])}\nrisk {item['risk']:g} of 100, {_tally(item['counts'])}\n")
    for number, step in enumerate(item["steps"], 1):
        print(f"{number}. {_plain(step['text'])}")
        if step["code"]:
            print("\n".join(f"     {_plain(line)}" for line in step["code"].splitlines()))
    print()
    emit(
        [_evidence(each) for each in found["items"]], ("finding", "severity", "image", "version", "fix", "why"), output
    )


def _line(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": item["id"],
        "risk": f"{item['risk']:g}" if item["severity"] else item["state"],
        "what": item["title"] + (f" -> {item['fix']}" if item["fix"] else ""),
        "findings": _tally(item["counts"]),
        "exploited": bool(item["counts"]["exploited"]),
        "likely": "-" if item["likelihood"] is None else f"{item['likelihood'] * 100:.0f} %",
        "images": item["images"],
        "due": _day(item["due"]),
    }


def _tail(found: dict[str, Any], summary: dict[str, Any]) -> list[str]:
    """Say what the table does not: how many there are, what nobody could assess, and where to begin."""
    counts, score = summary["counts"], summary["score"]
    lines = []
    if not found["items"]:
        lines.append(
            "No recommendation matches."
            if summary["recommendations"]
            else "No image was assessed yet: push one, or try `pratique demo`."
            if not score["repositories"]
            else "Nothing to do."
        )
    elif found["total"] > len(found["items"]):
        lines.append(f"{found['total'] - len(found['items'])} more: raise --limit, or narrow the list.")
    if counts["not_assessed"]:
        lines.append(f"{counts['not_assessed']} findings are not assessed, which is not clean: --state not-assessed")
    if score["value"] is not None:
        lines.append(f"Score {score['value']:g} of 100 over {score['repositories']} repositories.")
    return lines


def _tally(counts: dict[str, int]) -> str:
    parts = [f"{counts[name]} {'unrated' if name == 'unknown' else name}" for name in _SEVERITIES if counts[name]]
    parts += [f"{counts[name]} {name.replace('_', ' ')}" for name in ("not_assessed", "exempted") if counts[name]]
    return ", ".join(parts) or "none open"


def _evidence(found: dict[str, Any]) -> dict[str, Any]:
    proof = found["evidence"]
    return {
        "finding": found["aliases"][0] if found["aliases"] else found["rule"],
        "severity": found["severity"] if found["state"] == "affected" else "not assessed",
        "image": f"{found['lineage'].removeprefix('registry/')}@{found['digest'][:19]}",
        "version": found["version"],
        "fix": found["fix"],
        "why": proof.get("comparison") or proof.get("reason") or proof.get("range") or "",
    }


def _day(micros: int | None) -> str:
    import datetime as dt

    return "-" if micros is None else dt.datetime.fromtimestamp(micros / 1_000_000, tz=dt.UTC).date().isoformat()


def _plain(text: str) -> str:
    """Foreign text must not move the cursor or colour the terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
