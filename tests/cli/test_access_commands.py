"""Roles, groups, people, activation and reviews by commands, against a whole installation that really runs."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.cli.test_identity_commands import Installation


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("access-cli"))
    try:
        made.begin()
        yield made
    finally:
        subprocess.run([sys.executable, "-m", "pratique", "down"], env=made.environment, timeout=60, check=False)


def test_a_custom_role_through_a_group_is_explained_and_found(installation: Installation) -> None:
    run, json = installation.run, installation.json
    role = json("role", "create", "Image Pruner", "--permission", "registry/content/delete", "--description", "Prunes.")
    assert role["permissions"] == ["registry/content/delete"]
    json("group", "create", "pruners", "--description", "They prune.")
    run("principal", "create", "pruner")
    run("group", "add", "pruners", "pruner")
    condition = "@Request[Microsoft.ContainerRegistry/registries/repositories:name] StringStartsWith 'team/'"
    given = json(
        "assignment", "create", "pruners", "--role", "image pruner", "--scope", "/registry", "--condition", condition
    )
    told = json("access", "explain", "pruner", "registry/content/delete", "/registry/team/app")
    assert (told["allowed"], told["by"][0]["group"]) == (True, "pruners")
    json("access", "explain", "pruner", "registry/content/delete", "/registry/other", expect=1)
    can = json("access", "who-can", "registry/content/delete", "/registry/team/app")
    assert "pruner" in [one["name"] for one in can]
    assert [one["name"] for one in json("group", "show", "pruners")["members"]] == ["pruner"]
    run("assignment", "delete", given["id"])
    run("role", "change", "Image Pruner", "--permission", "registry/content/read")
    run("role", "delete", "Image Pruner")
    assert json("role", "list", "--custom") == []
    run("group", "remove", "pruners", "pruner")
    run("group", "delete", "pruners")


def test_a_person_is_made_shown_and_offered_a_role(installation: Installation) -> None:
    run, json = installation.run, installation.json
    made = json("person", "create", "grace", "--display-name", "Grace")
    assert "/sign-in/link#pql_" in made["link"]
    offered = json("assignment", "offer", "grace", "--role", "AcrDelete", "--scope", "/registry", "--longest", "2h")
    assert (offered["longest"], offered["approval"]) == (7200, False)
    told = json("access", "explain", "grace", "registry/content/delete", "/registry/app", expect=1)
    assert told["eligible"][0]["id"] == offered["id"]
    assert json("assignment", "eligible")[0]["principal"] == "grace"
    run("assignment", "withdraw", offered["id"])
    shown = json("person", "show", "grace")
    assert (shown["password"], shown["passkeys"], shown["groups"]) == (False, [], [])
    run("person", "disable", "grace")
    assert json("person", "list")[-1]["state"] == "disabled"


def test_reviews_are_listed_and_settled(installation: Installation) -> None:
    installation.run("principal", "create", "forever", "--show-secret")
    found = [one for one in installation.json("access", "review") if one["principal"] == "forever"]
    assert [one["rule"] for one in found] == ["credential-without-end"]
    assert installation.json("access", "review", "--fix", found[0]["id"])["done"] == "The secret ends in 90 days."
    assert "forever" not in [one["principal"] for one in installation.json("access", "review")]
