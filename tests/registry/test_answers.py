"""Every row of docs/reference/registry-answers.md is what a server answers."""

from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from tests.registry.clients import Client
from tests.registry.conftest import Judge
from tests.registry.images import Artifact, image, signature
from tests.registry.serving import Running

from pratique.registry.types import GateState

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "registry-answers.md"
NAME, SOURCE = "team/app", "team/source"
DECISION = "0192a000-0000-7000-8000-000000000001"
CALLERS = {
    "pull": "reader", "push": "other-pusher", "sign": "signer", "delete": "deleter", "quarantine read": "inspector",
    "quarantine write": "scanner", "metadata read": "onlooker", "metadata write": "locker", "none": "stranger",
    "anonymous": "",
}  # fmt: skip
LOCKS = {"read-locked": "readEnabled", "write-locked": "writeEnabled", "delete-locked": "deleteEnabled"}
MADE = image(b"the image of the table")
LAYER = list(MADE.blobs)[1]

Request = Callable[[Client], httpx2.Response]


def rows() -> list[tuple[str, str, str, str]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    found = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    return [(row[0], row[1], row[2], row[3]) for row in found if row[0] != "request"]


def _put(artifact: Artifact) -> Request:
    def request(client: Client) -> httpx2.Response:
        for content in artifact.blobs.values():
            client.push_blob(NAME, content)
        return client.put_manifest(NAME, artifact, "another")

    return request


REQUESTS: dict[str, Request] = {
    "GET manifest": lambda client: client.manifest(NAME, "v1"),
    "HEAD manifest": lambda client: client.http.head(f"/v2/{NAME}/manifests/v1"),
    "GET blob": lambda client: client.blob(NAME, LAYER),
    "HEAD blob": lambda client: client.http.head(f"/v2/{NAME}/blobs/{LAYER}"),
    "mount blob": lambda client: client.http.post("/v2/team/new/blobs/uploads/", params={"mount": LAYER, "from": NAME}),
    "upload blob": lambda client: client.push_blob(NAME, b"new bytes"),
    "PUT manifest": _put(image(b"a repair")),
    "PUT signature": _put(signature(MADE)),
    "GET referrers": lambda client: client.http.get(f"/v2/{NAME}/referrers/{MADE.digest}"),
    "list tags": lambda client: client.http.get(f"/v2/{NAME}/tags/list"),
    "DELETE tag": lambda client: client.http.delete(f"/v2/{NAME}/manifests/v1"),
    "DELETE manifest": lambda client: client.http.delete(f"/v2/{NAME}/manifests/{MADE.digest}"),
    "GET attributes": lambda client: client.http.get(f"/acr/v1/{NAME}/_manifests/{MADE.digest}"),
    "PATCH lock": lambda client: client.http.patch(f"/acr/v1/{NAME}/_tags/v1", json={"listEnabled": False}),
    "PATCH quarantine": lambda client: client.http.patch(
        f"/acr/v1/{NAME}/_manifests/{MADE.digest}", json={"quarantineState": "Passed", "quarantineDetails": "{}"}
    ),
    "DELETE repository": lambda client: client.http.delete(f"/acr/v1/{NAME}"),
}


@pytest.mark.parametrize("row", rows(), ids=", ".join)
def test_the_server_answers_as_the_page_says(
    row: tuple[str, str, str, str], registry: Running, judge: Judge, pusher: Client
) -> None:
    request, gate, right, expected = row
    pusher.push(NAME, MADE, "v1")
    if gate in LOCKS:
        judge.open(NAME, MADE.digest)
        path = f"/acr/v1/{NAME}" + ("/_tags/v1" if gate == "delete-locked" else "")
        with Client(registry.url, "keeper") as keeper:
            assert keeper.http.patch(path, json={LOCKS[gate]: False}).status_code == 200
    else:
        judge.decide(NAME, MADE.digest, GateState(gate), f"{gate}: because a test says so", DECISION)
    with Client(registry.url, CALLERS[right]) as client:
        answer = REQUESTS[request](client)
    code = f" {answer.json()['errors'][0]['code']}" if answer.is_error and answer.content else ""
    assert f"{answer.status_code}{code}" == expected, answer.text


def test_the_page_names_every_request_state_and_right() -> None:
    told = rows()
    assert len(told) > 60
    assert {row[0] for row in told} == set(REQUESTS)
    assert {row[2] for row in told} == set(CALLERS)
    assert {row[1] for row in told} == {"open", "held", "refused", *LOCKS}
