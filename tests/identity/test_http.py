"""Identity over HTTP: the token endpoint as clients use it, the management API, cookies and forgery."""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from starlette.responses import JSONResponse
from tests.identity.conftest import World
from tests.identity.test_people import enrol, link_for

from pratique.core.http.answers import html_error, problem_json
from pratique.core.http.api import create_api
from pratique.core.http.hosts import HostRules
from pratique.core.http.management import management_plane
from pratique.core.http.pipeline import Pipeline
from pratique.core.http.plane import AsgiApp, HttpScope, Plane, Receive, Send, caller_of
from pratique.core.keys.client import Keys
from pratique.identity import routes
from pratique.identity.sessions import COOKIE
from pratique.identity.token_endpoint import PREFIXES, token_app, token_error
from pratique.identity.token_requests import REFRESH_USER

HOST = "localhost:8443"


def who_app() -> AsgiApp:
    async def app(scope: HttpScope, receive: Receive, send: Send) -> None:
        caller = caller_of(scope)
        await JSONResponse({"name": caller.name, "kind": caller.kind})(scope, receive, send)

    return app


class Site:
    """The pipeline with the planes of identity, called without a socket."""

    def __init__(self, world: World) -> None:
        identity = world.identity
        planes = [
            Plane("token", ("login", "registry"), PREFIXES, token_app(identity.token_service, world.keys), token_error),
            Plane("registry", ("registry",), ("/v2/",), who_app(), problem_json, identity.registry_authenticator),
            management_plane(
                lambda: create_api([routes.router(identity)], version="test"), identity.management_authenticator
            ),
            Plane(
                "console", ("console",), ("",), who_app(), html_error, identity.console_authenticator, data_plane=False
            ),
        ]
        self.pipeline = Pipeline(planes, HostRules("localhost", ()), log_requests=False)
        self.world = world
        self.headers: dict[str, str] = {}

    def __call__(self, method: str, path: str, **options: Any) -> httpx2.Response:
        async def send() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=self.pipeline, client=("192.0.2.1", 1))
            async with httpx2.AsyncClient(transport=transport, base_url=f"https://{HOST}") as client:
                headers = {**self.headers, **options.pop("headers", {})}
                return await client.request(method, path, headers=headers, **options)

        return asyncio.run(send())


@pytest.fixture
def site(world: World) -> Iterator[Site]:
    return Site(world)


@pytest.fixture
def operator(site: Site, admin_keys: Keys) -> Site:
    """The site for the operator of the machine."""
    site.headers = {"authorization": f"Bearer {admin_keys.operator_token()}"}
    return site


@pytest.fixture
def secret(world: World) -> str:
    principal = world.create("builder")
    world.assign(principal, "AcrPush", "/registry/team")
    return world.secret(principal).value


def basic(name: str, value: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{value}".encode()).decode()}


SCOPE = "repository:team/app:pull,push"


@pytest.mark.parametrize("path", ["/oauth2/token", "/token"])
def test_docker_clients_get_a_token(site: Site, secret: str, path: str) -> None:
    query = {"service": "registry", "scope": [SCOPE, "repository:other:pull"], "account": "builder"}
    answer = site("GET", path, params=query, headers=basic("builder", secret))
    assert answer.status_code == 200
    body = answer.json()
    assert body["token"] == body["access_token"]
    assert body["expires_in"] >= 60
    assert body["issued_at"].endswith("Z")
    assert "refresh_token" not in body
    assert answer.headers["cache-control"] == "no-store"
    me = site("GET", "/v2/", headers={"authorization": f"Bearer {body['token']}"})
    assert me.json() == {"name": "builder", "kind": "service"}


def test_offline_tokens_work_in_every_way_that_clients_use_them(site: Site, secret: str) -> None:
    body = site("GET", "/oauth2/token?offline_token=true", headers=basic("builder", secret)).json()
    refresh = body["refresh_token"]
    form = {
        "grant_type": "refresh_token",
        "refresh_token": refresh,
        "service": "registry",
        "scope": SCOPE,
        "client_id": "c",
    }
    posted = site("POST", "/oauth2/token", data=form).json()
    assert posted["scope"] == SCOPE
    assert posted["token_type"] == "Bearer"
    got = site("GET", "/oauth2/token", params={"scope": SCOPE}, headers=basic(REFRESH_USER, refresh))
    assert got.status_code == 200


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "password", "username": "builder", "password": "SECRET"},
        {"grant_type": "client_credentials", "client_id": "builder", "client_secret": "SECRET"},
        {"grant_type": "password", "username": "builder", "password": "SECRET", "access_type": "offline"},
    ],
)
def test_oauth2_forms_get_a_token(site: Site, secret: str, form: dict[str, str]) -> None:
    filled = {key: value.replace("SECRET", secret) for key, value in form.items()} | {"scope": SCOPE}
    answer = site("POST", "/oauth2/token", data=filled)
    assert answer.json()["scope"] == SCOPE
    assert ("refresh_token" in answer.json()) == ("access_type" in form)


