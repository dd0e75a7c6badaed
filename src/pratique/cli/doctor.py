"""Say what is missing on this machine and how to get it."""

import typer

from pratique.cli.exits import Exit
from pratique.cli.output import Output, OutputOption, emit_json
from pratique.core.settings import load

app = typer.Typer()


@app.command()
def examine(output: OutputOption = Output.TABLE) -> None:
    """Look at machine, server and clients; for what is missing say how to get it.

    Ends with exit code 1 if something fails that Pratique cannot do without; warnings do not count.
    """
    from pratique.cli.diagnosis import CHECKS, State

    settings = load()
    results = [(check.name, check.run(settings)) for check in CHECKS]
    if output is Output.JSON:
        emit_json([{"check": name, "state": r.state, "found": r.found, "remedy": r.remedy} for name, r in results])
    else:
        for name, result in results:
            print(f"{result.state:5} {name:14} {result.found}")
            if result.remedy:
                print(f"{'':20} -> {result.remedy}")
    if any(result.state is State.FAIL for _, result in results):
        raise typer.Exit(Exit.NO)
