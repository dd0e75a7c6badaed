"""What a recommendation is called, from its action."""

from pratique.recommendations.actions import Action, Kind

_DISTRIBUTIONS = {"debian": "Debian", "alpine": "Alpine", "ubuntu": "Ubuntu"}
_ECOSYSTEMS = {"pypi": "Python", "npm": "npm", "deb": "Debian", "apk": "Alpine"}


def place_name(place: str) -> str:
    """Return `Debian 12` for `debian:12`, `Python` for `pypi`, and any other text as it is."""
    system, _, release = place.partition(":")
    if release:
        return f"{_DISTRIBUTIONS.get(system, system)} {release}"
    return _ECOSYSTEMS.get(place, place)


def title_of(action: Action, fallback: str = "") -> str:
    """Return an imperative sentence; the fallback is the title of a finding, for kinds that are not known here."""
    place = place_name(action.place)
    titles = {
        Kind.BASE_UPGRADE: f"Upgrade the {place} base image",
        Kind.OS_UPDATE: f"Update {action.name} in {place} images",
        Kind.APP_UPDATE: f"Update {action.name} ({place})",
        Kind.AWAIT_FIX: f"No fix yet for {action.name} ({place}): limit exposure, or exempt until there is one",
        Kind.LOAD_DATA: f"Load advisory data for {place}",
        Kind.REBUILD_SUPPORTED: f"Rebuild with a supported release: {place} has no advisories any more",
        Kind.NOT_ASSESSED: f"Find out why this could not be assessed: {action.place.replace('-', ' ')}",
    }
    return titles.get(action.kind) or fallback or action.text
