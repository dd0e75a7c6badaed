"""SARIF by the official JSON schema of 2.1.0, which comes with a package of the standard's own authors."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from jsonschema.exceptions import ValidationError
from tests.cli.scan.images import simple
from tests.cli.scan.test_command import layout_of, run, state
from tests.corpus.layers.archive import header

from pratique.cli.exits import Exit

__all__ = ["state"]

SCHEMA = Path(__file__).parents[3] / "console/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"


@pytest.fixture(scope="module")
def validator() -> Draft4Validator:
    if not SCHEMA.is_file():
        pytest.skip("@microsoft/jest-sarif is not installed")
    schema = json.loads(SCHEMA.read_text())
    Draft4Validator.check_schema(schema)
    return Draft4Validator(schema, format_checker=Draft4Validator.FORMAT_CHECKER)


def test_sarif_is_valid_by_the_official_schema(validator: Draft4Validator, tmp_path: Path) -> None:
    log = json.loads(run(str(simple(tmp_path / "layout").folder), "-o", "sarif"))
    assert log["runs"][0]["results"]
    validator.validate(log)


def test_sarif_of_what_was_not_assessed_is_valid(validator: Draft4Validator, tmp_path: Path) -> None:
    path = layout_of(tmp_path / "scratch", header(b"server", 4, mode=0o755) + b"\x7fELF".ljust(512, b"\0"))
    log = json.loads(run(path, "-o", "sarif", code=Exit.UNDECIDED))
    assert log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    validator.validate(log)


@pytest.mark.parametrize(
    "broken",
    [{"version": "2.0.0"}, {"runs": [{}]}, {"runs": [{"tool": {"driver": {}}}]}, {"extra": 1}],
)
def test_the_schema_tells_what_is_no_sarif(validator: Draft4Validator, broken: dict[str, Any]) -> None:
    plain = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}}]}
    validator.validate(plain)
    with pytest.raises(ValidationError):
        validator.validate({**plain, **broken})
