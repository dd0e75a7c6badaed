"""Pages about access: they show hostile names as text, refuse other sites, and do what identity allows, no more."""

import re

import pyotp
import pytest
from starlette.testclient import TestClient
from tests.console.conftest import browser
from tests.console.reading import Reading
from tests.console.serving import Running

from pratique.core.permissions import OPERATOR, Permission, Scope
from pratique.identity import roles
from pratique.identity.custom_roles import Definition
from pratique.identity.oidc.types import NewProvider
from pratique.identity.types import Principal, PrincipalName

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\N{RIGHT-TO-LEFT OVERRIDE}"
PAGES = (
    "/people", "/principals", "/principals/builder", "/principals/ada", "/groups", "/groups/team", "/roles",
    "/assignments", "/access", "/access?principal=builder&permission=registry%2Fcontent%2Fread&scope=%2Fregistry",
    "/access?principal=&permission=registry%2Fcontent%2Fread&scope=%2Fregistry", "/activation", "/reviews",
    "/sessions", "/account",
)  # fmt: skip


def populate(running: Running) -> Principal:
    """Names, reasons and titles that are no names."""
    identity = running.identity

    def body(tx: object) -> Principal:
        builder = identity.principals.create(tx, OPERATOR, PrincipalName.parse("builder"), "service", HOSTILE)  # type: ignore[arg-type]
        team = identity.groups.create(tx, OPERATOR, PrincipalName.parse("team"), HOSTILE)  # type: ignore[arg-type]
        identity.groups.add(tx, OPERATOR, team, builder)  # type: ignore[arg-type]
        scope = Scope.parse("/registry")
        identity.assignments.create(tx, OPERATOR, team, roles.find("AcrPull"), scope)  # type: ignore[arg-type]
        identity.principals.add_secret(tx, OPERATOR, builder, label=HOSTILE)  # type: ignore[arg-type]
        definition = Definition(("registry/content/delete",))
        identity.roles.create(tx, OPERATOR, "Cleaner", definition, description=HOSTILE)  # type: ignore[arg-type]
        wanted = NewProvider("corp", HOSTILE, "https://idp.example", "c")
        identity.providers.add(tx, OPERATOR, wanted)  # type: ignore[arg-type]
        return builder

    return running.database.write(body)


def csrf(client: TestClient, path: str) -> str:
    return Reading(client.get(path).text).field("csrf")


@pytest.mark.parametrize("path", PAGES)
def test_what_others_write_is_shown_as_text(running: Running, client: TestClient, path: str) -> None:
    populate(running)
    answer = client.get(path)
    assert answer.status_code == 200
    page = Reading(answer.text)
    assert page.breaches() == []
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text


def test_the_sign_in_page_shows_a_provider_as_text(running: Running, stranger: TestClient) -> None:
    populate(running)
    page = stranger.get("/sign-in")
    assert Reading(page.text).breaches() == []
    assert "<script>alert" not in page.text


@pytest.mark.parametrize("path", [path for path in PAGES if path not in ("/activation", "/account")])
def test_whoever_lacks_the_right_sees_none_of_it(running: Running, path: str) -> None:
    populate(running)
    nobody = browser(running, running.session("nobody", "AcrPull", "/registry"))
    running.session("ada")
    assert nobody.get(path).status_code == 403


POSTS = (
    "/principals/builder/disable", "/principals/builder/rotate", "/groups", "/groups/team/add", "/assignments",
    "/activation", "/sessions/x/end", "/reviews/x/fix", "/assignments/x/delete", "/activation/x/approve",
    "/account/password", "/account/passkeys", "/account/passkeys/options", "/account/passkeys/x/remove",
)  # fmt: skip


@pytest.mark.parametrize("path", POSTS)
def test_forms_of_other_sites_and_without_their_token_do_nothing(
    running: Running, client: TestClient, path: str
) -> None:
    populate(running)
    token = csrf(client, "/groups")
    for given, headers in (
        ({}, {}), ({"csrf": "00"}, {}), ({"csrf": token}, {"origin": "https://evil.example"}),
        ({"csrf": token}, {"sec-fetch-site": "cross-site"}),
    ):  # fmt: skip
        assert client.post(path, data=given, headers=headers).status_code == 403
    assert running.database.read(lambda tx: running.identity.principals.get(tx, "builder")).state == "active"


@pytest.mark.parametrize("path", POSTS[:9])
def test_whoever_lacks_the_right_changes_nothing(running: Running, path: str) -> None:
    populate(running)
    nobody = browser(running, running.session("nobody", "AcrPull", "/registry"))
    token = Reading(nobody.get("/account").text).field("csrf")
    form = {
        "csrf": token, "name": "mine", "member": "nobody", "principal": "nobody", "role": "Owner", "scope": "/",
        "effect": "allow", "eligibility": "x", "reason": "because", "duration": "1h",
    }  # fmt: skip
    assert nobody.post(path, data=form).status_code in (403, 404)


