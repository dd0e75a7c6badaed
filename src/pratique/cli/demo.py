"""`pratique demo`: build images from real packages and take them through the real path."""

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pratique.cli.exits import Exit

if TYPE_CHECKING:
    from pratique.demo.images import Collection

app = typer.Typer(help="Build demo images and take them through the real path.")


@app.command()
def demo(
    *,
    mirror: Annotated[str, typer.Option(help="Debian mirror (holds dists/ and pool/); default: the host's own.")] = "",
    security_mirror: Annotated[str, typer.Option(help="Its security suite; default: the same with -security.")] = "",
    offline: Annotated[bool, typer.Option("--offline", help="Use only what an earlier run has fetched.")] = False,
    build_only: Annotated[bool, typer.Option("--build-only", help="Only build the images; no server needed.")] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Remove the demo: images, accounts, downloads.")] = False,
) -> None:
    """Show the main job on real input: exit code 0 when everything went as it should, 1 when not."""
    from pratique.core.settings import load

    folder = load().data.directory / "demo"
    if clean:
        _clean(folder)
        return
    if not build_only:
        _require_server()
    images = _build(folder, mirror, security_mirror, offline=offline)
    if build_only:
        layout = folder / "layout"
        print(f"as an OCI layout: skopeo copy oci:{layout}:{images.images[0].name} …")
        return
    raise typer.Exit(_tell(images))


def _require_server() -> None:
    """Fail before minutes of work, not after them."""
    from pratique.cli.client import connect

    with connect():
        return


def _build(folder: Path, mirror: str, security_mirror: str, *, offline: bool) -> "Collection":
    from pratique.cli.progress import TerminalReporter
    from pratique.demo.images import RELEASE, build
    from pratique.demo.sources import archives

    found = archives(RELEASE, mirror, security_mirror)
    with TerminalReporter() as reporter:
        images = build(found, folder, reporter, offline=offline)
    for image in images.images:
        print(f"built {image.name}: {image.title}, {image.size / 1_000_000:.0f} MB in {len(image.layers)} layers")
    for note in images.notes:
        print(f"note: {note}")
    return images


def _tell(images: "Collection") -> Exit:
    """Tell the story step by step."""
    from pratique.cli.client import connect, console_address, registry_host, trust_of
    from pratique.core.progress import NullReporter
    from pratique.core.settings import load
    from pratique.demo.accounts import account
    from pratique.demo.client import RegistryClient
    from pratique.demo.story import Story, closing

    wrong = 0
    with ExitStack() as stack:
        settings = load()
        management = stack.enter_context(connect(settings))
        address, trust = f"https://{registry_host(settings)}", trust_of(settings)
        pusher = RegistryClient(address, trust, stack.enter_context(account(management, "demo-pusher", "AcrPush")))
        reader = RegistryClient(address, trust, stack.enter_context(account(management, "demo-reader", "AcrPull")))
        stack.callback(pusher.close)
        stack.callback(reader.close)
        story = Story(management, pusher, reader, NullReporter())
        for number, step in enumerate(story.tell(images), 1):
            wrong += not step.as_told
            print(f"{number}. {step.title}\n   {step.told}")
            if not step.as_told:
                print(f"   NOT AS EXPECTED: {step.expected} was expected")
        print(f"\nThe page that says what to do: {console_address(settings)}/recommendations")
        for note in sorted(story.notes):
            print(f"note: {note}")
        for line in closing(registry_host(settings)):
            print(line)
    return Exit.NO if wrong else Exit.DONE


def _clean(folder: Path) -> None:
    from pratique.cli.client import connect, registry_host, trust_of
    from pratique.core.settings import load
    from pratique.demo.accounts import account
    from pratique.demo.cleaning import delete_images

    settings = load()
    with connect(settings) as management, account(management, "demo-cleaner", "AcrDelete") as cleaner:
        count = delete_images(management, f"https://{registry_host(settings)}", trust_of(settings), cleaner)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"removed {count} images and {folder}")
