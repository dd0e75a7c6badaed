"""The sort keys agree with the tools that define each order, on generated pairs and on written ones."""

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from pratique.advisories.versions import SCHEMES, UnparsableVersionError, version_key

PAIRS = 10_000


def order(scheme: str, left: str, right: str) -> int:
    a, b = version_key(scheme, left), version_key(scheme, right)
    return (a > b) - (a < b)


def neighbours(seed: int, make: Callable[[random.Random], str], alphabet: str) -> list[tuple[str, str]]:
    """Pairs that mostly differ in one place: unrelated versions differ in their first number and test nothing else."""
    rand = random.Random(seed)
    pairs = []
    for _ in range(PAIRS):
        left = make(rand)
        right = left
        for _ in range(rand.randint(1, 2)):
            at = rand.randrange(len(right) + 1)
            cut = rand.choice((0, 0, 1, 2))
            right = right[:at] + rand.choice(("", *alphabet)) + right[at + cut :]
        pair = (left, make(rand) if rand.random() < 0.2 else right)
        if not any(
            text.endswith(":") for text in pair
        ):  # dpkg's library takes an empty upstream version, dpkg does not
            pairs.append(pair)
    return pairs


def debian_version(rand: random.Random) -> str:
    epoch = rand.choice(("", "", "", "0:", "1:", "10:"))
    words = (
        "0",
        "1",
        "9",
        "10",
        "007",
        "a",
        "b",
        "Z",
        "+dfsg",
        "~rc1",
        "~",
        "-",
        ".",
        ".",
        ".",
        "+b1",
        "+deb12u1",
        "~bpo",
        "git",
    )
    upstream = str(rand.randint(0, 12)) + "".join(rand.choice(words) for _ in range(rand.randint(0, 5)))
    revision = rand.choice(("", "-1", "-0", "-1.1", "-1~deb12u1", "-2+b1", "-0ubuntu1", "-"))
    return epoch + upstream + revision


DPKG_SCRIPT = """
use Dpkg::Version;
while (my $line = <STDIN>) {
    chomp $line;
    my ($left, $right) = split /\\t/, $line, -1;
    my $a = Dpkg::Version->new($left, check => 1);
    my $b = Dpkg::Version->new($right, check => 1);
    print((defined $a && defined $b) ? version_compare($left, $right) : "invalid", "\\n");
}
"""


@pytest.mark.skipif(
    shutil.which("perl") is None or not Path("/usr/share/perl5/Dpkg/Version.pm").exists(),
    reason="dpkg's perl library is absent",
)
def test_debian_order_is_that_of_dpkg() -> None:
    pairs = neighbours(1, debian_version, "0123456789abz.+~-")
    text = "".join(f"{left}\t{right}\n" for left, right in pairs)
    answer = subprocess.run(
        ["perl", "-e", DPKG_SCRIPT], input=text, capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(answer) == len(pairs)
    checked = [(pair, int(said)) for pair, said in zip(pairs, answer, strict=True) if said != "invalid"]
    assert len(checked) > PAIRS * 0.7
    wrong = [(pair, said) for pair, said in checked if order("dpkg", *pair) != said]
    assert wrong == []


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is absent")
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1.0", "1.0-0"),
        ("0:1.0", "1.0"),
        ("1.0~rc1", "1.0"),
        ("1.", "1.0"),
        ("1.0-1~deb12u1", "1.0-1"),
        ("a", "1"),
        ("2:1-1-1", "2:1-1"),
    ],
)
def test_debian_order_is_that_of_the_dpkg_command(left: str, right: str) -> None:
    said = {
        sign: subprocess.run(
            ["dpkg", "--compare-versions", left, sign, right], check=False, capture_output=True
        ).returncode
        == 0
        for sign in ("lt", "eq", "gt")
    }
    assert said == {
        "lt": order("dpkg", left, right) < 0,
        "eq": order("dpkg", left, right) == 0,
        "gt": order("dpkg", left, right) > 0,
    }