def test_a_management_token_opens_the_api_and_no_registry(site: Site, secret: str) -> None:
    form = {"grant_type": "client_credentials", "service": "management"}
    token = site("POST", "/oauth2/token", data=form, headers=basic("builder", secret)).json()["access_token"]
    bearer = {"authorization": f"Bearer {token}"}
    assert site("GET", "/api/v1/access/me", headers=bearer).json()["name"] == "builder"
    assert site("GET", "/api/v1/principals", headers=bearer).status_code == 403
    assert site("GET", "/v2/", headers=bearer).status_code == 401


def test_wrong_secrets_are_answered_in_words_of_both_kinds_of_client(site: Site, secret: str) -> None:
    answer = site("GET", "/oauth2/token", headers=basic("builder", "wrong"))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith(f'Basic realm="{HOST}"')
    body = answer.json()
    assert body["errors"][0]["code"] == "UNAUTHORIZED"
    assert "do not fit together" in body["errors"][0]["message"]
    assert body["error"] == "invalid_client"
    unknown = site("GET", "/oauth2/token", headers=basic("nobody", "wrong"))
    assert unknown.json() == body


def test_many_wrong_secrets_are_told_when_to_come_back(site: Site, secret: str) -> None:
    for _ in range(5):
        assert site("GET", "/oauth2/token", headers=basic("builder", "wrong")).status_code == 401
    answer = site("GET", "/oauth2/token", headers=basic("builder", "wrong"))
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
    assert site("GET", "/oauth2/token", headers=basic("builder", secret)).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    ["Basic", "Basic !!!", "Basic " + base64.b64encode(b"\xff\xfe:x").decode(), "Basic " + "A" * 40_000, "Negotiate x",
     "Basic " + base64.b64encode(b"nocolon").decode(), "Bearer x", "basic  "],
)  # fmt: skip
def test_unreadable_authentication_is_refused(site: Site, authorization: str) -> None:
    answer = site("GET", "/oauth2/token", headers={"authorization": authorization})
    assert answer.status_code in (400, 401, 413, 431)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"grant_type=magic", 400), (b"grant_type=refresh_token&refresh_token=x", 401),
        (b"grant_type=password", 401), (b"\xff=\xfe", 400), (b"a=1&" * 200, 400), (b"a" * 70_000, 413),
        (b"grant_type=password&username=builder&password=", 401), (b"grant_type=client_credentials", 401),
    ],
)  # fmt: skip
def test_unreadable_forms_are_refused(site: Site, body: bytes, status: int) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert site("POST", "/oauth2/token", content=body, headers=headers).status_code == status


def test_strangers_are_refused_and_told_to_sign_in(site: Site) -> None:
    answer = site("GET", "/oauth2/token", params={"scope": SCOPE})
    assert answer.status_code == 401
    assert "Signing in is needed" in answer.json()["errors"][0]["message"]


def test_the_registry_takes_no_basic_authentication_and_no_cookie(site: Site, secret: str) -> None:
    assert site("GET", "/v2/", headers=basic("builder", secret)).status_code == 401
    assert site("GET", "/v2/", headers={"cookie": f"{COOKIE}=x"}).json()["kind"] == "anonymous"
    assert site("GET", "/v2/", headers={"authorization": "Bearer x.y.z"}).status_code == 401


def test_the_public_keys_verify_tokens_of_others(site: Site, secret: str) -> None:
    import jwt

    token = site("GET", "/oauth2/token", headers=basic("builder", secret)).json()["token"]
    keys = site("GET", "/oauth2/keys").json()["keys"]
    chosen = next(key for key in keys if key["kid"] == jwt.get_unverified_header(token)["kid"])
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(token, jwt.PyJWK(chosen), ["ES256"], audience="registry", options=options)
    assert claims["access"] == []
    assert set(chosen) == {"kty", "crv", "x", "y", "kid", "alg", "use"}


def test_the_character_nul_is_refused_before_it_meets_a_database(operator: Site) -> None:
    for body in ({"name": "nul", "display_name": "a\0b"}, {"name": "nul", "secret_label": "\0"}):
        answer = operator("POST", "/api/v1/principals", json=body)
        assert (answer.status_code, "NUL" in answer.text) == (400, True)
    for path in ("/api/v1/principals/a%00b", "/api/v1/principals?cursor=%00"):
        assert operator("GET", path).status_code == 400
    assert operator("GET", "/api/v1/principals/nul").status_code == 404


