"""Base images by name, for those who may see where they lie.

What is stored of an action names no repository; here names are added when an answer is made.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Protocol

from pratique.core.database import Transaction
from pratique.recommendations.actions import Kind
from pratique.recommendations.titles import place_name
from pratique.recommendations.types import Recommendation, Step, Visibility
from pratique.scan.service import BaseUpgrade


class Bases(Protocol):
    """Tells which bases stand behind keys; `scan.service.ScanService` does."""

    def base_upgrades(self, tx: Transaction, keys: Collection[str]) -> dict[str, BaseUpgrade]: ...


class NoBases:
    """Knows none: titles stay general."""

    def base_upgrades(self, tx: Transaction, keys: Collection[str]) -> dict[str, BaseUpgrade]:
        del tx, keys
        return {}


def named(
    tx: Transaction, bases: Bases, items: Iterable[Recommendation], visibility: Visibility
) -> tuple[Recommendation, ...]:
    """Return the recommendations, those about bases with their names where the caller may see the repository."""
    listed = tuple(items)
    keys = {item.action.name for item in listed if item.kind is Kind.BASE_UPGRADE}
    found = bases.base_upgrades(tx, keys) if keys else {}
    return tuple(_named(item, found.get(item.action.name), visibility) for item in listed)


def _named(item: Recommendation, base: BaseUpgrade | None, visibility: Visibility) -> Recommendation:
    if base is None or item.kind is not Kind.BASE_UPGRADE or not visibility.covers(f"registry/{base.repository}"):
        return item
    return replace(item, base=base, title=title_of(base))


def title_of(base: BaseUpgrade) -> str:
    """Return what to do about a base, by name."""
    name = f"{base.repository}:{base.tag}" if base.tag else base.repository
    if not base.target:
        return f"Upgrade base {name}"
    if base.rebuilt:
        return f"Build again on base {name}, which was rebuilt"
    return f"Upgrade base {name} → {base.target_tag}"


def settled(base: BaseUpgrade) -> str:
    """Return in a sentence what the newer build clears, leaves and brings, of all that the base has."""
    compared = base.compared
    before, cleared, left, brought = (
        sum(counts.values()) for counts in (compared.before, compared.cleared, compared.left, compared.brought)
    )
    remains = f"{left} remain" + ("s" if left == 1 else "") if left else "none remains"
    new = f", and it brings {brought} of its own" if brought else ""
    whole = f"the {before} vulnerabilities that come with {base.repository}:{base.tag}"
    return f"It clears {cleared} of {whole}; {remains}{new}."


def steps_of(base: BaseUpgrade | None, registry: str, place: str, rebuild: Step) -> tuple[Step, ...]:
    """Return the steps of an upgrade; `registry` is the host that clients name, '' when it is not known."""
    if base is None or not base.target:
        return (
            Step(
                f"A newer build of the {place_name(place)} base of these images is open in this registry. You may not "
                "see where it lies, or it was just replaced: ask whoever maintains the base, and name it in FROM.",
                "podman build --pull=always --no-cache .",
            ),
            rebuild,
        )
    host = f"{registry}/" if registry else ""
    line = f"FROM {host}{base.repository}:{base.target_tag}"
    if base.rebuilt:
        return (
            Step(
                f"{base.repository}:{base.tag} was rebuilt since. {settled(base)} The line of the Dockerfile stays; "
                "a cached base must not be used:",
                f"{line}\npodman build --pull=always --no-cache .",
            ),
            rebuild,
        )
    return Step(f"Name the newer base in the Dockerfile. {settled(base)}", line), rebuild
