"""Packages in a distribution's format that are not the distribution's: its feed does not speak of them.

Debian's own packages carry any maintainer's address, so nothing can be told from its absence; known publishers and the
version marks of known archives can be told.
"""

import re

_PUBLISHERS = re.compile(
    r"\b(?:docker\.com|docker inc|nvidia|google (?:cloud|llc|inc)|@google\.com|microsoft|nodesource|mongodb\.com|"
    r"mongodb packaging|elastic(?:search)?\b.*@elastic\.co|@elastic\.co|hashicorp|grafana labs|datadog|influxdata|"
    r"nginx-packaging@|@nginx\.com|@f5\.com|oracle\.com|mysql release engineering|mariadb (?:corporation|developers)|"
    r"percona|gitlab (?:inc|b\.v)|packages@gitlab|newrelic|cloudflare|hetzner|proxmox|citus|timescale|confluent|"
    r"rabbitmq|sensu|puppet(?:labs)?|chef software|@sury\.org|raspberry ?pi|raspbian|kubernetes authors|cri-o|"
    r"dotnetcore|amazon(?:aws)?\.com|snyk|anydesk|slack technologies|brave software|spotify)",
    re.IGNORECASE,
)
_OWN = re.compile(r"@(?:[a-z0-9-]+\.)*debian\.org>?\s*\Z", re.IGNORECASE)
_MARKS = re.compile(
    r"\.pgdg[0-9]|[~+]pgdg|\+rpt[0-9]|\+0~20[0-9]{6}|deb\.sury\.org|~bpo[0-9]|nodesource[0-9]|"
    r"~(?:jammy|noble|focal)\b"
)


def third_party(vendor: str, version: str) -> str:
    """Why a package of a Debian image is not judged by Debian's feed; '' when nothing speaks against it."""
    if "~bpo" in version:
        return "it comes from backports, of which the distribution's tracker does not speak"
    if _MARKS.search(version):
        return "its version is marked as built for another archive"
    if vendor and not _OWN.search(vendor) and _PUBLISHERS.search(vendor):
        return "its maintainer publishes outside the distribution"
    return ""
