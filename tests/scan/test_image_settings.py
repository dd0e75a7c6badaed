"""How an image is set up is told in low findings, one a thing to change, and only where it is so."""

import io
import tarfile

from pratique.core.database import Database
from pratique.core.findings.types import Severity
from pratique.inventory.service import merge, read_layer
from pratique.inventory.types import ImageInventory
from pratique.recommendations.actions import Action, Kind
from pratique.recommendations.titles import title_of
from pratique.registry.types import GateState
from pratique.scan.image_checks import image_checks
from tests.scan.parts import Parts, debian_layer


def layer(files: dict[str, tuple[int, bytes]], folders: dict[str, int] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, mode in (folders or {}).items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for path, (mode, data) in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode, entry.size = mode, len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def image(*layers: bytes, run: dict[str, object] | None = None) -> ImageInventory:
    reports = [read_layer(io.BytesIO(one)) for one in layers]
    return merge(reports, {"config": run or {}, "rootfs": {"diff_ids": [one.diff_id for one in reports]}})


BAD = layer(
    {
        "usr/bin/su": (0o4755, b"#!x"),
        "app/data.txt": (0o666, b"data"),
        "var/lib/apt/lists/index": (0o644, b" " * (2 << 20)),
        "var/cache/apk/lock": (0o600, b""),
    },
    {"app/shared": 0o777, "tmp": 0o1777},
)


def shown(inventory: ImageInventory) -> dict[str, str]:
    return {one.rule.removeprefix("image-"): one.location for one in image_checks(inventory)}


def test_each_setting_is_told_once_and_low() -> None:
    inventory = image(BAD, run={"ExposedPorts": {"22/tcp": {}, "8080/tcp": {}}, "User": "0:0"})
    assert shown(inventory) == {
        "runs-as-root": "/config/User",
        "exposed-port": "/config/ExposedPorts/22~1tcp",
        "privileged-files": "setuid",
        "open-files": "world-writable",
        "package-cache": "cache:apt",
    }
    checks = {one.rule.removeprefix("image-"): one for one in image_checks(inventory)}
    assert {one.severity for one in checks.values()} == {Severity.LOW}
    assert checks["open-files"].evidence["files"] == ["app/data.txt", "app/shared"]
    assert checks["privileged-files"].evidence["files"][0] == {"path": "usr/bin/su", "mode": "4755", "uid": 0, "gid": 0}
    for check in checks.values():
        action = Action.parse(check.action)
        assert action.kind is Kind.IMAGE_SETTING
        assert title_of(action) not in ("", check.action)
        assert check.remediation


def test_an_image_that_is_set_up_well_has_none() -> None:
    assert (
        shown(image(layer({"app/x": (0o755, b"#!x")}), run={"User": "10001", "ExposedPorts": {"8080/tcp": {}}})) == {}
    )


def test_bits_that_a_later_layer_takes_away_are_gone_and_caches_are_not() -> None:
    later = layer({"usr/bin/su": (0o755, b"#!x"), "app/.wh.data.txt": (0o644, b""), "app/.wh.shared": (0o644, b""),
                   "var/lib/apt/.wh.lists": (0o644, b"")})  # fmt: skip
    assert shown(image(BAD, later, run={"User": "app"})) == {"package-cache": "cache:apt"}


def test_many_open_files_are_bounded() -> None:
    many = layer({f"a/{number}": (0o666, b"x") for number in range(1000)})
    (report,) = [read_layer(io.BytesIO(many))]
    assert len(report.open_paths) == 200


def test_they_are_findings_that_close_no_gate(database: Database) -> None:
    parts = Parts(database)
    place = parts.shelf.put("team/app", [debian_layer({"zlib": "1"})], extra={"config": {"User": "root"}})
    parts.index(place)
    assert parts.shown(place) == {"The image runs as root": "affected"}
    assert parts.shelf.state(place) is GateState.OPEN
