"""The main job with a real client on real images: pushed, held, read, judged, refused; repaired, opened, pulled."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Installation

pytestmark = pytest.mark.usefixtures("skopeo")


@pytest.fixture(scope="session")
def pusher(installation: Installation) -> str:
    return installation.account("e2e-pusher", "AcrPush", "/registry/team/")


@pytest.fixture(scope="session")
def reader(installation: Installation) -> str:
    return installation.account("e2e-reader", "AcrPull", "/registry/team/")


def push(installation: Installation, layout: Path, name: str, target: str, account: str) -> None:
    destination = f"docker://{installation.host}/{target}"
    done = installation.skopeo("copy", "--dest-creds", account, f"oci:{layout}:{name}", destination)
    assert done.returncode == 0, done.stderr


def digest_of(layout: Path, name: str) -> str:
    index = json.loads((layout / "index.json").read_text())
    names = {item["annotations"]["org.opencontainers.image.ref.name"]: item["digest"] for item in index["manifests"]}
    return str(names[name])


def pull(installation: Installation, source: str, account: str, target: Path) -> tuple[int, str]:
    done = installation.skopeo(
        "copy", "--src-creds", account, f"docker://{installation.host}/{source}", f"oci:{target}:x"
    )
    return done.returncode, done.stderr


def test_an_exploited_image_is_refused_and_the_pull_says_what_to_do(
    installation: Installation, demo_layout: Path, pusher: str, reader: str, tmp_path: Path
) -> None:
    push(installation, demo_layout, "web-published", "team/refused:1", pusher)
    found = installation.status("team/refused:1")
    assert (found["state"], found["class"]) == ("refused", "exploited")
    assert found["summary"].startswith("refused: CVE-2023-44487 in nginx 1.22.1-9+deb12u9 is known to be exploited; ")
    code, message = pull(installation, "team/refused:1", reader, tmp_path / "pulled")
    assert code != 0
    assert "CVE-2023-44487" in message
    assert f"/r/team/refused/-/{found['digest']}" in message


def test_the_repaired_image_shares_a_layer_with_the_refused_one_opens_and_can_be_pulled_in_the_next_line(
    installation: Installation, demo_layout: Path, pusher: str, reader: str, tmp_path: Path
) -> None:
    push(installation, demo_layout, "web-published", "team/shared:broken", pusher)
    push(installation, demo_layout, "web-repaired", "team/shared:1", pusher)
    code, message = pull(installation, "team/shared:1", reader, tmp_path / "pulled")
    assert code == 0, message
    assert installation.status("team/shared:1")["state"] == "open"
    assert installation.status("team/shared:broken")["state"] == "refused"


def test_a_refused_push_over_a_live_tag_leaves_readers_with_the_served_image(
    installation: Installation, demo_layout: Path, pusher: str, reader: str, tmp_path: Path
) -> None:
    push(installation, demo_layout, "web-repaired", "team/live:1", pusher)
    assert installation.status("team/live:1")["state"] == "open"
    push(installation, demo_layout, "web-published", "team/live:1", pusher)
    assert installation.status("team/live:1")["state"] == "refused"
    code, message = pull(installation, "team/live:1", reader, tmp_path / "pulled")
    assert code == 0, message
    assert digest_of(tmp_path / "pulled", "x") == digest_of(demo_layout, "web-repaired")


def test_the_application_image_is_refused_for_its_packages(
    installation: Installation, demo_layout: Path, pusher: str
) -> None:
    push(installation, demo_layout, "app-old", "team/app:1", pusher)
    found = installation.status("team/app:1")
    assert found["state"] == "refused"
    packages = {reason["location"] for reason in found["reasons"]}
    assert {"pkg:npm/minimist", "pkg:pypi/django"} <= packages


def test_an_exemption_acts_at_once_and_its_withdrawal_as_well(
    installation: Installation, demo_layout: Path, pusher: str, reader: str, tmp_path: Path
) -> None:
    push(installation, demo_layout, "web-published", "team/exempt:1", pusher)
    names = {reason["name"] for reason in installation.status("team/exempt:1")["reasons"]}
    assert "CVE-2023-44487" in names
    printed = installation.ok(
        "exempt",
        "CVE-2023-44487",
        "--image",
        f"{installation.host}/team/exempt:1",
        "--reason",
        "no HTTP/2 here",
        "--expires",
        "1h",
        "--approver",
        "ann",
        "-o",
        "json",
    )
    exempted = installation.status("team/exempt:1")
    assert exempted["class"] != "exploited"
    assert any(reason["exempted_by"] for reason in exempted["reasons"])
    installation.ok("exempt", "remove", json.loads(printed)["id"])
    assert installation.status("team/exempt:1")["class"] == "exploited"


def test_an_exemption_that_matches_nothing_needs_force_and_a_host_that_is_not_ours_is_refused(
    installation: Installation, demo_layout: Path, pusher: str
) -> None:
    push(installation, demo_layout, "web-published", "team/misspelt:1", pusher)
    words = ["--image", "team/misspelt:1", "--expires", "1h", "--reason", "not reachable"]
    done = installation.run("exempt", "CVE-2023-99999", *words)
    assert done.returncode == 2
    assert "CVE-2023-99999 matches no open finding in team/misspelt" in done.stderr
    assert "--force" in done.stderr
    assert "is accepted in team/misspelt" in installation.ok("exempt", "CVE-2023-99999", *words, "--force")
    elsewhere = installation.run("status", "registry.example:5000/team/misspelt:1")
    assert elsewhere.returncode == 2
    assert f"registry.example:5000 is not this installation: its registry is {installation.host}" in elsewhere.stderr
    assert installation.run("status", f"{installation.host}/team/misspelt:1").returncode == 1


@pytest.mark.parametrize(("name", "code"), [("web-published", 1), ("web-repaired", 0)])
def test_status_gives_ci_an_exit_code(
    installation: Installation, demo_layout: Path, pusher: str, name: str, code: int
) -> None:
    push(installation, demo_layout, name, f"team/{name}:1", pusher)
    assert installation.run("status", f"{installation.host}/team/{name}:1", "--wait").returncode == code


def test_status_of_what_is_not_there_says_so(installation: Installation) -> None:
    done = installation.run("status", "team/nothing:1")
    assert done.returncode == 3
    assert "there is no team/nothing:1" in done.stderr