def test_principals_are_made_all_or_nothing(operator: Site) -> None:
    body = {"name": "ci", "grants": [{"role": "AcrPush", "scope": "/registry/team/"}], "secret": True}
    made = operator("POST", "/api/v1/principals", json=body)
    assert made.status_code == 201
    assert made.json()["secret"]["value"].startswith("pqs_")
    assert made.json()["assignments"][0]["scope"] == "/registry/team"
    bad = {"name": "ci2", "grants": [{"role": "AcrPushh", "scope": "/registry/team/"}], "secret": True}
    assert operator("POST", "/api/v1/principals", json=bad).status_code == 404
    assert operator("GET", "/api/v1/principals/ci2").status_code == 404
    assert operator("POST", "/api/v1/principals", json=body).status_code == 409


def test_a_principal_through_its_life(operator: Site) -> None:
    operator("POST", "/api/v1/principals", json={"name": "ci", "secret": True})
    shown = operator("GET", "/api/v1/principals/CI").json()
    assert len(shown["secrets"]) == 1
    assert "value" not in shown["secrets"][0]
    second = operator("POST", "/api/v1/principals/ci/secrets", json={"label": "two"}).json()
    assert operator("DELETE", f"/api/v1/principals/ci/secrets/{second['id']}").status_code == 204
    assert operator("DELETE", f"/api/v1/principals/ci/secrets/{second['id']}").status_code == 404
    rotated = operator("POST", "/api/v1/principals/ci/rotate", json={})
    assert rotated.status_code == 201
    for action in ("disable", "enable", "revoke-tokens"):
        assert operator("POST", f"/api/v1/principals/ci/{action}").status_code == 204
    assert operator("DELETE", "/api/v1/principals/ci").status_code == 204
    assert operator("GET", "/api/v1/principals/ci").status_code == 404


def test_assignments_and_explanations(operator: Site) -> None:
    operator("POST", "/api/v1/principals", json={"name": "ci"})
    asked = {"principal": "ci", "permission": "registry/content/read", "scope": "/registry/team/app"}
    before = operator("GET", "/api/v1/access/explain", params=asked).json()
    assert (before["allowed"], before["roles"][0]) == (False, "AcrPull")
    body = {"principal": "ci", "role": "AcrPull", "scope": "/registry/Team"}
    made = operator("POST", "/api/v1/assignments", json=body).json()
    assert operator("POST", "/api/v1/assignments", json=body).json()["id"] == made["id"]
    assert operator("GET", "/api/v1/access/explain", params=asked).json()["allowed"]
    listed = operator("GET", "/api/v1/assignments", params={"principal": "ci"}).json()["items"]
    assert [(one["role"], one["scope"], one["principal"]) for one in listed] == [("AcrPull", "/registry/team", "ci")]
    assert operator("DELETE", f"/api/v1/assignments/{made['id']}").status_code == 204
    assert not operator("GET", "/api/v1/access/explain", params=asked).json()["allowed"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/principals", {"name": "x y"}), ("POST", "/api/v1/principals", {"name": "x", "knd": "user"}),
        ("POST", "/api/v1/principals", {"name": "x", "kind": "operator"}), ("POST", "/api/v1/principals", []),
        ("POST", "/api/v1/assignments", {"principal": "ci", "role": "AcrPull", "scope": "registry"}),
        ("GET", "/api/v1/principals?limit=501", None), ("GET", "/api/v1/principals?cursor=AAAA", None),
        ("GET", "/api/v1/access/explain?principal=ci&permission=all", None),
    ],
)  # fmt: skip
def test_bad_requests_change_nothing_and_say_why(operator: Site, method: str, path: str, body: object) -> None:
    operator("POST", "/api/v1/principals", json={"name": "ci"})
    answer = operator(method, path, **({"json": body} if body is not None else {}))
    assert answer.status_code == 400
    assert answer.json()["title"]
    names = [one["name"] for one in operator("GET", "/api/v1/principals").json()["items"]]
    assert names == ["ci"]


@pytest.mark.parametrize("path", ["/principals", "/roles", "/assignments", "/sessions", "/access/me", "/audit"])
def test_strangers_get_nothing_from_the_api(site: Site, path: str) -> None:
    assert site("GET", f"/api/v1{path}").status_code == 401


def test_every_write_is_in_the_audit_log(operator: Site) -> None:
    operator("POST", "/api/v1/principals", json={"name": "ci", "secret": True})
    operator("DELETE", "/api/v1/principals/ci")
    entries = operator("GET", "/api/v1/audit").json()["items"]
    actions = [entry["action"] for entry in entries]
    assert actions[0] == "identity.principal.delete"
    assert set(actions) >= {"identity.principal.create", "identity.credential.create"}
    assert {entry["principal"] for entry in entries} == {"local-operator"}
    assert "pqs_" not in str(entries)