def test_a_role_is_given_explained_and_taken_by_forms_alone(running: Running, client: TestClient) -> None:
    builder = populate(running)
    form = {"csrf": csrf(client, "/assignments"), "principal": "builder", "role": "AcrPush", "scope": "/registry/team"}
    answer = client.post("/assignments", data=form | {"effect": "allow", "expires": "8h", "condition": ""})
    assert answer.headers["location"] == "/assignments"
    asked = {"principal": "builder", "permission": "registry/content/write", "scope": "/registry/team/app"}
    assert "Allowed by AcrPush at /registry/team." in client.get("/access", params=asked).text
    assert "builder" in client.get("/access", params=asked | {"principal": ""}).text
    page = client.get("/principals/builder").text
    action = re.search(r'action="(/assignments/[^"]+/delete)"', page)
    assert action is not None
    client.post(action[1], data={"csrf": csrf(client, "/assignments")})
    told = running.identity.authorizer.explain(
        builder.id, Permission.REGISTRY_CONTENT_WRITE, Scope.for_repository("team/app")
    )
    assert not told.allowed


def test_a_question_that_is_unclear_is_answered_with_what_is_wrong(client: TestClient) -> None:
    for asked in (
        {"permission": "registry/content/read", "scope": "/registry/team/../prod"},
        {"permission": "registry/content/read", "scope": "/registry/team/%2e%2e/prod"},
        {"permission": "nonsense", "scope": "/"},
    ):
        answer = client.get("/access", params=asked)
        assert answer.status_code == 400
        assert "No answer" in answer.text


def test_a_new_secret_is_shown_once(running: Running, client: TestClient) -> None:
    populate(running)
    answer = client.post("/principals/builder/rotate", data={"csrf": csrf(client, "/groups")})
    assert re.search(r"pqs_[\w-]{43}", answer.text)
    assert answer.headers["cache-control"] == "no-store"
    assert "pqs_" not in client.get("/principals/builder").text


def test_a_review_is_settled_by_one_button(running: Running, client: TestClient) -> None:
    populate(running)
    page = client.get("/reviews").text
    action = re.search(r'action="(/reviews/[^"]+/fix)"', page)
    assert action is not None
    assert "The secret ends in 90 days." in client.post(action[1], data={"csrf": csrf(client, "/groups")}).text
    assert "Nothing to settle" in client.get("/reviews").text


def test_a_role_is_taken_on_and_ended_by_forms(running: Running, client: TestClient) -> None:
    identity = running.identity
    running.database.write(
        lambda tx: identity.activations.offer(
            tx, OPERATOR, identity.principals.get(tx, "ada"), roles.find("AcrDelete"), Scope.parse("/registry"),
            longest=3600.0,
        )
    )  # fmt: skip
    page = client.get("/activation").text
    wanted = re.search(r"<option[^>]*>([0-9a-f-]{36})</option>", page)
    assert wanted is not None
    form = {"csrf": csrf(client, "/groups"), "eligibility": wanted[1], "reason": f"why {HOSTILE}", "duration": "30m"}
    assert client.post("/activation", data=form).headers["location"] == "/activation"
    page = client.get("/activation").text
    assert "active" in page
    assert "<script>alert" not in page
    action = re.search(r'action="(/activation/[^"]+/end)"', page)
    assert action is not None
    client.post(action[1], data={"csrf": csrf(client, "/groups")})
    assert "ended" in client.get("/activation").text


def test_a_password_is_changed_with_the_old_one_and_a_code(running: Running, client: TestClient) -> None:
    identity, people = running.identity, running.identity.people

    async def enrol() -> str:
        principal = await running.database.read_async(lambda tx: identity.principals.get(tx, "ada"))
        link = await running.database.write_async(lambda tx: identity.links.make(tx, OPERATOR, principal))
        ticket = await running.database.write_async(lambda tx: identity.links.open(tx, link.secret))
        setup = await people.start_code(ticket.value)
        code = pyotp.TOTP(setup.secret).at(running.parts.clock.now() // 1_000_000)
        session = await people.set_password(ticket.value, "first long password", code, address="192.0.2.1", agent="t")
        return f"{setup.secret} {session.cookie}"

    import asyncio

    secret, cookie = asyncio.run(enrol()).split()
    clock = running.parts.clock
    clock.advance(60)  # type: ignore[attr-defined]
    own = browser(running, {"__Host-pratique": cookie})
    code = pyotp.TOTP(secret).at(clock.now() // 1_000_000)
    form = {
        "csrf": csrf(own, "/account"),
        "password": "wrong long password",
        "code": code,
        "wanted": "second long one!",
    }
    assert own.post("/account/password", data=form).status_code == 401
    answer = own.post("/account/password", data=form | {"password": "first long password"})
    assert "The password is changed" in answer.text
    clock.advance(60)  # type: ignore[attr-defined]
    code = pyotp.TOTP(secret).at(clock.now() // 1_000_000)
    fresh = browser(running, {})
    form = {"csrf": csrf(fresh, "/sign-in"), "name": "ada", "password": "second long one!", "code": code}
    assert fresh.post("/sign-in", data=form).status_code == 303
