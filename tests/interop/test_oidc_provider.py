"""People sign in through a certified OpenID Connect provider, `oidc-provider` for Node.js, at the console's own pages."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
from starlette.testclient import TestClient
from tests.console.serving import Running, console
from tests.tls_server import Authority

from pratique.core.outward import OutwardClient, OutwardRules
from pratique.core.permissions import OPERATOR, Permission, Scope
from pratique.identity import roles
from pratique.identity.oidc.types import NewProvider
from pratique.identity.sessions import COOKIE
from pratique.identity.types import PrincipalName

FOLDER = Path(__file__).parent / "oidc"
CALLBACK = "https://localhost/sign-in/provider/corp/callback"


def need_provider() -> str:
    """Return Node's program where the provider is installed; in CI it is installed first."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and os.environ.get("CI") == "true":
        subprocess.run([npm, "ci", "--silent"], cwd=FOLDER, check=True, timeout=300)
    if node is None or not (FOLDER / "node_modules/oidc-provider").is_dir():
        pytest.skip("oidc-provider is not installed (npm ci in tests/interop/oidc)")
    return node


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    node, folder = need_provider(), tmp_path_factory.mktemp("idp")
    authority = Authority(folder)
    certificate, key = authority.issue("localhost")
    command = [node, str(FOLDER / "server.mjs"), str(certificate), str(key), CALLBACK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            told = next(line for line in process.stdout if line.startswith("ISSUER "))
            yield told.split()[1], authority.path
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture
def running(state_dir: Path, issuer: tuple[str, Path]) -> Iterator[Running]:
    outward = OutwardClient(OutwardRules.of(["localhost"]), ca=issuer[1])
    with console(state_dir, outward=outward) as running:
        wanted = NewProvider(
            "corp", "Corp Sign-in", issuer[0], "pratique", client_secret="a secret: with & signs = in+it",
            scopes=("openid", "profile", "email", "groups"), allowed_domains=("corp.example",),
        )  # fmt: skip
        running.database.write(lambda tx: running.identity.providers.add(tx, OPERATOR, wanted))
        yield running
    outward.close()


def at_provider(address: str, name: str, ca: Path) -> str:
    """Sign in at the provider as a person does, and return the address that it sends the browser back to."""
    import ssl

    context = ssl.create_default_context(cafile=str(ca))
    with httpx2.Client(verify=context, follow_redirects=False, timeout=20) as browser:
        answer = browser.get(address)
        for _ in range(20):
            if answer.is_redirect:
                address = urljoin(str(answer.request.url), answer.headers["location"])
                if address.startswith(CALLBACK):
                    return address
                answer = browser.get(address)
                continue
            assert answer.status_code == 200, answer.text
            action = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert action is not None, answer.text
            assert prompt is not None, answer.text
            form = {"prompt": prompt[1]} | ({"login": name, "password": "any"} if prompt[1] == "login" else {})
            answer = browser.post(urljoin(str(answer.request.url), action[1].replace("&amp;", "&")), data=form)
    raise AssertionError("the provider did not send the browser back")


def browser(running: Running) -> TestClient:
    return TestClient(running.pipeline, base_url="https://localhost", follow_redirects=False)


def sign_in(running: Running, issuer: tuple[str, Path], name: str, following: str = "/account") -> httpx2.Response:
    client = browser(running)
    page = client.get("/sign-in", params={"next": following})
    link = re.search(r'href="(/sign-in/provider/corp\?[^"]*)"', page.text)
    assert link is not None
    assert "Sign in with Corp Sign-in" in page.text
    leaving = client.get(link[1].replace("&amp;", "&"))
    assert leaving.status_code == 303
    back = at_provider(leaving.headers["location"], name, issuer[1])
    answer = client.get(f"{urlsplit(back).path}?{urlsplit(back).query}")
    answer.client = client  # type: ignore[attr-defined]
    return answer


def test_a_person_signs_in_with_groups_and_signs_out(running: Running, issuer: tuple[str, Path]) -> None:
    identity = running.identity

    def prepare(tx: object) -> None:
        builders = identity.groups.create(tx, OPERATOR, PrincipalName.parse("builders"))  # type: ignore[arg-type]
        identity.assignments.create(tx, OPERATOR, builders, roles.find("AcrPush"), Scope.parse("/registry/team"))  # type: ignore[arg-type]
        provider = identity.providers.get(tx, "corp")  # type: ignore[arg-type]
        identity.providers.map_group(tx, OPERATOR, provider, "builders", builders)  # type: ignore[arg-type]

    running.database.write(prepare)
    answer = sign_in(running, issuer, "ada")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    client: TestClient = answer.client  # type: ignore[attr-defined]
    assert client.cookies[COOKIE]
    account = client.get("/account")
    assert "ada@corp.example" in account.text
    person = running.database.read(lambda tx: identity.principals.get(tx, "ada@corp.example"))
    assert person.display_name == "Person <b>ada</b>"
    explained = identity.authorizer.explain(
        person.id, Permission.REGISTRY_CONTENT_WRITE, Scope.for_repository("team/a")
    )
    assert explained.summary.endswith("through the group builders.")
    token = re.search(r'name="csrf" value="([^"]+)"', account.text)
    assert token
    out = client.post("/sign-out", data={"csrf": token[1]})
    assert out.headers["location"] == "/sign-in?out=corp"
    assert f'href="{issuer[0]}/session/end?' in client.get(out.headers["location"]).text
    assert client.get("/account").headers["location"].startswith("/sign-in")


def test_whoever_nobody_allowed_is_told_so(running: Running, issuer: tuple[str, Path]) -> None:
    answer = sign_in(running, issuer, "guest7")
    assert answer.status_code == 401
    assert "may not come in here" in answer.text
    assert COOKIE not in answer.client.cookies  # type: ignore[attr-defined]


def test_an_answer_in_another_browser_is_refused(running: Running, issuer: tuple[str, Path]) -> None:
    """A link with somebody else's answer signs nobody in as that somebody (login forgery, session fixation)."""
    attacker, victim = browser(running), browser(running)
    leaving = attacker.get("/sign-in/provider/corp")
    back = at_provider(leaving.headers["location"], "eve", issuer[1])
    victim.get("/sign-in/provider/corp")
    answer = victim.get(f"{urlsplit(back).path}?{urlsplit(back).query}")
    assert answer.status_code == 401
    assert COOKIE not in victim.cookies


@pytest.mark.parametrize(
    "following", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_no_sign_in_leads_elsewhere(running: Running, issuer: tuple[str, Path], following: str) -> None:
    client = browser(running)
    leaving = client.get("/sign-in/provider/corp", params={"next": following})
    back = at_provider(leaving.headers["location"], "ada", issuer[1])
    answer = client.get(f"{urlsplit(back).path}?{urlsplit(back).query}")
    assert answer.headers["location"] == "/recommendations"
