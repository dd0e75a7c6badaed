"""What to do about a recommendation, with lines that can be copied.

Names of packages are foreign text: a line holds one only if it has no character with a meaning to a shell.
"""

import re

from pratique.recommendations.actions import Action, Kind
from pratique.recommendations.titles import place_name
from pratique.recommendations.types import Step

_PACKAGE = re.compile(r"(?:@[a-z0-9._-]+/)?[A-Za-z0-9][A-Za-z0-9.+_-]*")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~_-]*")
REBUILD = Step("Build and push the image. It is judged on arrival, and its gate opens by itself.")
CANNOT_NAME = Step(
    "The name or version of this package is not a plain word: read it in the evidence and do not paste it."
)


def steps_of(action: Action, fix: str, binaries: tuple[str, ...] = ()) -> tuple[Step, ...]:
    """Return the steps in order; `binaries` are the installed packages of a source package, as far as known."""
    makers = {
        Kind.OS_UPDATE: lambda: _system(action, fix, binaries),
        Kind.APP_UPDATE: lambda: _application(action, fix),
        Kind.AWAIT_FIX: lambda: _await(action),
        Kind.LOAD_DATA: _load,
        Kind.REBUILD_SUPPORTED: lambda: _supported(action),
        Kind.NOT_ASSESSED: _explain,
    }
    maker = makers.get(action.kind)
    return maker() if maker else (Step("Follow the remedy in the evidence below."), REBUILD)


def _system(action: Action, fix: str, binaries: tuple[str, ...]) -> tuple[Step, ...]:
    names = binaries or (action.name,)
    if not all(_PACKAGE.fullmatch(name) for name in names):
        return CANNOT_NAME, REBUILD
    listed = " ".join(names)
    version = f" {fix} or later" if fix else ""
    system = action.place.partition(":")[0]
    if system == "alpine":
        line = f"RUN apk add --no-cache --upgrade {listed}"
    else:
        line = f"RUN apt-get update && apt-get install -y --only-upgrade {listed} && rm -rf /var/lib/apt/lists/*"
    return Step(
        f"Add this line to the Dockerfile; {place_name(action.place)} has{version or ' an update'}.", line
    ), REBUILD


def _application(action: Action, fix: str) -> tuple[Step, ...]:
    if not _PACKAGE.fullmatch(action.name) or (fix and not _VERSION.fullmatch(fix)):
        return CANNOT_NAME, REBUILD
    lines = {
        "pypi": f"pip install --upgrade '{action.name}>={fix}'",
        "npm": f"npm install '{action.name}@>={fix}'",
    }
    line = lines.get(action.place, "")
    return Step(f"Raise {action.name} to {fix} or later where its version is pinned.", line), REBUILD


def _await(action: Action) -> tuple[Step, ...]:
    return (
        Step(
            f"{place_name(action.place)} has published no fix for {action.name}. When it does, this changes by itself."
        ),
        Step("Remove the package if the image does not need it: what is not there needs no fix."),
        Step("If it has to stay, exempt it with a reason and an end.", href="/exemptions/new", link="New exemption"),
    )


def _load() -> tuple[Step, ...]:
    return (
        Step(
            "Fetch the data: images are judged again at once, and none is read again.",
            "pratique advisories sync",
            "/advisories",
            "Advisory data",
        ),
        Step("On a closed network, carry a signed bundle over:", "pratique advisories import advisories.bundle"),
    )


def _supported(action: Action) -> tuple[Step, ...]:
    return (
        Step(f"{place_name(action.place)} gets no advisories: nobody says what is wrong with its packages."),
        Step("Change FROM to a release that is supported, then build again.", "podman build --pull=always ."),
        REBUILD,
    )


def _explain() -> tuple[Step, ...]:
    return (
        Step("The evidence below says what could not be read, and why. As long as it cannot, nothing is known of it."),
        Step(
            "Repair that in the image and push it again, or have the image assessed again:",
            "pratique status REFERENCE --wait",
        ),
    )
