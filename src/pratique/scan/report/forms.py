"""The forms that a scan's result can be written in, by name; each made in full before the first byte is written."""

from collections.abc import Callable, Sequence
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


def text_of(results: Sequence[ScanResult], form: Form) -> str:
    """Return one document: of several results a list, where the form has no way of its own to hold them."""
    return _json(_whole(results, form))


def _whole(results: Sequence[ScanResult], form: Form) -> object:
    documents = [_maker(form)(result) for result in results]
    if len(documents) == 1:
        return documents[0]
    if form is Form.SARIF:
        return {**documents[0], "runs": [run for document in documents for run in document["runs"]]}
    return documents


def _maker(form: Form) -> Callable[[ScanResult], dict[str, Any]]:
    from pratique.inventory.sbom import spdx2, spdx3
    from pratique.scan.report import as_json, cyclonedx, sarif
    from pratique.scan.report.instants import rfc3339

    makers: dict[Form, Callable[[ScanResult], dict[str, Any]]] = {
        Form.JSON: as_json.document,
        Form.SARIF: sarif.document,
        Form.CYCLONEDX: cyclonedx.document,
        Form.SPDX2: lambda one: spdx2.document(one.inventory, one.subject, one.digest, rfc3339(one.scanned_at)),
        Form.SPDX3: lambda one: spdx3.document(one.inventory, one.subject, one.digest, rfc3339(one.scanned_at)),
    }
    return makers[form]


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
