"""A client that understands early ends is told of them by the whole server, and goes on or learns that it may not."""

from collections.abc import Callable
from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core.rest import HttpRequest
from azure.identity import ClientSecretCredential

from tests.e2e.conftest import Installation

API = "api://pratique/.default"


class Program:
    """A program with azure-identity and azure-core, as they come, that keeps its token in its cache."""

    def __init__(self, made: Installation, name: str, secret: str, *, capable: bool) -> None:
        ca = str(made.state / "tls" / "ca.pem")
        self.made, self.ca = made, ca
        self.credential = ClientSecretCredential(
            "adfs",
            name,
            secret,
            authority=f"https://{made.host}",
            disable_instance_discovery=True,
            connection_verify=ca,
        )
        policy = BearerTokenCredentialPolicy(self.credential, API, enable_cae=capable)
        self.client: Any = PipelineClient(f"https://{made.host}", policies=[policy], connection_verify=ca)

    def ask(self) -> Any:
        return self.client.send_request(HttpRequest("GET", f"https://{self.made.host}/api/v1/repositories"))

    def close(self) -> None:
        self.client.close()
        self.credential.close()


Begin = Callable[..., Program]


@pytest.fixture
def begin(own_installation: Installation, request: pytest.FixtureRequest) -> Begin:
    made = own_installation

    def begin(name: str, *, capable: bool = True) -> Program:
        secret = made.account(name, "AcrPull", "/registry").partition(":")[2]
        program = Program(made, name, secret, capable=capable)
        request.addfinalizer(program.close)
        assert program.ask().status_code == 200
        return program

    return begin


def test_each_kind_of_revocation_is_told_and_the_client_goes_on_as_far_as_it_may(
    own_installation: Installation, begin: Begin
) -> None:
    program, plain = begin("capable"), begin("plain", capable=False)
    for name in ("capable", "plain"):
        own_installation.ok("principal", "revoke-tokens", name)
    assert program.ask().status_code == 200
    refused = plain.ask()
    assert refused.status_code == 401
    assert "claims" not in refused.headers["www-authenticate"]
    assert 'resource="api://pratique"' in refused.headers["www-authenticate"]
    own_installation.ok("admin", "rotate-token-key", "--revoke")
    assert program.ask().status_code == 200
    own_installation.ok("principal", "disable", "capable")
    with pytest.raises(ClientAuthenticationError, match="do not fit together"):
        program.ask()
