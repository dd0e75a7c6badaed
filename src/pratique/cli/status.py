"""`pratique status`: whether an image may be pulled and why; without one, how the server runs."""

import sys
import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from pratique.cli.exits import Exit
from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="Say whether an image may be pulled, and why; without an image, how the server runs.")

_ANSWERS = {"open": Exit.DONE, "refused": Exit.NO, "held": Exit.UNDECIDED}
_LONGEST_WAIT = 25.0
_SHOWN = 10


@app.command()
def status(
    image: Annotated[str, typer.Argument(help="REPOSITORY:TAG or REPOSITORY@DIGEST, with or without a host.")] = "",
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until there is an answer.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most, with --wait.", min=0)] = 300.0,
    findings: Annotated[bool, typer.Option("--findings", help="List every finding of the image as well.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say whether an image may be pulled: exit code 0 open, 1 refused, 6 held or no answer in time."""
    if not image:
        from pratique.cli.up import show_report

        show_report(output)
        return
    repository, reference = parse_image(image)
    found = ask(repository, reference, timeout if wait else 0.0)
    if findings:
        found["findings"] = list_findings(repository, reference)
    if output is Output.JSON:
        emit_json(found)
    else:
        _print(found)
        if findings:
            emit([_row(item) for item in found["findings"]], _COLUMNS, output)
    raise typer.Exit(_ANSWERS[found["state"]])


def parse_image(image: str) -> tuple[str, str]:
    """Return repository and tag or digest; `localhost:8443/team/app` is `team/app:latest`."""
    first, slash, rest = image.partition("/")
    if slash and (":" in first or "." in first or first == "localhost"):
        image = rest
    name, at, digest = image.partition("@")
    if at:
        return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name, digest
    head, slash, last = image.rpartition("/")
    last, _, tag = last.partition(":")
    return head + slash + last, tag or "latest"


def ask(repository: str, reference: str, timeout: float) -> dict[str, Any]:
    """Return how an image stands; asks again until it is settled or the time is over."""
    from pratique.cli.client import connect

    end = time.monotonic() + timeout
    path = f"/api/v1/images/{quote(repository)}/manifests/{quote(reference, safe=':')}/status"
    with connect() as client:
        while True:
            left = max(0.0, end - time.monotonic())
            patience = min(left, _LONGEST_WAIT)
            answer = client.get(path, params={"wait": patience}, timeout=patience + 30.0)
            found: dict[str, Any] = answer.json()
            if found["settled"] or time.monotonic() >= end:
                return found


def list_findings(repository: str, reference: str) -> list[dict[str, Any]]:
    """Return all that is known against an image, worst first."""
    from pratique.cli.client import connect

    path = f"/api/v1/images/{quote(repository)}/manifests/{quote(reference, safe=':')}/findings"
    with connect() as client:
        items: list[dict[str, Any]] = client.get(path, timeout=120.0).json()["items"]
    return items


_COLUMNS = ("vulnerability", "severity", "exploited", "package", "version", "fix", "state")


def _row(item: dict[str, Any]) -> dict[str, Any]:
    package = item["location"].rpartition("/")[2]
    return {**item, "vulnerability": (item["aliases"] or [item["rule"]])[0], "package": package}


def _print(found: dict[str, Any]) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in found["severities"].items())
    coverage = found["coverage"]
    fields = [
        ("image", f"{found['repository']}@{found['digest']}"),
        ("answer", found["summary"]),
        ("what to do", found["remedy"].removeprefix("or ")),
        ("findings", counts or "none"),
        ("assessed", f"{coverage['assessed']} of {coverage['packages']} packages"),
        ("more", found["link"]),
    ]
    emit([{"field": name, "value": value} for name, value in fields if value], ["field", "value"], Output.TABLE)
    for reason in found["reasons"][:_SHOWN]:
        mark = "exempted" if reason["exempted_by"] else reason["kind"]
        print(f"  {mark}: {reason['text']}; {reason['remedy']}")
    sys.stdout.flush()
    for note in found["notes"]:
        print(f"note: {note}", file=sys.stderr)
    if needed := found["data"]["needed"]:
        names = " ".join(feed["name"] for feed in needed)
        size = sum(feed["download_bytes"] for feed in needed) / 1_000_000
        print(f"note: for a full answer: pratique advisories sync {names} ({size:.0f} MB)", file=sys.stderr)
