"""Rules for a whole run: a skip must be declared, a promised feature's test must have run, each tier tells its time.

The rules bind where CI=true; elsewhere a broken one is only reported, as a developer may run a part.
"""

import os
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent
CI = os.environ.get("CI") == "true"
FEATURE = re.compile(r"^\|(?P<feature>[^|]+)\|\s*(?P<state>works|partial|absent)\s*\|(?P<tests>[^|]*)\|")
TEST_ID = re.compile(r"`(tests/[^`]+)`")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "interop: drives foreign clients that are built from pinned sources")
    if not hasattr(config, "workerinput"):  # with several processes, the one that hears of every test
        config.pluginmanager.register(Run(config), "pratique-run")


class Run:
    """What one run of the tests did."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._passed: set[str] = set()
        self._skipped: dict[str, str] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        self._problems: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds["/".join(report.nodeid.split("/")[:2])] += report.duration
        if report.skipped and not hasattr(report, "wasxfail"):
            self._skipped[report.nodeid] = _reason(report)
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._skipped[report.nodeid] = _reason(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._problems = [*self._undeclared_skips()]
        if self._is_whole() and not session.shouldstop:
            self._problems += self._features_without_test()
        if CI and self._problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._problems:
            terminalreporter.section("rules of the run")
            for problem in self._problems:
                terminalreporter.line(problem, red=CI, yellow=not CI)
        terminalreporter.section("seconds by tier")
        for tier, seconds in sorted(self._seconds.items()):
            terminalreporter.line(f"{tier:24} {seconds:7.1f} s")

    def _is_whole(self) -> bool:
        options = self._config.option
        return self._config.args in (["tests"], [str(ROOT / "tests")]) and not options.keyword and not options.markexpr

    def _undeclared_skips(self) -> Iterator[str]:
        declared = tomllib.loads((ROOT / "tests/skips.toml").read_text()).get("skip", [])
        for test, reason in sorted(self._skipped.items()):
            if not any(_declares(entry, test, reason) for entry in declared):
                yield f"skipped without an entry in tests/skips.toml: {test}: {reason}"

    def _features_without_test(self) -> Iterator[str]:
        passed = {re.sub(r"\[.*", "", test) for test in self._passed} | self._passed
        for line in (ROOT / "docs/features.md").read_text().splitlines():
            row = FEATURE.match(line)
            for test in TEST_ID.findall(row["tests"]) if row else ():
                if test not in passed and test not in self._skipped:
                    yield f"docs/features.md names a test that did not pass in this run: {test}"


def _declares(entry: dict[str, str], test: str, reason: str) -> bool:
    where = entry["where"] == "anywhere" or not CI
    return where and fnmatchcase(test, entry["test"]) and entry["reason"] in reason


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    place = report.longrepr
    return str(place[2] if isinstance(place, tuple) else place).removeprefix("Skipped: ")
