"""`pratique exempt`: accept a finding for a time, with reason and approver; list and withdraw."""

import datetime as dt
import re
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pratique.cli.durations import seconds_of
from pratique.cli.output import Output, OutputOption, emit, emit_json
from pratique.core.errors import Invalid


class _AddByDefault(TyperGroup):
    """`pratique exempt CVE-… …` is `pratique exempt add CVE-… …`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            args = ["add", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(help="Accept a finding for a time, with reason and approver.", cls=_AddByDefault)

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@app.callback()
def exempt() -> None:
    """Accept a finding for a time: `pratique exempt CVE-2023-44487 --repository team/app --reason … --expires 7d`."""


@app.command()
def add(
    rule: Annotated[str, typer.Argument(help="CVE or another name of the vulnerability.")],
    *,
    repository: Annotated[str, typer.Option(help="Repository; with '/' at its end all below it.")] = "",
    image: Annotated[str, typer.Option(help="An image: its repository is meant, as findings outlive a build.")] = "",
    everywhere: Annotated[bool, typer.Option("--everywhere", help="In all repositories.")] = False,
    package: Annotated[str, typer.Option(help="Only in this package: purl without version.")] = "",
    reason: Annotated[str, typer.Option(help="Why this can be accepted, in a few words.")],
    expires: Annotated[str, typer.Option(help="When it ends: 30m, 12h, 7d, 2w, or a date such as 2027-01-31.")],
    approver: Annotated[str, typer.Option(help="Who agreed; default: whoever calls.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Accept it although no open finding matches yet.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Accept a finding for a time; gates have moved when the command returns."""
    from pratique.cli.client import connect

    body = {
        "rule": rule,
        "repository": _place(repository, image, everywhere=everywhere),
        "location": package,
        "reason": reason,
        "approver": approver,
        "force": force,
        "lifetime": lifetime(expires, dt.datetime.now(dt.UTC)),
    }
    with connect() as client:
        found = client.post("/api/v1/exemptions", json=body, timeout=120.0).json()
    if output is Output.JSON:
        emit_json(found)
        return
    print(
        f"{found['id']}: {found['rule']} is accepted in {found['repository'] or 'all repositories'}"
        f" until {_instant(found['expires_at'])}; {_again(found['decided'])}"
    )


@app.command("list")
def list_exemptions(*, output: OutputOption = Output.TABLE) -> None:
    """List exemptions, newest first."""
    from pratique.cli.client import connect

    with connect() as client:
        rows = client.get("/api/v1/exemptions", params={"limit": 500}).json()["items"]
    for row in rows:
        row["until"] = _instant(row["revoked_at"] or row["expires_at"])
        row["state"] = "withdrawn" if row["revoked_at"] else "ended" if _ended(row) else "in force"
    emit(rows, ["id", "rule", "repository", "state", "until", "approver", "reason"], output)


@app.command()
def remove(identity: Annotated[str, typer.Argument(help="Id, as `pratique exempt list` shows it.")]) -> None:
    """Withdraw an exemption; gates have moved when the command returns."""
    from pratique.cli.client import connect

    with connect() as client:
        found = client.delete(f"/api/v1/exemptions/{identity}", timeout=120.0).json()
    print(f"{found['id']}: withdrawn; {_again(found['decided'])}")


def lifetime(text: str, now: dt.datetime) -> float:
    """Return seconds from `now`: of `7d`, or until the end of a date; raises Invalid."""
    if not _DATE.fullmatch(text):
        return seconds_of(text)
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text} is no date", remedy="write a date such as 2027-01-31, or a span such as 7d") from None
    end = dt.datetime.combine(day, dt.time.max, dt.UTC)
    if end <= now:
        raise Invalid(f"{text} is over", remedy="name a date in the future")
    return (end - now).total_seconds()


def _place(repository: str, image: str, *, everywhere: bool) -> str:
    if sum((bool(repository), bool(image), everywhere)) != 1:
        raise Invalid("where is the finding accepted?", remedy="give one of --repository, --image and --everywhere")
    if image:
        from pratique.cli.status import own_image

        return own_image(image)[0]
    return repository


def _again(images: int) -> str:
    return "1 image was decided about again" if images == 1 else f"{images} images were decided about again"


def _ended(row: dict[str, Any]) -> bool:
    return bool(row["expires_at"] <= dt.datetime.now(dt.UTC).timestamp() * 1_000_000)


def _instant(micros: int) -> str:
    return dt.datetime.fromtimestamp(micros / 1_000_000, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
