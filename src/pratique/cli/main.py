"""The command `pratique`: a table of sub-commands, each loaded only when it is called."""

import sys
from typing import Annotated

import typer
from typer.main import get_command as build_command

import pratique
from pratique.cli.lazy import Entry, Table, lazy_group

COMMANDS: Table = {
    "Look at images": {
        "scan": Entry("pratique.cli.scan", "Read an image, archive, root file system or SBOM; no server needed."),
        "status": Entry("pratique.cli.status", "Say whether an image may be pulled, and why."),
        "recommendations": Entry("pratique.cli.recommendations", "List what to do next, most useful first."),
        "exempt": Entry("pratique.cli.exempt", "Accept a finding for a time, with reason and approver."),
        "demo": Entry("pratique.cli.demo", "Build demo images and take them through the real path."),
        "advisories": Entry("pratique.cli.advisories", "Fetch, import and export advisory feeds."),
        "cache": Entry("pratique.cli.cache", "Fill repositories from other registries when they are pulled."),
        "diff": Entry("pratique.cli.diff", "Compare two images or SBOMs: packages, findings, sizes."),
        "events": Entry("pratique.cli.events", "Read what happened, as CloudEvents, and follow what happens."),
        "explain": Entry("pratique.cli.explain", "Say why an image is, or is not, affected by one vulnerability."),
        "import": Entry("pratique.cli.importing", "Copy an image into this registry, by the server."),
        "verify": Entry("pratique.cli.verify", "Say who signed an image, and whom of them you trust."),
        "webhook": Entry("pratique.cli.webhook", "Have events delivered to an address, signed and in order."),
        "registry": Entry("pratique.cli.registry", "Look at repositories, tags and gates."),
    },
    "Who may do what": {
        "principal": Entry("pratique.cli.principal", "Create and manage service principals and people."),
        "person": Entry("pratique.cli.person", "Manage people, and the providers through which they sign in."),
        "group": Entry("pratique.cli.group", "Create groups and say who belongs to them."),
        "role": Entry("pratique.cli.role", "List roles and what they allow; make roles of your own."),
        "assignment": Entry("pratique.cli.assignment", "Give a role at a scope, and take it away."),
        "access": Entry("pratique.cli.access", "Explain who may do what, take on roles for a time, and review."),
        "login": Entry("pratique.cli.login:login", "Sign in as yourself, here or at another server."),
        "logout": Entry("pratique.cli.login:logout", "End that sign-in."),
        "whoami": Entry("pratique.cli.login:whoami", "Say as whom, and at which server, commands act."),
        "session": Entry("pratique.cli.session", "List and end sessions."),
        "admin": Entry("pratique.cli.admin", "Make a one-time sign-in link on this machine."),
        "audit": Entry("pratique.cli.audit", "Read the audit log and verify that nobody changed it."),
    },
    "Run the server": {
        "up": Entry("pratique.cli.up:up", "Start the server and return when it is ready."),
        "down": Entry("pratique.cli.up:down", "Stop the server; requests under way are finished first."),
        "ps": Entry("pratique.cli.up:ps", "Show the running processes, their memory and health."),
        "logs": Entry("pratique.cli.up:logs", "Print the logs, and follow them."),
        "serve": Entry("pratique.cli.up:serve", "Run only an API process, in the foreground."),
        "worker": Entry("pratique.cli.up:worker", "Run only a worker process, in the foreground."),
        "doctor": Entry("pratique.cli.doctor", "Say what is missing on this machine and how to get it."),
        "trust": Entry("pratique.cli.trust", "Make clients on this machine trust the server's certificate."),
        "encryption": Entry("pratique.cli.encryption", "Encryption of stored blobs with keys of the installation."),
        "config": Entry("pratique.cli.config", "Show, check and explain settings."),
        "upgrade": Entry("pratique.cli.upgrade", "Bring the database to this version, after a snapshot."),
    },
}

app = typer.Typer(
    name="pratique",
    cls=lazy_group(COMMANDS),
    rich_markup_mode=None,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(help="A private registry that scans what is pushed, holds back what is unsafe, and says what to do.")
def root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"pratique {pratique.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


def main(arguments: list[str] | None = None) -> None:
    """Run a command and end the process with a code from `pratique.cli.exits`."""
    try:
        build_command(app).main(args=arguments, prog_name="pratique")
    except Exception as error:  # noqa: BLE001  the outermost edge: everything becomes a message and an exit code
        sys.exit(_report(error))


def _report(error: Exception) -> int:
    from pratique.cli.exits import Exit, exit_code
    from pratique.core.errors import PratiqueError

    if isinstance(error, PratiqueError):
        print(f"pratique: {error.message}", file=sys.stderr)
        if error.remedy:
            print(f"  {error.remedy}", file=sys.stderr)
        return exit_code(error)
    import traceback

    traceback.print_exception(error)
    print("pratique: this is a fault in Pratique; please report it with the lines above", file=sys.stderr)
    return Exit.FAULT


if __name__ == "__main__":
    main()
