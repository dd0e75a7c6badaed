"""Attributes in the JSON of Azure Container Registry's data plane, 2021-07-01 and before."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from pratique.core.clock import SECOND
from pratique.registry.acr.lists import ManifestRow, RepositoryRow, TagRow
from pratique.registry.acr.platforms import Platform
from pratique.registry.types import QuarantineMark


def repository_json(host: str, row: RepositoryRow) -> dict[str, Any]:
    return {
        "registry": host,
        "imageName": row.name,
        "createdTime": instant(row.created_at),
        "lastUpdateTime": instant(row.changed_at),
        "manifestCount": row.manifests,
        "tagCount": row.tags,
        "changeableAttributes": row.attributes.as_json(),
    }


def tag_json(row: TagRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "digest": row.digest,
        "createdTime": instant(row.created_at),
        "lastUpdateTime": instant(row.moved_at),
        "signed": False,
        "changeableAttributes": row.attributes.as_json(),
    }


def manifest_json(row: ManifestRow, platforms: Mapping[str, Platform]) -> dict[str, Any]:
    architecture, system = platforms.get(row.config, ("", ""))
    body: dict[str, Any] = {
        "digest": row.digest,
        "imageSize": row.size,
        "createdTime": instant(row.pushed_at),
        "lastUpdateTime": instant(row.pushed_at),
        "mediaType": row.media_type,
        "tags": list(row.tags),
        "changeableAttributes": {**row.attributes.as_json(), **_mark_json(row.mark)},
    }
    said = {
        "architecture": architecture,
        "os": system,
        "configMediaType": row.config_type,
        "artifactType": row.artifact_type,
    }
    body |= {key: value for key, value in said.items() if value}
    if row.members:
        body["references"] = [{"digest": digest, "architecture": of, "os": on} for digest, of, on in row.members]
    return body


def instant(micros: int) -> str:
    """Write an instant as ISO 8601 in UTC, with microseconds."""
    at = dt.datetime.fromtimestamp(micros // SECOND, dt.UTC).replace(microsecond=micros % SECOND)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _mark_json(mark: QuarantineMark | None) -> dict[str, Any]:
    if mark is None:
        return {}
    details = mark.details if isinstance(mark.details, str) else msgspec.json.encode(mark.details).decode()
    return {"quarantineState": mark.state, "quarantineDetails": details}
