"""Pages are packed for who can unpack them, and in a way that their length gives nothing away."""

import gzip

from starlette.testclient import TestClient
from tests.console.reading import Reading
from tests.console.serving import Running

from pratique.console import forms
from pratique.console.packing import packed

PACKED = {"accept-encoding": "gzip, br"}


def test_a_page_is_packed_only_where_it_can_be_unpacked(full: Running, client: TestClient) -> None:
    answer = client.get("/recommendations", headers=PACKED)
    assert answer.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in answer.headers["vary"]
    assert "Update openssl" in answer.text
    for accepted in ("identity", "gzip;q=0", "br"):
        assert "content-encoding" not in client.get("/recommendations", headers={"accept-encoding": accepted}).headers


def test_pages_with_keys_and_tickets_are_never_packed(full: Running, client: TestClient, stranger: TestClient) -> None:
    for browser, path in ((stranger, "/sign-in"), (stranger, "/sign-in/link"), (client, "/account")):
        assert "content-encoding" not in browser.get(path, headers=PACKED).headers


def test_the_length_of_the_same_page_differs() -> None:
    data = b"the same page " * 200
    lengths = {len(packed(data)) for _ in range(50)}
    assert len(lengths) > 10
    assert gzip.decompress(packed(data)) == data


def test_the_token_of_a_form_is_other_text_in_each_answer_and_always_holds(full: Running, client: TestClient) -> None:
    tokens = {Reading(client.get("/recommendations").text).field("csrf") for _ in range(3)}
    assert len(tokens) == 3
    for token in tokens:
        assert client.post("/appearance", data={"csrf": token, "theme": "dark"}).status_code == 303
    assert len({forms.unmasked(token) for token in tokens}) == 1
