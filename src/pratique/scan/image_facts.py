"""What is kept of an image besides its packages: configuration, coverage, and the checks that found something."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pratique.inventory.types import ImageInventory
from pratique.scan.image_checks import ImageCheck


def stored_facts(inventory: ImageInventory, checks: Sequence[ImageCheck]) -> dict[str, Any]:
    """What is kept of the configuration. The environment may hold secrets, and is left out."""
    facts = inventory.facts
    return {
        "os": facts.os,
        "architecture": facts.architecture,
        "variant": facts.variant,
        "created": facts.created,
        "user": facts.user,
        "ports": list(facts.exposed_ports),
        "diff_ids": list(inventory.diff_ids),
        "distro": inventory.distro.key if inventory.distro else "",
        "coverage": [
            {"ecosystem": item.ecosystem, "state": item.state, "packages": item.packages, "reason": item.reason}
            for item in inventory.coverage
        ],
        "not_assessed": [
            {"what": item.what, "reason": item.reason, "code": item.code, "scope": item.scope}
            for item in inventory.not_assessed[:200]
        ],
        "privileged": len(inventory.privileged),
        "checks": msgspec.to_builtins(checks),
    }


def checks_of(facts: Mapping[str, Any] | None) -> list[ImageCheck]:
    """The checks of an image, out of its stored facts; none of facts that an older version stored."""
    return msgspec.convert((facts or {}).get("checks", []), type=list[ImageCheck])
