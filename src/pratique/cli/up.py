"""Start, stop and look at the server: `up`, `down`, `ps`, `logs`, `serve`, `worker`."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from pratique.cli.exits import Exit
from pratique.cli.output import Output, OutputOption, emit, emit_json
from pratique.core.settings import Settings, load, load_with_sources

up = typer.Typer()
down = typer.Typer()
ps = typer.Typer()
logs = typer.Typer()
serve = typer.Typer()
worker = typer.Typer()


@up.command()
def start_server(
    *,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay in the foreground and print the logs.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until the server is ready.")] = 60,
) -> None:
    """Start the server and return when it is ready.

    May be run again: a server that runs is left alone, one that runs older code is replaced.
    """
    from pratique.supervisor import control

    loaded = load_with_sources()
    if foreground:
        control.exec_foreground(loaded)
    started = control.start(loaded, timeout=timeout)
    settings = loaded.settings
    print("Pratique runs already." if started.already else f"Pratique is ready after {started.seconds:.1f} s.")
    print(f"  address  {control.address_of(settings)}")
    print(f"  data     {settings.data.directory}")
    for number, line in enumerate(_first_sign_in(settings)):
        print(f"  {'' if number else 'sign in':8} {line}")
    print(f"  next     {_command()} demo")


@down.command()
def stop_server() -> None:
    """Stop the server; requests under way are finished first."""
    from pratique.supervisor import control
    from pratique.supervisor.runfiles import RunFiles

    settings = load()
    stopped = control.stop(RunFiles(settings.data.directory), timeout=settings.server.drain + 15)
    print("Pratique has stopped." if stopped else "Pratique was not running.")


@ps.command()
def show_processes(output: OutputOption = Output.TABLE) -> None:
    """Show the running processes, their memory and health."""
    show_report(output)


def show_report(output: Output) -> None:
    """Print what runs; ends with exit code 1 where the server is not ready."""
    from pratique.supervisor.report import report

    found = report(load())
    if output is Output.JSON:
        emit_json(found)
    else:
        _print_report(found)
    if not found["ready"]:
        raise typer.Exit(Exit.NO)


def _print_report(found: dict[str, Any]) -> None:
    ready = "ready" if found["ready"] else "not ready"
    stopped = f"Pratique is stopped. Start it: {_starting()}"
    print(f"{found['state']}, {ready}" if found["state"] != "stopped" else stopped)
    for name in ("address", "data"):
        if name in found:
            print(f"  {name:8} {found[name]}")
    if found["processes"]:
        print(f"  {'memory':8} {found['memory'] / 1024**2:.0f} MB\n")
        rows = [{**row, "memory": _megabytes(row["memory"])} for row in found["processes"]]
        emit(rows, ("name", "pid", "state", "restarts", "memory"), Output.TABLE)


def _starting() -> str:
    """Return the command that starts the server: in a clone the one of its Makefile."""
    return "make up" if Path("Makefile").exists() and Path("src/pratique").is_dir() else f"{_command()} up"


def _megabytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1024**2:.1f} MB"


@logs.command()
def print_logs(
    names: Annotated[list[str] | None, typer.Argument(help="Processes: supervisor, keys, api, worker.")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Lines of each log to begin with.")] = 20,
) -> None:
    """Print the logs, and follow them."""
    folder = load().data.directory / "logs"
    files = [file for file in sorted(folder.glob("*.log")) if not names or file.stem in names]
    if not files:
        print(f"There are no logs in {folder}; the server has not been started yet.")
        raise typer.Exit(Exit.NO)
    positions = {file: _print_tail(file, lines) for file in files}
    while follow:
        sys.stdout.flush()
        try:
            time.sleep(0.3)
        except KeyboardInterrupt:
            raise typer.Exit(Exit.DONE) from None
        positions = {file: _print_from(file, position) for file, position in positions.items()}


def _print_tail(file: Path, lines: int) -> int:
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 256 * 1024))
        text = stream.read()
    for line in text.splitlines()[-lines:] if lines else ():
        print(f"{file.stem}: {line.decode(errors='replace')}")
    return file.stat().st_size


def _print_from(file: Path, position: int) -> int:
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            stream.seek(position if size >= position else 0)  # smaller than before: it was rotated
            text = stream.read()
            end = stream.tell()
    except OSError:
        return 0
    for line in text.splitlines():
        print(f"{file.stem}: {line.decode(errors='replace')}", flush=True)
    return end


@serve.command()
def serve_only() -> None:
    """Run only an API process, in the foreground: for machines where others run the rest."""
    _run("api")


@worker.command()
def work_only() -> None:
    """Run only a worker process, in the foreground: for machines where others run the rest."""
    _run("worker")


def _run(name: str) -> None:
    from pratique.supervisor.processes import run

    raise typer.Exit(run(name))


def _first_sign_in(settings: Settings) -> list[str]:
    """Return the lines that tell the first administrator how to sign in, while that can still be used."""
    try:
        file = settings.data.directory / "first-sign-in.txt"
        fresh = time.time() - file.stat().st_mtime < settings.identity.link_lifetime
        return file.read_text().splitlines() if fresh else []
    except OSError:
        return []


def _command() -> str:
    import shutil
    import sys

    if shutil.which("pratique"):
        return "pratique"
    own = Path(sys.executable).with_name("pratique")
    return str(own) if own.exists() else f"{sys.executable} -m pratique"
