"""Verdicts that change while an image lies there: by a script's next line, by time, by new data."""

import json
import random
import shlex
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from tests.advisories.feed_server import FeedServer
from tests.advisories.samples import DEBIAN, debian, fixed, put_small_world
from tests.corpus.layers.archive import END, file, gzipped
from tests.corpus.layers.build import GOOD
from tests.e2e.conftest import Installation, start
from tests.e2e.test_hostile_images import hostile
from tests.e2e.wire import Wire, image_of
from tests.interop.layouts import write_layout

ACCEPT = {"Accept": "application/vnd.oci.image.manifest.v1+json"}


@pytest.mark.usefixtures("skopeo")
def test_push_and_pull_in_one_script_by_two_principals(installation: Installation, tmp_path: Path) -> None:
    pusher = installation.account("script-pusher", "AcrPush", "/registry/script/")
    reader = installation.account("script-reader", "AcrPull", "/registry/script/")
    made = image_of(random.randbytes(1_000_000))
    layout, target = write_layout(tmp_path / "in", made), f"docker://{installation.host}/script/app:1"
    trust = shlex.quote(str(installation.clients / "certs"))
    push = f"skopeo copy --dest-cert-dir {trust} --dest-creds {pusher} oci:{layout} {target}"
    pull = f"skopeo copy --src-cert-dir {trust} --src-creds {reader} {target} oci:{tmp_path}/out:1"
    done = subprocess.run(
        ["sh", "-c", f"{push} && {pull}"],
        env=installation.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "index.json").read_text())["manifests"][0]["digest"] == made.digest


def test_an_exemption_opens_at_once_and_its_end_closes_at_its_instant(installation: Installation) -> None:
    pusher = Wire(installation, installation.account("end-pusher", "AcrPush", "/registry/ending/"))
    reader = Wire(installation, installation.account("end-reader", "AcrPull", "/registry/ending/"))
    record = file(b"app/node_modules/minimist/package.json", b'{"name":"minimist","version":"1.2.0"}')
    pusher.push("ending/app", hostile(gzipped(GOOD + record + END)), "1")
    found = installation.status("ending/app:1")
    assert (found["state"], found["class"]) == ("refused", "fixable-critical")
    path = f"/v2/ending/app/manifests/{found['digest']}"
    assert reader.request("GET", path, b"", **ACCEPT).status == 403
    words = ["--image", f"{installation.host}/ending/app:1", "--reason", "not reachable", "--approver", "ann"]
    printed = installation.ok("exempt", "CVE-2021-44906", *words, "--expires", "6s", "-o", "json")
    ends = json.loads(printed)["expires_at"] / 1_000_000
    assert reader.request("GET", path, b"", **ACCEPT).status == 200
    while reader.request("GET", path, b"", **ACCEPT).status == 200:
        assert time.time() < ends + 1
        time.sleep(0.01)
    assert abs(time.time() - ends) < 1
    assert installation.status("ending/app:1")["state"] == "refused"


def test_imported_advisories_change_the_verdict_and_no_layer_is_read_again(tmp_path: Path) -> None:
    feeds = FeedServer()
    put_small_world(feeds)
    feeds.put(DEBIAN, debian({"innocent": {"CVE-2024-0001": {"bookworm": fixed("2.0-1")}}}))
    source = start(tmp_path / "source", PRATIQUE_ADVISORIES__MIRROR=feeds.url)
    target = start(tmp_path / "target")
    try:
        wire = Wire(target, target.account("pusher", "AcrPush", "/registry/team/"))
        wire.push("team/app", image_of(b"innocent so far"), "1")
        assert target.status("team/app:1")["state"] == "open"
        read = _readings(target)
        source.ok("advisories", "sync", "debian", "kev", "nvd", "--fetch")
        source.ok("advisories", "export", str(tmp_path / "bundle"))
        refused = target.run("advisories", "import", str(tmp_path / "bundle"))
        assert "a key that is not trusted here" in refused.stderr
        signer = refused.stderr.partition("signed by ")[2].partition(",")[0]
        target.ok("advisories", "import", str(tmp_path / "bundle"), f"--trust={signer}", "--allow-older")
        end = time.monotonic() + 60
        while (found := target.status("team/app:1"))["state"] == "open":
            assert time.monotonic() < end
            time.sleep(0.2)
        assert "CVE-2024-0001" in {reason["name"] for reason in found["reasons"]}
        assert _readings(target) == read
    finally:
        source.run("down")
        target.run("down")
        feeds.stop()


def _readings(server: Installation) -> list[tuple[str, int, int]]:
    database = sqlite3.connect(f"file:{server.state}/pratique.db?mode=ro", uri=True)
    try:
        rows: list[tuple[str, int, int]] = database.execute(
            "select digest, attempts, read_at from scan_layers order by digest"
        ).fetchall()
    finally:
        database.close()
    assert rows
    return rows
