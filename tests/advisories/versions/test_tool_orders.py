"""Orders of Maven, RubyGems, Go and Rust agree with the tools that define them, on tens of thousands of pairs."""

import os
import random
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.advisories.versions.pairs import composed, neighbours, order

PAIRS = 30_000


def disagreements(scheme: str, pairs: list[tuple[str, str]], said: list[str]) -> list[tuple[tuple[str, str], str]]:
    """Pairs that the tool orders otherwise; what it calls invalid is left out, and what only we refuse counts."""
    assert len(said) == len(pairs)
    return [
        (pair, answer)
        for pair, answer in zip(pairs, said, strict=True)
        if answer != "invalid" and str(order(scheme, *pair)) != answer
    ]


RUBY = """
STDIN.each_line do |line|
  a, b = line.chomp.split("\\t", -1)
  puts((Gem::Version.correct?(a) && Gem::Version.correct?(b)) ? (Gem::Version.new(a) <=> Gem::Version.new(b)) : "invalid")
end
"""


def gem_version(rand: random.Random) -> str:
    return composed(rand, (".0", ".1", ".00", ".10", ".a", ".rc", ".pre", ".beta1", "a", "b2", "-1", ".0.0"), 5)


@pytest.mark.skipif(shutil.which("ruby") is None, reason="ruby is absent")
def test_gem_order_is_that_of_rubygems() -> None:
    pairs = [pair for pair in neighbours(1, gem_version, "0123ab.-", PAIRS) if all(pair)]
    text = "".join(f"{left}\t{right}\n" for left, right in pairs)
    done = subprocess.run(["ruby", "-e", RUBY], input=text, capture_output=True, text=True, check=True)
    said = done.stdout.split()
    assert disagreements("gem", pairs, said) == []
    assert said.count("invalid") < len(pairs) * 0.6


GO = """package main
import ("bufio";"fmt";"os";"strings";"SEMVER")
func main() {
    lines := bufio.NewScanner(os.Stdin)
    for lines.Scan() {
        p := strings.SplitN(lines.Text(), "\\t", 2)
        if semver.IsValid("v"+p[0]) && semver.IsValid("v"+p[1]) { fmt.Println(semver.Compare("v"+p[0], "v"+p[1]))
        } else { fmt.Println("invalid") }
    }
}
"""
PSEUDO = (
    "0.20200101000000-abcdefabcdef",
    "0.20210101000000-0123456789ab",
    "rc.0.20200101000000-abcdefabcdef",
    "rc.1",
    "0",
)


def go_version(rand: random.Random) -> str:
    release = ".".join(str(rand.choice((0, 1, 2, 9, 10))) for _ in range(rand.choice((3, 3, 3, 2, 1))))
    early = rand.choice(("", "", *(f"-{text}" for text in PSEUDO))) if release.count(".") == 2 else ""
    return release + early + rand.choice(("", "", "+incompatible"))


