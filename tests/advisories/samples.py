"""Packages and small feeds, as the sources would send them."""

import gzip
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

from tests.advisories.feed_server import FeedServer

DEBIAN = "https://security-tracker.debian.org/tracker/data/json"
ALPINE = "https://secdb.alpinelinux.org/"
KEV = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"
EPSS = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"
NVD = "https://nvd.nist.gov/feeds/json/cve/2.0/nvdcve-2.0-"
OSV = "https://osv-vulnerabilities.storage.googleapis.com/"


@dataclass(frozen=True)
class Package:
    ecosystem: str
    name: str
    version: str
    source_name: str = ""
    source_version: str = ""
    distro: str = ""
    repository: str = ""
    vendor: str = ""
    location: str = ""
    owned_by: str = ""
    module: str = ""


def deb(
    name: str, version: str, source: str = "", source_version: str = "", *, release: str = "12", vendor: str = ""
) -> Package:
    return Package("deb", name, version, source, source_version, f"debian:{release}", vendor=vendor)


def apk(name: str, version: str, origin: str = "", release: str = "3.19", repository: str = "") -> Package:
    return Package("apk", name, version, origin, "", f"alpine:{release}", repository=repository)


def pypi(name: str, version: str, owned_by: str = "") -> Package:
    return Package("pypi", name, version, owned_by=owned_by)


def npm(name: str, version: str) -> Package:
    return Package("npm", name, version)


def debian(records: dict[str, dict[str, Any]]) -> bytes:
    """{source: {CVE: {codename: release fields}}} as the tracker writes it."""
    document = {
        source: {cve: {"description": f"about {cve}", "releases": releases} for cve, releases in found.items()}
        for source, found in records.items()
    }
    return json.dumps(document).encode()


def fixed(version: str, **more: Any) -> dict[str, Any]:
    return {"status": "resolved", "fixed_version": version, "urgency": "not yet assigned", "repositories": {}, **more}


def unfixed(**more: Any) -> dict[str, Any]:
    return {"status": "open", "urgency": "not yet assigned", "repositories": {}, **more}


def secdb(packages: dict[str, dict[str, list[str]]]) -> bytes:
    return json.dumps(
        {"packages": [{"pkg": {"name": name, "secfixes": fixes}} for name, fixes in packages.items()]}
    ).encode()


def kev(*entries: tuple[str, bool]) -> bytes:
    rows = [
        {
            "cveID": cve,
            "dateAdded": "2025-08-25",
            "vulnerabilityName": f"name of {cve}",
            "knownRansomwareCampaignUse": "Known" if ransomware else "Unknown",
        }
        for cve, ransomware in entries
    ]
    return json.dumps({"dateReleased": "2025-08-25T17:04:19.9796Z", "vulnerabilities": rows}).encode()


def epss(scores: dict[str, float]) -> bytes:
    lines = ["#model_version:v2025.03.14,score_date:2026-11-20T00:00:00+0000", "cve,epss,percentile"]
    lines += [f"{cve},{score},0.9" for cve, score in scores.items()]
    return gzip.compress("\n".join(lines).encode() + b"\n", mtime=0)


def nvd(scores: dict[str, tuple[float, str]]) -> bytes:
    items = [
        {
            "cve": {
                "id": cve,
                "metrics": {
                    "cvssMetricV31": [
                        {
                            "source": "nvd@nist.gov",
                            "cvssData": {"vectorString": vector, "baseScore": score, "baseSeverity": word(score)},
                        }
                    ]
                },
            }
        }
        for cve, (score, vector) in scores.items()
    ]
    return json.dumps({"format": "NVD_CVE", "vulnerabilities": items}).encode()


def word(score: float) -> str:
    return "CRITICAL" if score >= 9 else "HIGH" if score >= 7 else "MEDIUM" if score >= 4 else "LOW"


def put_nvd(server: FeedServer, part: str, document: bytes) -> None:
    server.put(
        f"{NVD}{part}.meta",
        f"lastModifiedDate:2026-11-20T00:00:00-05:00\r\nsha256:{hashlib.sha256(document).hexdigest().upper()}\r\n".encode(),
    )
    server.put(f"{NVD}{part}.json.gz", gzip.compress(document, mtime=0))