def test_pages_of_the_audit_log_follow_each_other(operator: Site) -> None:
    for index in range(5):
        operator("POST", "/api/v1/principals", json={"name": f"ci{index}"})
    first = operator("GET", "/api/v1/audit", params={"limit": 3}).json()
    second = operator("GET", "/api/v1/audit", params={"limit": 3, "cursor": first["next"]}).json()
    assert len(first["items"] + second["items"]) == 5
    assert second["next"] is None


@pytest.fixture
def signed_in(world: World, site: Site) -> tuple[Site, str, str]:
    """A person's cookie and token against forgery."""
    principal = world.create("ann", "user")
    world.assign(principal, "Owner", "/")
    session, _ = enrol(world, link_for(world, principal))
    return site, session.cookie, world.identity.sessions.forgery_token(session.session.id)


def test_a_session_reads_the_api_and_writes_only_with_its_token(signed_in: tuple[Site, str, str]) -> None:
    site, cookie, token = signed_in
    site.headers = {"cookie": f"{COOKIE}={cookie}"}
    assert site("GET", "/api/v1/principals").status_code == 200
    body = {"name": "made"}
    assert site("POST", "/api/v1/principals", json=body).status_code == 403
    assert site("POST", "/api/v1/principals", json=body, headers={"x-csrf-token": token[:-2]}).status_code == 403
    foreign = {"x-csrf-token": token, "origin": "https://evil.example"}
    assert site("POST", "/api/v1/principals", json=body, headers=foreign).status_code == 403
    cross = {"x-csrf-token": token, "sec-fetch-site": "same-site"}
    assert site("POST", "/api/v1/principals", json=body, headers=cross).status_code == 403
    own = {"x-csrf-token": token, "origin": f"https://{HOST}", "sec-fetch-site": "same-origin"}
    assert site("POST", "/api/v1/principals", json=body, headers=own).status_code == 201


def test_the_console_knows_its_session_and_no_other(signed_in: tuple[Site, str, str]) -> None:
    site, cookie, _ = signed_in
    assert site("GET", "/", headers={"cookie": f"{COOKIE}={cookie}"}).json()["name"] == "ann"
    for other in (
        f"{COOKIE}=x",
        f"other={cookie}",
        f"{COOKIE}={cookie}; {COOKIE}=x",
        f"{COOKIE}=",
        f"x{COOKIE}={cookie}x",
    ):
        assert site("GET", "/", headers={"cookie": other}).json()["kind"] == "anonymous", other
    token = {"authorization": "Bearer x"}
    assert site("GET", "/", headers=token).json()["kind"] == "anonymous"
    evil = {"cookie": f"{COOKIE}={cookie}", "origin": "https://evil.example"}
    assert site("POST", "/", headers=evil).status_code == 403


def test_people_end_their_own_sessions_and_others_only_with_the_right(
    world: World, signed_in: tuple[Site, str, str], admin_keys: Keys
) -> None:
    site, cookie, _ = signed_in
    site.headers = {"authorization": f"Bearer {admin_keys.operator_token()}"}
    found = site("GET", "/api/v1/sessions").json()["items"]
    assert [(one["principal"], one["method"]) for one in found] == [("ann", "password")]
    assert site("DELETE", f"/api/v1/sessions/{found[0]['id']}").status_code == 204
    site.headers = {"cookie": f"{COOKIE}={cookie}"}
    assert site("GET", "/api/v1/sessions?principal=me").status_code == 401


def test_links_are_made_for_people_only(operator: Site, world: World) -> None:
    world.create("bob", "user")
    made = operator("POST", "/api/v1/sign-in-links", json={"principal": "bob"})
    assert made.json()["path"].startswith("/sign-in/link#pql_")
    world.create("ci")
    assert operator("POST", "/api/v1/sign-in-links", json={"principal": "ci"}).status_code == 400
    assert operator("POST", "/api/v1/sign-in-links", json={"principal": "nobody"}).status_code == 404


def test_no_route_of_the_api_is_for_strangers(site: Site) -> None:
    """Whatever a route forgets to ask: an empty list or a 404 for strangers would tell them too much."""
    described = site("GET", "/api/v1/openapi.json")
    assert described.status_code == 200
    for path, methods in described.json()["paths"].items():
        for method in methods:
            got = site(method.upper(), path.replace("{", "").replace("}", ""))
            assert got.status_code == 401, (method, path)
            assert got.json()["code"] == "unauthenticated"
    assert site("GET", "/api/v1/no-such-route").status_code == 401