def go_semver() -> Path:
    """The folder of Go's own copy of golang.org/x/mod/semver."""
    go = shutil.which("go")
    if go is None:
        return Path("/nonexistent")
    root = subprocess.run([go, "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
    return Path(root) / "src/cmd/vendor/golang.org/x/mod/semver"


@pytest.mark.timeout(300)
def test_go_order_is_that_of_its_semver(tmp_path: Path) -> None:
    folder = go_semver()
    if not folder.is_dir():
        pytest.skip("Go's semver package is absent")
    (tmp_path / "go.mod").write_text("module example.invalid/order\n")
    shutil.copytree(folder, tmp_path / "semver", ignore=shutil.ignore_patterns("*_test.go"))
    (tmp_path / "main.go").write_text(GO.replace("SEMVER", "example.invalid/order/semver"))
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    subprocess.run(["go", "build", "-o", "order", "."], cwd=tmp_path, env=environment, check=True, capture_output=True)
    pairs = neighbours(2, go_version, "0123ab.-+", PAIRS)
    text = "".join(f"{left}\t{right}\n" for left, right in pairs)
    said = subprocess.run([tmp_path / "order"], input=text, capture_output=True, text=True, check=True).stdout.split()
    assert disagreements("go", pairs, said) == []
    assert said.count("invalid") < len(pairs) * 0.6


@pytest.mark.parametrize(
    ("lower", "higher"),
    [("1.22rc1", "1.22"), ("1.21.13", "1.22rc1"), ("1.22beta1", "1.22rc1"), ("1.9", "1.10"), ("go1.20.3", "go1.20.4")],
)
def test_releases_of_go_are_ordered(lower: str, higher: str) -> None:
    assert order("go", lower, higher) == -1


JAVA = """
import java.io.*;
import org.apache.maven.artifact.versioning.ComparableVersion;
public class Order {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        StringBuilder out = new StringBuilder();
        for (String line; (line = in.readLine()) != null; ) {
            String[] p = line.split("\\t", -1);
            out.append(Integer.signum(new ComparableVersion(p[0]).compareTo(new ComparableVersion(p[1])))).append('\\n');
        }
        System.out.print(out);
    }
}
"""
QUALIFIERS = ("alpha1", "alpha-1", "a1", "beta", "b2", "M3", "milestone-1", "rc1", "RC-2", "cr1", "SNAPSHOT", "sp1", "jre8",
              "android", "GA", "Final", "RELEASE", "redhat-1", "20200101", "1")  # fmt: skip


def maven_version(rand: random.Random) -> str:
    """As projects write them: numbers, then at most two qualifiers, all behind hyphens or none."""
    release = ".".join(str(rand.choice((0, 0, 1, 2, 10, 11))) for _ in range(rand.randint(1, 4)))
    first, second = rand.choice(QUALIFIERS), rand.choice(QUALIFIERS)
    if rand.random() < 0.3 and first not in ("GA", "Final", "RELEASE"):
        return f"{release}-{first}-{second}"
    return release + rand.choice(("", f"-{first}"))


def dotted_version(rand: random.Random) -> str:
    """As JBoss and Spring write them: three numbers and a word behind a dot."""
    release = ".".join(str(rand.choice((0, 0, 1, 2, 10))) for _ in range(3))
    return release + rand.choice(("", ".Final", ".GA", ".RELEASE", ".Beta1", ".CR2", ".M3", ".RC1", ".Alpha10", ".SP1"))


@pytest.fixture(scope="module")
def comparable(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that compares as Maven's own class does."""
    jars = sorted(Path("/usr/share/maven/lib").glob("maven-artifact-*.jar"))
    if not jars or not shutil.which("javac"):
        pytest.skip("Maven's artifact library is absent")
    folder = tmp_path_factory.mktemp("maven")
    (folder / "Order.java").write_text(JAVA)
    path = ":".join([str(folder), *map(str, jars), *map(str, Path("/usr/share/maven/lib").glob("*lang3*.jar"))])
    subprocess.run(["javac", "-cp", path, "-d", folder, folder / "Order.java"], check=True, capture_output=True)
    return ["java", "-cp", path, "Order"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("make", [maven_version, dotted_version])
def test_maven_order_is_that_of_maven(comparable: list[str], make: object) -> None:
    rand = random.Random(3)
    pairs = [(make(rand), make(rand)) for _ in range(PAIRS)]  # type: ignore[operator]
    text = "".join(f"{left}\t{right}\n" for left, right in pairs)
    said = subprocess.run(comparable, input=text, capture_output=True, text=True, check=True).stdout.split()
    assert disagreements("maven", pairs, said) == []


def test_spellings_of_one_maven_version_are_equal() -> None:
    for other in ("1.0", "1.0.0", "1-ga", "1.Final", "1.0-RELEASE", "1.0.0-0"):
        assert order("maven", "1", other) == 0, other


def test_crates_follow_the_example_of_the_specification_of_semantic_versions() -> None:
    texts = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
    ]
    assert [order("semver", left, right) for left, right in pairwise(texts)] == [-1] * 7
