import shlex

import pytest
from tests.recommendations.seeding import HOSTILE, order

from pratique.recommendations.actions import Action, Kind
from pratique.recommendations.fixes import newest
from pratique.recommendations.remedies import steps_of
from pratique.recommendations.titles import title_of


@pytest.mark.parametrize(
    ("action", "fix", "binaries", "line"),
    [
        ("os-update|debian:12|openssl", "3.0.15-1~deb12u1", ("libssl3", "openssl"),
         "RUN apt-get update && apt-get install -y --only-upgrade libssl3 openssl && rm -rf /var/lib/apt/lists/*"),
        ("os-update|alpine:3.19|busybox", "1.36.1-r16", (), "RUN apk add --no-cache --upgrade busybox"),
        ("app-update|pypi|django", "3.2.25", (), "pip install --upgrade 'django>=3.2.25'"),
        ("app-update|npm|minimist", "1.2.6", (), "npm install 'minimist@>=1.2.6'"),
        ("app-update|npm|@scope/pkg", "2.0.0", (), "npm install '@scope/pkg@>=2.0.0'"),
        ("load-data|debian:12", "", (), "pratique advisories sync"),
    ],
)  # fmt: skip
def test_a_line_to_copy(action: str, fix: str, binaries: tuple[str, ...], line: str) -> None:
    assert line in [step.code for step in steps_of(Action.parse(action), fix, binaries)]


@pytest.mark.parametrize("kind", ["os-update|debian:12|", "app-update|npm|", "app-update|pypi|"])
@pytest.mark.parametrize("name", [HOSTILE, "a; rm -rf /", "$(id)", "`id`", "a b", "-oEvil", "a\nb", "a'b", ""])
def test_no_line_holds_a_name_that_a_shell_would_read(kind: str, name: str) -> None:
    for step in steps_of(Action.parse(kind + name), "1.0", (name,)):
        assert not step.code


@pytest.mark.parametrize("fix", ["1; id", "$(id)", "1' || id", "1\n2"])
def test_no_line_holds_a_version_that_a_shell_would_read(fix: str) -> None:
    steps = steps_of(Action.parse("app-update|npm|minimist"), fix)
    assert all(len(shlex.split(step.code)) == 0 for step in steps)


def test_an_unknown_kind_is_shown_by_its_finding() -> None:
    action = Action.parse("rotate-secret|vault|db")
    assert action.kind is Kind.OTHER
    assert title_of(action, "A secret is in the image") == "A secret is in the image"
    assert steps_of(action, "")


def test_the_newest_fix_repairs_all() -> None:
    action = Action.parse("os-update|debian:12|openssl")
    assert newest(action, ["3.0.9-1", "3.0.15-1", "", "3.0.11-1"], order) == "3.0.15-1"
    assert newest(Action.parse("base-upgrade|debian:12|sha256:1"), ["1", "2"], order) == ""


def test_a_version_without_order_never_wins() -> None:
    def strict(scheme: str, version: str) -> bytes:
        if version == "nonsense":
            raise ValueError(version)
        return order(scheme, version)

    assert newest(Action.parse("app-update|pypi|x"), ["nonsense", "1.0"], strict) == "1.0"