def node_semver() -> str:
    """The folder of npm's own semver, or '' where there is no npm."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return ""
    root = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=False).stdout.strip()
    found = Path(root) / "npm" / "node_modules" / "semver"
    return str(found) if found.is_dir() else ""


def semver_version(rand: random.Random) -> str:
    release = ".".join(str(rand.choice((0, 1, 2, 9, 10, 100))) for _ in range(3))
    words = ("alpha", "beta", "rc", "0", "1", "10", "x-y", "-", "a1", "1a", "Z")
    prerelease = ".".join(rand.choice(words) for _ in range(rand.randint(0, 3)))
    build = rand.choice(("", "", "+b", "+1.2"))
    return rand.choice(("", "", "v", "=")) + release + ("-" + prerelease if prerelease else "") + build


def test_npm_order_is_that_of_node_semver() -> None:
    folder = node_semver()
    if not folder:
        pytest.skip("node or npm is absent")
    script = (
        f"const s=require({json.dumps(folder)});const p=JSON.parse(require('fs').readFileSync(0));"
        "console.log(JSON.stringify(p.map(([a,b])=>s.valid(a,true)&&s.valid(b,true)?s.compare(a,b,true):null)))"
    )
    pairs = neighbours(2, semver_version, "0123456789abz.+-")
    done = subprocess.run(["node", "-e", script], input=json.dumps(pairs), capture_output=True, text=True, check=True)
    answers = json.loads(done.stdout)
    checked = [(pair, said) for pair, said in zip(pairs, answers, strict=True) if said is not None]
    assert len(checked) > PAIRS * 0.6
    assert [(pair, said) for pair, said in checked if order("semver", *pair) != said] == []


def python_version(rand: random.Random) -> str:
    release = ".".join(str(rand.choice((0, 0, 1, 2, 10))) for _ in range(rand.randint(1, 4)))
    return (
        rand.choice(("", "", "1!"))
        + release
        + rand.choice(("", "", "a1", "b2", "rc1", ".rc.1", "-alpha"))
        + rand.choice(("", "", ".post1", "-1"))
        + rand.choice(("", "", ".dev0", ".dev2"))
        + rand.choice(("", "", "+local", "+ubuntu.1", "+1.a"))
    )


def test_python_order_is_that_of_packaging() -> None:
    rand = random.Random(3)
    for _ in range(PAIRS):
        left, right = python_version(rand), python_version(rand)
        a, b = Version(left), Version(right)
        assert order("pep440", left, right) == (a > b) - (a < b), (left, right)


@pytest.mark.parametrize("pair", [("3.2", "3.2.0"), ("v1.0", "1.0.0.0"), ("1.0-rc1", "1.0c1"), ("1.0.post1", "1.0-1")])
def test_python_spellings_of_one_version_are_equal(pair: tuple[str, str]) -> None:
    assert order("pep440", *pair) == 0


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("2004d", "0.1"),
        ("1.0-SNAPSHOT", "0.0.1"),
        ("2011x", "2011y"),
        ("1.2-foo", "1.10-foo"),
        ("1.0.custom", "1.1.custom"),
    ],
)
def test_python_legacy_versions_sort_among_themselves_and_before_all_others(lower: str, higher: str) -> None:
    assert order("pep440", lower, higher) < 0


# Order as apk-tools 3 documents and prints it, one line per rule of its grammar.
APK_ASCENDING = [
    "0.1_alpha",
    "0.1_alpha1",
    "0.1_alpha2",
    "0.1_beta",
    "0.1_pre1",
    "0.1_rc",
    "0.1_rc1",
    "0.1",
    "0.1-r0",
    "0.1-r1",
    "0.1-r10",
    "0.1~1abc",
    "0.1~1abd",
    "0.1~1abd-r1",
    "0.1_cvs",
    "0.1_cvs20200101",
    "0.1_svn1",
    "0.1_git20190101",
    "0.1_git20200101",
    "0.1_git20200101-r0",
    "0.1_git20200101~ab12",
    "0.1_hg1",
    "0.1_p",
    "0.1_p-r0",
    "0.1_p0",
    "0.1_p1",
    "0.1_p1_p1",
    "0.1a",
    "0.1a-r1",
    "0.1b",
    "0.1.0",
    "0.1.001",
    "0.1.01",
    "0.1.1",
    "0.1.9",
    "0.1.10",
    "0.2",
    "1",
    "1.0",
    "1.2.3-r0",
    "10",
]


def test_alpine_order_is_that_of_its_grammar() -> None:
    keys = [version_key("apk", text) for text in APK_ASCENDING]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("left", "sign", "right"),
    [
        # published vectors of apk-tools, test/unit/version.data
        ("2.34", ">", "0.1.0_alpha"),
        ("0.1.0_alpha", "=", "0.1.0_alpha"),
        ("0.1.0_alpha", "<", "0.1.3_alpha"),
        ("0.1.3_alpha", ">", "0.1.0"),
        ("1.0_pre1", "<", "1.0"),
        ("4.0.2-r1", ">", "4.0.2-r0"),
        ("8.2.0015", "<", "8.2.002"),
        ("1.0.4_p10", ">", "1.0.4_p9"),
        ("6.0_pre1", "<", "6.0"),
        ("3.0.2", "<", "3.0.2a"),
        ("1.1.1g-r0", "<", "1.1.1k-r0"),
        ("5.0.0_rc1-r2", "<", "5.0.0-r0"),
        ("00.1", "=", "0.1"),
    ],
)
def test_alpine_order_has_the_published_vectors(left: str, sign: str, right: str) -> None:
    assert {-1: "<", 0: "=", 1: ">"}[order("apk", left, right)] == sign


@pytest.mark.parametrize(
    "text",
    ["", " ", "1.0-1", "1.0_foo", "a1", "1.0.", "1..0", "1.0-r", "1.0~", "1.0~xyz", "1" * 2000, "1.0-r0_p1", "1A"],
)
def test_alpine_refuses_what_apk_calls_invalid(text: str) -> None:
    with pytest.raises(UnparsableVersionError):
        version_key("apk", text)


@pytest.mark.parametrize("text", ["", "a:1", ":1", "1:", "1_0", "1.0 2", "1.0-ä", "-1", "1" * 2000])
def test_debian_refuses_what_dpkg_calls_invalid(text: str) -> None:
    with pytest.raises(UnparsableVersionError):
        version_key("dpkg", text)


@pytest.mark.parametrize("text", ["", "latest", "1.x", "*", "1.2.3.4", "^1.2.3", "9" * 300])
def test_npm_refuses_what_is_no_version(text: str) -> None:
    with pytest.raises(UnparsableVersionError):
        version_key("semver", text)


ANY_VERSION = st.text(alphabet="0123456789abcrpvz.+-~_:!", min_size=1, max_size=24)


@settings(max_examples=300)
@pytest.mark.parametrize("scheme", sorted(SCHEMES))
@given(texts=st.lists(ANY_VERSION, min_size=2, max_size=6))
def test_any_text_gives_a_key_or_is_refused_and_keys_are_stable(scheme: str, texts: list[str]) -> None:
    for text in texts:
        try:
            first = SCHEMES[scheme](text)
        except UnparsableVersionError:
            continue
        assert isinstance(first, bytes)
        assert first == SCHEMES[scheme](text)


@settings(max_examples=300)
@given(digits=st.lists(st.integers(min_value=0, max_value=10**30), min_size=1, max_size=5))
@pytest.mark.parametrize("scheme", ["apk", "dpkg", "pep440"])
def test_greater_last_number_is_the_greater_version(scheme: str, digits: list[int]) -> None:
    lower = ".".join(map(str, digits))
    higher = ".".join(map(str, [*digits[:-1], digits[-1] + 1]))
    assert order(scheme, lower, higher) < 0
