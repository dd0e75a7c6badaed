"""A person lets a program sign in: by a code that they type, or for a program on their own machine."""

import asyncio
import base64
import hashlib
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from starlette.testclient import TestClient
from tests.console.conftest import browser
from tests.console.reading import Reading
from tests.console.serving import Running

from pratique.identity.oauth.devices import NewDeviceCode
from pratique.identity.oauth.requests import GrantRequest, Place
from pratique.identity.oauth.resources import Wanted
from pratique.identity.types import Audience

WANT = Wanted("https://containerregistry.azure.net", Audience.EXCHANGE, offline=True)
PLACE = Place("https://localhost", "common")


def begin(running: Running, address: str = "203.0.113.9") -> NewDeviceCode:
    request = GrantRequest(PLACE, {"client_id": "pratique"}, address=address, agent="terminal/1")
    return asyncio.run(running.identity.machines.devices.begin(request, WANT))


def send(client: TestClient, path: str, shown: str, **fields: str) -> str:
    token = Reading(client.get(shown).text).field("csrf")
    return client.post(path, data={"csrf": token, **fields}, follow_redirects=True).text


def take(running: Running, made: NewDeviceCode) -> dict[str, object]:
    fields = {"client_id": "pratique", "grant_type": "device_code", "device_code": made.device_code}
    return asyncio.run(running.identity.machines.grants.answer(GrantRequest(PLACE, fields)))


def test_a_person_sees_who_asks_and_says_yes(running: Running, client: TestClient) -> None:
    made = begin(running)
    shown = send(client, "/device", "/device", code=f"{made.user_code[:4]}-{made.user_code[4:]}".lower())
    assert "pratique on the command line" in shown
    assert "203.0.113.9" in shown
    assert "another network than your browser" in shown
    done = send(client, "/device/decide", "/device", code=made.user_code, answer="yes")
    assert "may work as you" in done
    answer = take(running, made)
    assert {"access_token", "id_token", "refresh_token"} <= answer.keys()


def test_a_person_ends_their_own_programs_and_nobody_elses(running: Running, client: TestClient) -> None:
    made = begin(running)
    send(client, "/device/decide", "/device", code=made.user_code, answer="yes")
    token = str(take(running, made)["access_token"])
    page = client.get("/account/programs").text
    path = next(part for part in page.split('"') if part.endswith("/end"))
    other = browser(running, running.session("eve", role="AcrPull"))
    assert "No program" in other.get("/account/programs").text
    assert "not signed in as you" in send(other, path, "/account/programs")
    assert running.identity.tokens.caller(token, Audience.EXCHANGE).name == "ada"
    assert "No program" in send(client, path, "/account/programs")
    with pytest.raises(Exception, match="revoked"):
        running.identity.tokens.caller(token, Audience.EXCHANGE)


def test_a_person_refuses(running: Running, client: TestClient) -> None:
    made = begin(running)
    assert "got nothing" in send(client, "/device/decide", "/device", code=made.user_code, answer="no")
    with pytest.raises(Exception, match="refused this sign-in"):
        take(running, made)


def test_an_address_with_a_code_decides_nothing(running: Running, client: TestClient) -> None:
    made = begin(running)
    page = client.get(f"/device?code={made.user_code}&user_code={made.user_code}&answer=yes")
    assert not Reading(page.text).field("code")
    with pytest.raises(Exception, match="Nobody has approved"):
        take(running, made)


def test_guessing_codes_ends_after_five(running: Running, client: TestClient) -> None:
    texts = [send(client, "/device", "/device", code="BBBB-BBBB") for _ in range(6)]
    assert all("No sign-in waits" in text for text in texts[:5])
    assert "Too many wrong tries" in texts[5]


def test_strangers_are_led_to_the_sign_in(running: Running) -> None:
    answer = browser(running, {}).get("/device")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fdevice")


def asked(verifier: str, **changes: str) -> dict[str, str]:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return {
        "client_id": "pratique",
        "response_type": "code",
        "redirect_uri": "http://localhost:8400",
        "scope": "api://pratique/.default offline_access",
        "state": "s1",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **changes,
    }


def redeem(running: Running, code: str, verifier: str) -> dict[str, object]:
    fields = {
        "client_id": "pratique",
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": verifier,
        "redirect_uri": "http://localhost:8400",
    }
    return asyncio.run(running.identity.machines.grants.answer(GrantRequest(PLACE, fields)))


def test_a_program_on_this_machine_gets_its_answer_once(running: Running, client: TestClient) -> None:
    verifier = secrets.token_urlsafe(48)
    query = asked(verifier)
    text = send(client, "/authorize", f"/authorize?{urlencode(query)}", **query, answer="yes")
    link = next(part for part in text.split('"') if part.startswith("http://localhost:8400?"))
    fields = parse_qs(urlsplit(link.replace("&amp;", "&")).query)
    assert fields["state"] == ["s1"]
    with pytest.raises(Exception, match="does not fit"):
        redeem(running, fields["code"][0], "w" * 43)
    first = redeem(running, fields["code"][0], verifier)
    tokens = running.identity.tokens
    assert tokens.caller(str(first["access_token"]), Audience.MANAGEMENT).kind == "user"
    with pytest.raises(Exception, match="was used"):
        redeem(running, fields["code"][0], verifier)
    with pytest.raises(Exception, match="was revoked"):
        tokens.caller(str(first["access_token"]), Audience.MANAGEMENT)


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "http://localhost.evil.example:80"},
        {"redirect_uri": "http://localhost:80@evil.example"},
        {"redirect_uri": "http://localhost:8400/path"},
        {"redirect_uri": "http://localhost:8400#x"},
        {"redirect_uri": "javascript:alert(1)"},
        {"client_id": "somebody-else"},
        {"code_challenge_method": "plain"},
        {"response_type": "token"},
        {"scope": "https://graph.microsoft.com/.default"},
    ],
    ids=str,
)
def test_nothing_is_sent_elsewhere(running: Running, client: TestClient, change: dict[str, str]) -> None:
    answer = client.get(f"/authorize?{urlencode(asked('v' * 43, **change))}")
    assert answer.status_code == 400
    assert "location" not in answer.headers
