"""What is wrong with an image besides its packages, as findings to be: one a rule and location, never a value in it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from pratique.core.findings.types import Severity
from pratique.core.redaction import redact
from pratique.inventory.secrets.rules import KINDS
from pratique.inventory.types import ImageInventory, PlacedSecret
from pratique.scan.configured_secrets import NAMED, Configured, configured_secrets
from pratique.scan.image_settings import image_settings

_MOST: Final = 500
_PLACES: Final = 50
_STEP: Final = 400
_MEDIUM: Final = frozenset(("jwt", NAMED))


class ImageCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One finding of an image, without the lineage that it gets where the image lies."""

    rule: str
    location: str
    title: str
    severity: Severity
    action: str
    remediation: str
    evidence: dict[str, Any] = {}


def image_checks(
    inventory: ImageInventory, fingerprint: Callable[[bytes], str] = lambda _digest: ""
) -> tuple[ImageCheck, ...]:
    """All checks of an image, worst first, at most `_MOST`; `fingerprint` keys what the configuration holds."""
    found = (*_in_files(inventory), *_in_configuration(inventory, fingerprint), *_settings(inventory))
    return tuple(sorted(found, key=lambda one: (-one.severity.rank, one.rule, one.location))[:_MOST])


def _in_files(inventory: ImageInventory) -> Iterator[ImageCheck]:
    """One finding a kind and file, of all layers that have it."""
    grouped: dict[tuple[str, str], list[PlacedSecret]] = {}
    for secret in inventory.secrets:
        grouped.setdefault((secret.place.kind, secret.place.path), []).append(secret)
    steps = _steps(inventory)
    for (kind, path), secrets in grouped.items():
        gone = all(secret.deleted for secret in secrets)
        where = f"{path}, deleted by a later layer and still in the image" if gone else path
        yield ImageCheck(
            rule=f"secret-{kind}",
            location=path,
            title=f"{KINDS.get(kind, kind)} in {where}",
            severity=_severity(kind),
            action=f"secret|{kind}",
            remediation=_remedy(gone=gone),
            evidence={"kind": kind, "path": path, "places": _places(secrets, steps), "count": len(secrets)},
        )


def _settings(inventory: ImageInventory) -> Iterator[ImageCheck]:
    for setting in image_settings(inventory):
        yield ImageCheck(
            rule=f"image-{setting.kind}",
            location=setting.location,
            title=setting.title,
            severity=Severity.LOW,
            action=f"image-setting|{setting.kind}",
            remediation=setting.remediation,
            evidence=setting.evidence,
        )


def _places(secrets: Sequence[PlacedSecret], steps: dict[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "line": secret.place.line,
            "layer_index": secret.origin.layer_index,
            "layer": secret.origin.diff_id,
            "created_by": steps.get(secret.origin.layer_index, ""),
            "deleted": secret.deleted,
            "fingerprint": secret.place.fingerprint,
        }
        for secret in secrets[:_PLACES]
    ]


def _steps(inventory: ImageInventory) -> dict[int, str]:
    """The build step of each layer, redacted; nothing where the history does not name each layer once."""
    steps = [step for step in inventory.facts.history if step.layer_index >= 0]
    if len(steps) != len(inventory.diff_ids):
        return {}
    wanted = {secret.origin.layer_index for secret in inventory.secrets}
    return {step.layer_index: redact(step.created_by, limit=_STEP) for step in steps if step.layer_index in wanted}


def _in_configuration(inventory: ImageInventory, fingerprint: Callable[[bytes], str]) -> Iterator[ImageCheck]:
    for secret in configured_secrets(inventory.facts, fingerprint):
        name = KINDS.get(secret.kind, "A value that its name calls secret")
        yield ImageCheck(
            rule=f"secret-{secret.kind}",
            location=secret.location,
            title=f"{name} in {_spoken(secret)}",
            severity=_severity(secret.kind),
            action=f"secret|{secret.kind}",
            remediation=_remedy_in_configuration(secret),
            evidence={"kind": secret.kind, "path": secret.location, "fingerprint": secret.fingerprint},
        )


def _spoken(secret: Configured) -> str:
    if secret.step >= 0:
        return f"build step {secret.step} of the image's history"
    return f"the environment variable {secret.location.rpartition('/')[2]}"


def _severity(kind: str) -> Severity:
    return Severity.MEDIUM if kind in _MEDIUM else Severity.HIGH


def _remedy(*, gone: bool) -> str:
    more = (
        " A later step deletes the file; it stays in the layer that everybody pulls." if gone else ""
    )  # fmt: skip
    return (
        f"Replace the secret where it is valid, for whoever could pull the image has it.{more} Then build without it: "
        "mount it into the step that needs it (`RUN --mount=type=secret`) or give it to the container when it starts."
    )


def _remedy_in_configuration(secret: Configured) -> str:
    how = (
        "pass it to the build as `RUN --mount=type=secret`, never as ARG or in a command"
        if secret.step >= 0
        else "give the variable to the container when it starts, from the vault or an orchestrator's secret"
    )
    return f"Replace the secret where it is valid, for whoever can pull the image can read it. Then {how}."
