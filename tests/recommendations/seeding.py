"""Findings as scans leave them: a small fleet with every case that a page must show."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pratique.core.database import Database, Epochs, Transaction
from pratique.core.findings.store import FindingStore
from pratique.core.findings.types import Finding, Occurrence, Severity
from pratique.recommendations.refresh import Refresher


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def order(scheme: str, version: str) -> bytes:
    """Enough of an order for the versions in these tests."""
    parts = version.replace("-", ".").replace("+", ".").replace("~", ".").split(".")
    return b"".join(part.rjust(12, "0").encode() for part in parts)


@dataclass(frozen=True)
class Flaw:
    """A vulnerability with what a scan says of it."""

    cve: str
    title: str
    severity: Severity
    location: str
    version: str
    fix: str
    action: str
    exploited: bool = False
    likelihood: float | None = None
    source: str = "NVD"
    state: str = "affected"
    evidence: Mapping[str, Any] | None = None

    def at(self, lineage: str, number: int, **changes: Any) -> tuple[str, str, Occurrence]:
        finding = Finding(
            domain="scan",
            rule=f"vg-{self.cve.lower()}",
            lineage=lineage,
            location=self.location,
            title=self.title,
            severity=self.severity,
            severity_source=self.source,
            state=self.state,  # type: ignore[arg-type]
            exploited=self.exploited,
            likelihood=self.likelihood,
            fix=self.fix,
            action=self.action,
            aliases=(self.cve,) if self.cve.startswith("CVE") else (),
        )
        proof = self.evidence if self.evidence is not None else self._proof()
        remedy = f"Update to {self.fix} or later." if self.fix else ""
        found = Occurrence(replace(finding, **changes), digest(number), self.version, proof, remedy)
        return lineage, digest(number), found

    def _proof(self) -> dict[str, Any]:
        return {
            "record": self.cve,
            "feed": "Debian security tracker",
            "url": f"https://security-tracker.debian.org/tracker/{self.cve}",
            "range": f"< {self.fix}" if self.fix else "all versions",
            "comparison": f"{self.version} < {self.fix} (dpkg order)"
            if self.fix
            else f"{self.version}, no fixed version",
            "data_date": "2026-11-22",
            "layer": digest(77),
            "layer_index": 0,
            "created_by": "/bin/sh -c apt-get install -y nginx",
            "ratings": [
                {"source": "NVD", "severity": self.severity.value, "score": 7.5, "vector": "CVSS:3.1/AV:N/AC:L"}
            ],
        }


DEBIAN = "debian:12"
NGINX = Flaw(
    "CVE-2023-44487", "HTTP/2 rapid reset: request cancellation exhausts the server", Severity.HIGH,
    "pkg:deb/debian/nginx", "1.22.1-9", "1.22.1-9+deb12u1", f"os-update|{DEBIAN}|nginx", exploited=True, likelihood=0.944,
)  # fmt: skip
OPENSSL = Flaw(
    "CVE-2024-5535", "SSL_select_next_proto buffer overread", Severity.CRITICAL,
    "pkg:deb/debian/libssl3", "3.0.11-1", "3.0.15-1~deb12u1", f"os-update|{DEBIAN}|openssl", likelihood=0.37,
)  # fmt: skip
OPENSSL_MORE = Flaw(
    "CVE-2024-0727", "PKCS12 decoding crashes on a null pointer", Severity.MEDIUM,
    "pkg:deb/debian/libssl3", "3.0.11-1", "3.0.13-1~deb12u1", f"os-update|{DEBIAN}|openssl", likelihood=0.004,
)  # fmt: skip
DJANGO = Flaw(
    "CVE-2022-28346", "SQL injection through crafted keyword arguments in QuerySet.annotate()", Severity.CRITICAL,
    "pkg:pypi/django", "3.2.0", "3.2.13", "app-update|pypi|django", likelihood=0.62, source="GitHub",
)  # fmt: skip
DJANGO_MORE = Flaw(
    "CVE-2024-24680", "Denial of service in the intcomma template filter", Severity.HIGH,
    "pkg:pypi/django", "3.2.0", "3.2.25", "app-update|pypi|django", likelihood=0.02, source="GitHub",
)  # fmt: skip
MINIMIST = Flaw(
    "CVE-2021-44906", "Prototype pollution in minimist", Severity.CRITICAL,
    "pkg:npm/minimist", "1.2.0", "1.2.6", "app-update|npm|minimist", likelihood=0.01, source="GitHub",
)  # fmt: skip
PERL = Flaw(
    "CVE-2023-31486", "HTTP::Tiny does not verify TLS certificates by default", Severity.LOW,
    "pkg:deb/debian/perl-base", "5.36.0-7", "", f"os-update|{DEBIAN}|perl", likelihood=0.003,
)  # fmt: skip
UNRATED = Flaw(
    "CVE-2026-10007", "A flaw in libexpat that nobody has rated yet", Severity.UNKNOWN,
    "pkg:deb/debian/libexpat1", "2.5.0-1", "2.5.0-1+deb12u2", f"os-update|{DEBIAN}|expat", source="",
)  # fmt: skip
BASE = Flaw(
    "CVE-2024-2961", "iconv() overflows a buffer when it writes ISO-2022-CN-EXT", Severity.HIGH,
    "pkg:deb/debian/libc6", "2.36-9", "2.36-9+deb12u7", f"base-upgrade|{DEBIAN}|{digest(77)}", likelihood=0.93,
)  # fmt: skip
NO_DATA = Flaw(
    "not-assessed-npm", "npm packages: no advisory data", Severity.UNKNOWN,
    "pkg:npm/leftpad", "1.0.0", "", "load-data|npm", state="not-assessed", source="",
    evidence={"reason": "The feed for npm was never fetched."},
)  # fmt: skip
OLD_RELEASE = Flaw(
    "not-assessed-debian-9", "Debian 9 has no advisories any more", Severity.UNKNOWN,
    "", "", "", "rebuild-supported|debian:9", state="not-assessed", source="",
    evidence={"reason": "The release ended on 2022-06-30; nobody publishes advisories for it."},
)  # fmt: skip

HOSTILE = "\"><img src=x onerror=alert(1)><script>alert('x')</script>{{7*7}}${7*7}javascript:alert(1)"
ATTACK = Flaw(
    "CVE-2026-66666", HOSTILE, Severity.MEDIUM, "pkg:npm/" + HOSTILE, HOSTILE, "1.0; rm -rf /", f"app-update|npm|{HOSTILE}",
    evidence={"record": HOSTILE, "url": "javascript:alert(1)", "range": HOSTILE, "created_by": HOSTILE,
              "ratings": [{"source": HOSTILE, "severity": HOSTILE, "score": HOSTILE, "vector": HOSTILE}]},
)  # fmt: skip

FLEET: tuple[tuple[str, int, tuple[Flaw, ...]], ...] = (
    ("registry/team/web", 1, (NGINX, OPENSSL, OPENSSL_MORE, PERL, BASE)),
    ("registry/team/web", 2, (OPENSSL, OPENSSL_MORE, PERL)),
    ("registry/team/shop", 3, (DJANGO, DJANGO_MORE, MINIMIST, OPENSSL, UNRATED, NO_DATA, BASE)),
    ("registry/team/api", 4, (OPENSSL_MORE, PERL, BASE)),
    ("registry/legacy/mailer", 5, (OLD_RELEASE,)),
    ("registry/team/clean", 9, ()),
)


def seed(database: Database, fleet: tuple[tuple[str, int, tuple[Flaw, ...]], ...] = FLEET) -> None:
    """Record the fleet, and sum it up as the worker would."""
    store = FindingStore()
    refresher = refresher_of(database)

    def body(tx: Transaction) -> None:
        for lineage, number, flaws in fleet:
            shown = [flaw.at(lineage, number)[2] for flaw in flaws]
            store.replace(tx, domain="scan", lineage=lineage, subject=digest(number), occurrences=shown)
        refresher.mark(tx, sorted({lineage for lineage, _, _ in fleet}))

    database.write(body)
    refresher.run()


def refresher_of(database: Database) -> Refresher:
    epochs = Epochs(database)
    return Refresher(database, order, lambda tx: epochs.bump(tx, "recommendations"))
