"""`pratique status`: whether an image may be pulled and why; without one, how the server runs."""

import sys
import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from pratique.cli.exits import Exit
from pratique.cli.output import Output, OutputOption, emit, emit_json
from pratique.core.errors import Denied, Invalid, NotFound

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
    repository, reference = own_image(image)
    found = ask(repository, reference, timeout if wait else 0.0)
    found["base"] = base_of(repository, reference)
    if findings:
        found["findings"] = list_findings(repository, reference)
    if output is Output.JSON:
        emit_json(found)
    else:
        _print(found)
        if findings:
            emit([_row(item) for item in found["findings"]], _COLUMNS, output)
    raise typer.Exit(_ANSWERS[found["state"]])


def own_image(image: str) -> tuple[str, str]:
    """Return repository and tag or digest of an image of this installation; raises Invalid for another host's."""
    from pratique.cli.client import registry_host
    from pratique.core.settings import load

    settings = load()
    host = host_named(image)
    here = registry_host(settings)
    port = here.rpartition(":")[2]
    names = {settings.server.domain, settings.server.host_of("registry"), "localhost", *settings.server.extra_hosts}
    if host and host not in {name for each in names for name in (each, f"{each}:{port}")}:
        raise Invalid(
            f"{host} is not this installation: its registry is {here}.",
            remedy=f"leave the host out, or name {here}; for an image elsewhere: pratique scan {image}",
        )
    return parse_image(image)


def host_named(image: str) -> str:
    """Return the host that an image is named with, as container clients tell it from a repository; '' for none."""
    first, slash, _ = image.partition("/")
    return first if slash and (":" in first or "." in first or first == "localhost") else ""


def parse_image(image: str) -> tuple[str, str]:
    """Return repository and tag or digest; `localhost:8443/team/app` is `team/app:latest`."""
    image = image.removeprefix(f"{host}/") if (host := host_named(image)) else image
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


def base_of(repository: str, reference: str) -> dict[str, Any] | None:
    """Return what an image was built on; None where that is not known, or not for the caller to know."""
    from pratique.cli.client import connect

    path = f"/api/v1/images/{quote(repository)}/manifests/{quote(reference, safe=':')}/base"
    with connect() as client:
        try:
            found: dict[str, Any] = client.get(path).json()
        except (Denied, NotFound):
            return None
    return found if found["base"] else None


def _base_line(found: dict[str, Any] | None) -> str:
    """Say what an image was built on, what came with that, and what to build on instead."""
    if found is None:
        return ""
    build, counts = found["build"] or {}, found["findings"]
    name = f"{build['repository']}:{build['tag']}".rstrip(":") if build else "an image that you may not see"
    line = f"{name}; {counts['from_base']} findings came with it, {counts['own']} did not"
    if build.get("target_tag"):
        return f"{line}; build on {build['repository']}:{build['target_tag']} instead: {counts['settled']} end"
    return f"{line}; {build['why_not']}" if build.get("why_not") else line


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
        ("base", _base_line(found["base"])),
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
