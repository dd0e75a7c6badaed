"""The forms that a scan's result can be written in, by name; each made in full before the first byte is written."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from pratique.scan.report.result import ScanResult


class Form(StrEnum):
    """Forms of output."""

    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"
    CYCLONEDX = "cyclonedx"
    SPDX2 = "spdx-json"
    SPDX3 = "spdx3-json"
    JUNIT = "junit"
    GITLAB = "gitlab"
    GITHUB = "github"
    HTML = "html"


def text_of(results: Sequence[ScanResult], form: Form) -> str:
    """Return one document: of several results a list, where the form has no way of its own to hold them."""
    from pratique.scan.report import github, html, junit

    if form is Form.JUNIT:
        return junit.document(results)
    if form is Form.HTML:
        return html.document(results)
    return _json(github.document(results) if form is Form.GITHUB else _whole(results, form))


def _whole(results: Sequence[ScanResult], form: Form) -> object:
    make = _makers()[form]
    documents = [make(result) for result in results]
    if len(documents) == 1:
        return documents[0]
    if form is Form.SARIF:
        return {**documents[0], "runs": [run for document in documents for run in document["runs"]]}
    return documents


def _makers() -> Mapping[Form, Callable[[ScanResult], dict[str, Any]]]:
    from pratique.inventory.sbom import spdx2, spdx3
    from pratique.scan.report import as_json, cyclonedx, gitlab, sarif
    from pratique.scan.report.instants import rfc3339

    return {
        Form.JSON: as_json.document,
        Form.SARIF: sarif.document,
        Form.CYCLONEDX: cyclonedx.document,
        Form.SPDX2: lambda one: spdx2.document(one.inventory, one.subject, one.digest, rfc3339(one.scanned_at)),
        Form.SPDX3: lambda one: spdx3.document(one.inventory, one.subject, one.digest, rfc3339(one.scanned_at)),
        Form.GITLAB: gitlab.document,
    }


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