def osv(name: str, package: str, events: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    ecosystem = more.pop("ecosystem", "PyPI")
    kind = "SEMVER" if ecosystem == "npm" else "ECOSYSTEM"
    affected = {
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": kind, "events": events}],
        "versions": more.pop("versions", []),
    }
    return {
        "id": name,
        "modified": more.pop("modified", "2026-01-01T00:00:00Z"),
        "summary": f"about {name}",
        "affected": [affected],
        **more,
    }


def archive(*records: dict[str, Any]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        for record in records:
            out.writestr(f"{record['id']}.json", json.dumps(record))
    return packed.getvalue()


def put_osv(server: FeedServer, ecosystem: str, *records: dict[str, Any]) -> None:
    server.put(f"{OSV}{ecosystem}/all.zip", archive(*records))
    newest = sorted(records, key=lambda record: str(record["modified"]), reverse=True)
    server.put(
        f"{OSV}{ecosystem}/modified_id.csv",
        "".join(f"{record['modified']},{record['id']}\n" for record in newest).encode(),
    )


def put_small_world(server: FeedServer) -> None:
    """A little of every feed."""
    server.put(
        DEBIAN,
        debian(
            {
                "openssl": {
                    "CVE-2024-0001": {"bookworm": fixed("3.0.13-1~deb12u1"), "trixie": fixed("0")},
                    "CVE-2024-0002": {"bookworm": unfixed(nodsa="Minor issue", nodsa_reason="")},
                },
                "six": {"CVE-2024-0009": {"bookworm": fixed("1.16.0-4")}},
            }
        ),
        packed=True,
    )
    server.put(ALPINE, b'<a href="v3.19/">v3.19/</a> <a href="edge/">edge/</a>')
    server.put(f"{ALPINE}v3.19/main.json", secdb({"openssl": {"3.1.4-r0": ["CVE-2024-0001"], "0": ["CVE-2024-0003"]}}))
    server.put(f"{ALPINE}v3.19/community.json", secdb({"nginx": {"1.24.0-r7": ["CVE-2023-44487"]}}))
    server.put(f"{ALPINE}edge/main.json", secdb({"openssl": {"3.3.0-r0": ["CVE-2024-0001"]}}))
    server.put(KEV, kev(("CVE-2023-44487", True)))
    server.put(EPSS, epss({"CVE-2024-0001": 0.42, "CVE-2023-44487": 0.94}))
    for year in ("2023", "2024"):
        put_nvd(server, year, nvd({f"CVE-{year}-0001": (9.8, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")}))
    put_osv(
        server,
        "PyPI",
        osv(
            "GHSA-aaaa-bbbb-cccc",
            "Django",
            [{"introduced": "3.2"}, {"fixed": "3.2.4"}, {"introduced": "2.2"}, {"fixed": "2.2.24"}],
            aliases=["CVE-2024-1000"],
            severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}],
            database_specific={"severity": "HIGH"},
        ),
        osv(
            "PYSEC-2024-1",
            "django",
            [{"introduced": "3.2"}, {"fixed": "3.2.5"}],
            aliases=["CVE-2024-1000", "GHSA-aaaa-bbbb-cccc"],
            versions=["3.2", "1.0"],
        ),
        osv("PYSEC-2024-2", "django", [{"introduced": "0"}], withdrawn="2024-02-01T00:00:00Z"),
        osv("PYSEC-2024-3", "six", [{"introduced": "0"}, {"last_affected": "1.16.0"}], aliases=["CVE-2024-0009"]),
        osv("PYSEC-2024-4", "six", [{"introduced": "0"}], aliases=["CVE-2024-0010"]),
    )
    put_osv(
        server,
        "npm",
        osv(
            "GHSA-xvch-5gv4-984h",
            "minimist",
            [{"introduced": "1.0.0"}, {"fixed": "1.2.6"}],
            ecosystem="npm",
            aliases=["CVE-2021-44906"],
            database_specific={"severity": "CRITICAL"},
        ),
    )
