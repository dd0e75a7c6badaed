"""Built-in roles are Azure's, custom ones are checked, and nobody builds into a role what they do not hold."""

import pytest
from tests.corpus.hostile_names import NAMES
from tests.identity.conftest import World
from tests.identity.test_rights import caller

from pratique.core.errors import Conflict, Denied, Invalid
from pratique.core.permissions import OPERATOR, Caller, Permission, Scope
from pratique.identity import azure_actions, roles
from pratique.identity.custom_roles import Definition
from pratique.identity.errors import BeyondOwnRights, NameTaken, RoleNotFound
from pratique.identity.types import Role

DELETE, PUSH = Permission.REGISTRY_CONTENT_DELETE, Permission.REGISTRY_CONTENT_WRITE


def make(world: World, who: Caller = OPERATOR, name: str = "Cleaner", *permissions: str, **azure: object) -> Role:
    definition = Definition(permissions or ("registry/content/delete",), **azure)  # type: ignore[arg-type]
    return world.write(lambda tx: world.identity.roles.create(tx, who, name, definition))


def change(world: World, who: Caller, role: Role, *permissions: str) -> Role:
    return world.write(lambda tx: world.identity.roles.change(tx, who, role, definition=Definition(permissions)))


@pytest.mark.parametrize("role", roles.BUILT_IN, ids=lambda role: role.name)
def test_a_built_in_role_permits_what_its_actions_mean(role: Role) -> None:
    if role.name in ("Key Vault Contributor", "Key Vault Data Access Administrator", "Key Vault Purge Operator"):
        return
    told = frozenset[Permission]().union(
        *(azure_actions.permissions_of(action, data=False) for action in role.actions),
        *(azure_actions.permissions_of(action, data=True) for action in role.data_actions),
    )
    assert not role.actions + role.data_actions or told == role.permissions
    assert all(azure_actions.is_known(action, data=True) for action in role.data_actions)


def test_ids_and_names_are_those_of_azure_and_each_is_there_once() -> None:
    assert len({role.id for role in roles.BUILT_IN}) == len({role.name.lower() for role in roles.BUILT_IN})
    for name, begin in {
        "AcrPull": "7f951dda", "AcrPush": "8311e382", "AcrDelete": "c2f4ef07", "AcrImageSigner": "6cef56e8",
        "AcrQuarantineReader": "cdda3590", "AcrQuarantineWriter": "c8d4ff99",
        "Container Registry Repository Reader": "b93aa761", "Container Registry Repository Writer": "2a1e307c",
        "Container Registry Repository Contributor": "2efddaa5",
        "Container Registry Repository Catalog Lister": "bfdb9389",
        "Container Registry Data Importer and Data Reader": "577a9874", "Key Vault Administrator": "00482a5a",
        "Key Vault Reader": "21090545", "Key Vault Secrets Officer": "b86a8fe4", "Key Vault Secrets User": "4633458b",
        "Key Vault Certificates Officer": "a4417e6f", "Key Vault Certificate User": "db79e9a7",
        "Key Vault Crypto Officer": "14b46e9e", "Key Vault Crypto User": "12338af0",
        "Key Vault Crypto Service Encryption User": "e147488a", "Key Vault Crypto Service Release User": "08bbd89e",
        "Key Vault Contributor": "f25e0fa2", "Key Vault Purge Operator": "a68e7c17",
        "Key Vault Data Access Administrator": "8b54135c",
    }.items():  # fmt: skip
        assert roles.find(name).id.startswith(begin)


def test_no_star_reaches_purging() -> None:
    purging = {p for p in Permission if p.value.startswith("vault/") and p.value.endswith("/purge")}
    assert len(purging) == 4
    holders = {role.name for role in roles.BUILT_IN if role.permissions & purging}
    assert holders == {"Owner", "Key Vault Purge Operator"}
    assert not azure_actions.permissions_of("Microsoft.KeyVault/vaults/*", data=True) & purging
    assert azure_actions.permissions_of("Microsoft.KeyVault/vaults/keys/purge/action", data=True) & purging


def test_no_general_role_reads_what_vaults_hold() -> None:
    for name in ("Contributor", "Reader", "Key Vault Contributor", "SecurityReader", "SecurityAdmin"):
        held = {p.value for p in roles.find(name).permissions}
        assert not held & {"vault/secrets/get", "vault/keys/decrypt", "vault/keys/sign", "vault/secrets/list"}


def test_a_custom_role_acts_changes_and_ends(both: World) -> None:
    role = make(both)
    principal = both.create()
    both.write(
        lambda tx: both.identity.assignments.create(
            tx, OPERATOR, principal, both.identity.roles.find(tx, "cleaner"), Scope.parse("/registry/team")
        )
    )
    assert both.may(principal, DELETE, "/registry/team/app")
    changed = change(both, OPERATOR, role, "registry/content/write")
    assert both.may(principal, PUSH, "/registry/team/app")
    assert not both.may(principal, DELETE, "/registry/team/app")
    with pytest.raises(Conflict, match="is assigned"):
        both.write(lambda tx: both.identity.roles.delete(tx, OPERATOR, changed))
    told = both.identity.authorizer.explain(principal.id, PUSH, Scope.parse("/registry/team/app"))
    assert told.summary == "Allowed by Cleaner at /registry/team."


