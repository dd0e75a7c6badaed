"""What a recommendation is called, from its action."""

from pratique.recommendations.actions import Action, Kind

_DISTRIBUTIONS = {"debian": "Debian", "alpine": "Alpine", "ubuntu": "Ubuntu"}
_ECOSYSTEMS = {"pypi": "Python", "npm": "npm", "deb": "Debian", "apk": "Alpine"}

_SETTINGS = {
    "runs-as-root": "Let images run as a user without privileges",
    "privileged-files": "Take setuid and setgid off files that do not need it",
    "open-files": "Take away everybody's right to write to files",
    "exposed-port": "Expose no port of a remote shell or database",
    "package-cache": "Leave caches of package managers out of images",
}


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
        Kind.SECRET: f"Replace secrets and take them out of images: {action.place.replace('-', ' ')}",
        Kind.IMAGE_SETTING: _SETTINGS.get(action.place, ""),
    }
    return titles.get(action.kind) or fallback or action.text
