import tomllib

import pytest

from tests.repository.files import ROOT

RULES = ROOT / "conftest.py"
FEATURES = "| feature | state | test |\n|---|---|---|\n| one | works | `tests/test_one.py::test_yes` |\n"
SKIPS = '[[skip]]\ntest = "tests/*"\nwhere = "{where}"\nreason = "is not installed"\n'
SKIPPING = 'import pytest\ndef test_yes(): pass\ndef test_skips(): pytest.skip("{reason}")\n'

pytest_plugins = ("pytester",)


def run(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    tests: str,
    *,
    ci: bool = True,
    where: str = "anywhere",
    features: str = FEATURES,
) -> pytest.RunResult:
    monkeypatch.setenv("CI", str(ci).lower())
    for folder in ("tests", "docs"):
        pytester.mkdir(folder)
    (pytester.path / "conftest.py").write_text(RULES.read_text())
    (pytester.path / "tests/skips.toml").write_text(SKIPS.format(where=where))
    (pytester.path / "tests/test_one.py").write_text(tests)
    (pytester.path / "docs/features.md").write_text(features)
    return pytester.runpytest_subprocess("tests", "-p", "no:cacheprovider")


def test_a_declared_skip_passes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(pytester, monkeypatch, SKIPPING.format(reason="podman is not installed")).ret == 0


def test_an_undeclared_skip_fails_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(pytester, monkeypatch, SKIPPING.format(reason="no mood"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*skipped without an entry*test_skips*no mood*"])


def test_an_undeclared_skip_is_only_told_outside_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(pytester, monkeypatch, SKIPPING.format(reason="no mood"), ci=False)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*skipped without an entry*"])


def test_what_a_bare_machine_may_lack_ci_may_not(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    tests = SKIPPING.format(reason="podman is not installed")
    assert run(pytester, monkeypatch, tests, where="outside CI").ret == 1


def test_a_feature_whose_test_did_not_pass_fails_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(pytester, monkeypatch, "def test_other(): pass\n")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*features.md names a test that did not pass*test_yes*"])


def test_a_skipped_module_counts_as_a_skip(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    tests = 'import pytest\npytest.skip("no mood", allow_module_level=True)\n'
    assert run(pytester, monkeypatch, tests).ret != 0


def test_every_declared_skip_has_its_reason_and_place() -> None:
    for entry in tomllib.loads((ROOT / "tests/skips.toml").read_text())["skip"]:
        assert set(entry) == {"test", "where", "reason"}
        assert entry["where"] in {"anywhere", "outside CI"}
        assert len(entry["reason"]) > 5
