"""What requests may hold: numbers that the databases hold too, and no field that nobody knows."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pratique.app import create_identity, create_pipeline
from pratique.core.ground import ground_over
from pratique.core.http.management import ManagementApi
from pratique.core.keys.client import local_keys
from pratique.core.settings import with_directory
from pratique.domains import join_domains
from pratique.migrations.run import migrate

END = 2.0**63
"""A description holds ends as floats, of which 2**63 - 1 is none."""


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What the management API of this very product says of itself."""
    settings = with_directory(Path(tmp_path_factory.mktemp("numbers")))
    migrate(settings.database_url, settings.data.directory)
    ground = ground_over(settings, local_keys(settings.data.directory / "keys"))
    domains, identity = join_domains(ground), create_identity(ground)
    try:
        planes = create_pipeline(ground, domains, identity).planes
        (api,) = (plane.app for plane in planes if isinstance(plane.app, ManagementApi))
        return api.load().openapi()
    finally:
        identity.close()
        domains.close()
        ground.close()


def integers(schema: object, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each schema of an integer, with its place."""
    if isinstance(schema, list):
        for position, each in enumerate(schema):
            yield from integers(each, f"{place}/{position}")
    elif isinstance(schema, dict):
        if schema.get("type") == "integer":
            yield place, schema
        for key, each in schema.items():
            yield from integers(each, f"{place}/{key}")


def taken(described: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what requests may hold: parameters, and the bodies that stand among the components."""
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield from integers(operation.get("parameters", []), f"{method} {path}")
    for name, schema in described["components"]["schemas"].items():
        if name not in {"ValidationError", "HTTPValidationError"}:
            yield from integers(schema, name)


def test_every_number_that_a_request_may_hold_fits_into_the_databases(described: Mapping[str, Any]) -> None:
    found = dict(taken(described))
    assert len(found) > 20
    endless = [place for place, schema in found.items() if _end_of(schema) > END]
    assert endless == []


def _end_of(schema: Mapping[str, Any]) -> float:
    end: float = schema.get("exclusiveMaximum", schema.get("maximum", float("inf")))
    return end


def test_a_misspelt_field_of_a_body_is_refused_everywhere(described: Mapping[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    named = {str(reference).rpartition("/")[2] for reference in _bodies(described)}
    assert len(named) > 20
    assert [name for name in sorted(named) if schemas[name].get("additionalProperties") is not False] == []


def _bodies(described: Mapping[str, Any]) -> Iterator[str]:
    for methods in described["paths"].values():
        for operation in methods.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                if "$ref" in content["schema"]:
                    yield content["schema"]["$ref"]
