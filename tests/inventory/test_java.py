"""Java archives that `jar` packed are read, nested and shaded; hostile ones are named within their bounds."""

import io
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.corpus.layers.archive import END, file, stream
from tests.inventory.installed import image_of, packages_of

from pratique.inventory.readers.java.archives import parse_archive
from pratique.inventory.service import read_layer

LOG4J = ("org.apache.logging.log4j", "log4j-core", "2.14.1")


def properties(group: str, artifact: str, version: str) -> str:
    return f"#Created by Apache Maven 3.8.7\nversion={version}\ngroupId={group}\nartifactId={artifact}\n"


def lay(folder: Path, *artifacts: tuple[str, str, str]) -> None:
    """The metadata that Maven puts into what it builds."""
    for group, artifact, version in artifacts:
        target = folder / "META-INF/maven" / group / artifact
        target.mkdir(parents=True)
        (target / "pom.properties").write_text(properties(group, artifact, version))


def jar(target: Path, folder: Path, *options: str) -> Path:
    """The folder packed by Java's own tool."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["jar", f"c{''.join(options)}f", target, "-C", folder, "."], check=True, capture_output=True)
    return target


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A Spring-like application: a library stored inside, and one that holds two artifacts shaded into it."""
    if not shutil.which("jar"):
        pytest.skip("Java is needed to pack an archive")
    lay(tmp_path / "library", LOG4J)
    lay(tmp_path / "shaded", ("com.example", "all", "1.0"), ("com.google.guava", "guava", "31.1-jre"))
    lay(tmp_path / "app", ("com.example", "app", "3.0.0"))
    jar(tmp_path / "app/BOOT-INF/lib/log4j-core-2.14.1.jar", tmp_path / "library")
    jar(tmp_path / "app/BOOT-INF/lib/all-1.0.jar", tmp_path / "shaded")
    jar(tmp_path / "root/opt/app.jar", tmp_path / "app", "0")
    jar(tmp_path / "root/opt/app.war", tmp_path / "app")
    return tmp_path / "root"


def test_what_is_in_archives_that_jar_packed_is_found(packed: Path) -> None:
    for name in ("app.jar", "app.war"):
        listed = subprocess.run(["jar", "tf", packed / "opt" / name], capture_output=True, text=True, check=True).stdout
        assert "BOOT-INF/lib/log4j-core-2.14.1.jar" in listed.split()
    found = packages_of(packed, "maven")
    expected = {
        ("com.example:all", "1.0"), ("com.example:app", "3.0.0"), ("com.google.guava:guava", "31.1-jre"),
        ("org.apache.logging.log4j:log4j-core", "2.14.1"),
    }  # fmt: skip
    assert {(one.name, one.version) for one in found} == expected
    assert {one.confidence for one in found} == {"high"}
    places = {one.location for one in found if one.name.endswith("log4j-core")}
    assert places == {f"opt/{name}!BOOT-INF/lib/log4j-core-2.14.1.jar" for name in ("app.jar", "app.war")}
    assert found[0].purl == "pkg:maven/com.example/all@1.0"


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_an_archive_without_maven_metadata_is_named_by_manifest_and_file_with_low_confidence() -> None:
    manifest = (
        b"Manifest-Version: 1.0\r\nImplementation-Title: Thing\r\nImplementation-Vendor-Id: org.examp\r\n le\r\n\r\n"
    )
    record = parse_archive("lib/thing-core-1.2.3.Final.jar", zipped({"META-INF/MANIFEST.MF": manifest}))
    assert [(p.name, p.version, p.confidence) for p in record.packages] == [
        ("org.example:thing-core", "1.2.3.Final", "low")
    ]
    assert parse_archive("lib/nothing.jar", zipped({"a.class": b""})).packages == ()


def test_archives_nested_a_thousand_deep_end_at_the_bound_and_the_outer_ones_count() -> None:
    inner = b""
    for level in range(1000):
        pom = properties("com.example", f"level{level}", "1").encode()
        inner = zipped({f"META-INF/maven/g/a{level}/pom.properties": pom, **({"in.jar": inner} if inner else {})}, 0)
    record = parse_archive("app.jar", inner)
    assert record.problem is not None
    assert record.problem.code == "limit-nesting"
    assert "com.example:level999" in {package.name for package in record.packages}


def test_a_bomb_is_bounded() -> None:
    bomb = zipped({"x.jar": bytes(300 << 20)})
    record = parse_archive(
        "app.jar", zipped({"META-INF/maven/g/a/pom.properties": properties("g", "a", "1").encode(), "b.jar": bomb})
    )
    assert record.problem is not None
    assert record.problem.code == "jar-damaged"
    assert [package.name for package in record.packages] == ["g:a"]


def lying_size(whole: bytes) -> bytes:
    at = whole.rindex(b"PK\x01\x02")
    return whole[: at + 24] + struct.pack("<I", 5) + whole[at + 28 :]


def other_local_name(whole: bytes) -> bytes:
    return whole.replace(b"META-INF", b"META-QQQ", 1)


GOOD = zipped({"META-INF/maven/g/a/pom.properties": properties("g", "a", "1").encode()})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        GOOD[:-30],
        GOOD[30:],
        lying_size(GOOD),
        other_local_name(GOOD),
        b"PK\x05\x06" + bytes(18) + b"x" * 70_000,
    ],
    ids=["empty", "magic", "cut", "beheaded", "lying-size", "other-name", "far-end"],
)
def test_a_broken_archive_is_named_and_the_image_still_judged(data: bytes) -> None:
    report = read_layer(stream(file(b"opt/x.jar", data) + file(b"opt/good.jar", GOOD) + END))
    inventory = image_of(report)
    assert [package.name for package in inventory.package_set.packages] == ["g:a"]
    assert "jar-damaged" in {problem.code for problem in inventory.not_assessed}
    assert inventory.assessable


def test_two_members_of_one_name_are_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("META-INF/maven/g/a/pom.properties", properties("g", "a", "1"))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("META-INF/maven/g/a/pom.properties", properties("g", "a", "9"))
    assert parse_archive("x.jar", out.getvalue()).problem is not None