def test_azure_actions_make_a_role(world: World) -> None:
    root = azure_actions.REGISTRY
    role = world.write(
        lambda tx: world.identity.roles.create(
            tx,
            OPERATOR,
            "Repository Pruner",
            Definition(
                actions=(f"{root}/webhooks/*",), data_actions=(f"{root}/repositories/*",),
                not_actions=(f"{root}/repositories/content/write",),
            ),
        )
    )  # fmt: skip
    assert DELETE in role.permissions
    assert PUSH not in role.permissions
    assert Permission.REGISTRY_WEBHOOKS_WRITE in role.permissions
    kept = world.read(lambda tx: world.identity.roles.find(tx, "Repository pruner"))
    assert kept == role


@pytest.mark.parametrize(
    "definition",
    [
        Definition(),
        Definition(("registry/content/reed",)),
        Definition(("*",)),
        Definition(("/*",)),
        Definition(("registry*",)),
        Definition(actions=("Microsoft.Compute/virtualMachines/read",)),
        Definition(actions=(f"{azure_actions.REGISTRY}/repositories/content/read",)),
        Definition(data_actions=(f"{azure_actions.REGISTRY}/pull/read",)),
    ],
)
def test_a_role_that_means_nothing_here_is_refused(world: World, definition: Definition) -> None:
    with pytest.raises(Invalid):
        world.write(lambda tx: world.identity.roles.create(tx, OPERATOR, "Odd", definition))


@pytest.mark.parametrize("name", ["AcrPull", "acrpull", "Administrator", "owner", "cleaner", "CLEANER"])
def test_a_name_in_any_case_is_taken_once(world: World, name: str) -> None:
    make(world)
    with pytest.raises(NameTaken):
        make(world, OPERATOR, name)


@pytest.mark.parametrize(
    "name",
    ["", " ", "a  b", " a", "a ", "-a", "a/b", "\N{CYRILLIC CAPITAL LETTER A}crPull", "Acr\N{ZERO WIDTH SPACE}Pull",
     "a\N{RIGHT-TO-LEFT OVERRIDE}b", "a\nb", "a" * 65, "<b>a</b>"],
)  # fmt: skip
def test_a_name_that_could_be_taken_for_another_is_refused(world: World, name: str) -> None:
    with pytest.raises(Invalid):
        make(world, OPERATOR, name)


def test_nobody_builds_into_a_role_what_they_do_not_hold(world: World) -> None:
    editor = world.create("editor", "user")
    make(world, OPERATOR, "Role Editor", "identity/roles/write", "registry/content/delete")
    world.write(
        lambda tx: world.identity.assignments.create(
            tx, OPERATOR, editor, world.identity.roles.find(tx, "Role Editor"), Scope.parse("/")
        )
    )
    who = caller(editor)
    role = make(world, who, "Cleaner", "registry/content/delete")
    with pytest.raises(BeyondOwnRights):
        make(world, who, "Pusher", "registry/content/write")
    with pytest.raises(BeyondOwnRights):
        change(world, who, role, "registry/content/delete", "identity/assignments/delegate")
    with pytest.raises(BeyondOwnRights):
        change(world, who, role, "registry/*")
    own = world.read(lambda tx: world.identity.roles.find(tx, "Role Editor"))
    with pytest.raises(BeyondOwnRights):
        change(world, who, own, "identity/*")
    assert not world.may(editor, PUSH, "/registry/app")


def test_a_right_held_below_is_none_to_build_into_a_role(world: World) -> None:
    lead = world.create("lead", "user")
    world.assign(lead, "Owner", "/registry/team")
    with pytest.raises(Denied):
        make(world, caller(lead), "Mine", "registry/content/write")


def test_nobody_lifts_a_denial_by_emptying_its_role(world: World) -> None:
    role = make(world, OPERATOR, "Deleting", "registry/content/delete", "registry/content/write")
    editor = world.create("editor", "user")
    make(world, OPERATOR, "Role Editor", "identity/roles/write", "registry/content/write")
    for name, scope, effect in (("Role Editor", "/", "allow"), ("Deleting", "/registry/prod", "deny")):
        world.write(
            lambda tx, name=name, scope=scope, effect=effect: world.identity.assignments.create(  # type: ignore[misc]
                tx, OPERATOR, editor, world.identity.roles.find(tx, name), Scope.parse(scope), effect=effect
            )
        )
    with pytest.raises(BeyondOwnRights):
        change(world, caller(editor), role, "registry/content/write")


def test_built_in_roles_stay_as_they_are(world: World) -> None:
    with pytest.raises(Conflict):
        change(world, OPERATOR, roles.find("AcrPull"), "registry/content/write")
    with pytest.raises(Conflict):
        world.write(lambda tx: world.identity.roles.delete(tx, OPERATOR, roles.find("AcrPull")))


@pytest.mark.parametrize("fault", NAMES)
def test_an_unclear_name_finds_no_role(world: World, fault: str) -> None:
    with pytest.raises(RoleNotFound):
        world.read(lambda tx: world.identity.roles.find(tx, NAMES[fault]))
