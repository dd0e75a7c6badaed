"""Identity in one place: what other parts of the product hold on to."""

from collections.abc import Callable

from pratique.core.audit import Audit
from pratique.core.clock import Clock, SystemClock
from pratique.core.database import Cursors, Database, Epochs
from pratique.core.events import EventBus
from pratique.core.keys.types import KeyClient
from pratique.core.outward import OutwardClient
from pratique.core.permissions import Scope
from pratique.core.sealed import SealedColumns
from pratique.core.settings.schema import Identity as IdentitySettings
from pratique.identity.activation import ActivationService
from pratique.identity.assignments import AssignmentService
from pratique.identity.audiences import API, Audiences
from pratique.identity.authentication import BearerAuthenticator, ConsoleAuthenticator, ManagementAuthenticator
from pratique.identity.authorizer import RightsAuthorizer
from pratique.identity.custom_roles import RoleService
from pratique.identity.federation.issuers import Issuers
from pratique.identity.ground import Ground
from pratique.identity.groups import GroupService
from pratique.identity.growth import Growth
from pratique.identity.holders import Holders
from pratique.identity.links import Links
from pratique.identity.oauth.assembly import create_machines, login_of
from pratique.identity.oauth.challenges import challenging
from pratique.identity.oidc.discovery import Discovery
from pratique.identity.oidc.entering import Entering
from pratique.identity.oidc.flow import Flow
from pratique.identity.oidc.providers import Providers
from pratique.identity.passkeys import Passkeys
from pratique.identity.passwords import Passwords
from pratique.identity.people import People
from pratique.identity.principals import PrincipalService
from pratique.identity.review_fixes import Reviews
from pratique.identity.rights import RightsMemory
from pratique.identity.scope_maps.giving import Giving
from pratique.identity.scope_maps.service import ScopeMaps
from pratique.identity.scope_maps.tokens import RegistryTokens
from pratique.identity.sessions import SessionService
from pratique.identity.steps import Steps
from pratique.identity.tokens import Tokens
from pratique.identity.types import Audience
from pratique.identity.uses import Uses


class IdentityService:
    """Principals, rights, tokens, people and sessions of one installation.

    Attributes: `principals`, `assignments`, `authorizer` (the `Authorizer` of everyone), `tokens`, `token_service`
    (token endpoint), `certificates`, `federation` and `machines` (clients that are no browsers), `links`, `people`,
    `passkeys`, `sessions`, and one authenticator for each plane: `registry_authenticator`,
    `management_authenticator`, `console_authenticator`; `management_error` says where management tokens are given.
    """

    def __init__(
        self,
        database: Database,
        keys: KeyClient,
        settings: IdentitySettings,
        *,
        epochs: Epochs,
        audit: Audit,
        cursors: Cursors,
        clock: Clock | None = None,
        passwords: Passwords | None = None,
        domain: str = "localhost",
        outward: OutwardClient | None = None,
        events: EventBus | None = None,
        enrolled: Callable[[], None] = lambda: None,
    ) -> None:
        clock = clock or SystemClock()
        self.settings = settings
        self.database = database
        self.cursors = cursors
        self.audit = audit
        anonymous = [Scope.parse(text) for text in settings.anonymous_pull]
        memory = RightsMemory(database, epochs, clock, anonymous_pull=anonymous)
        self.memory = memory
        self.uses = Uses(database)
        self.authorizer = RightsAuthorizer(memory, self.uses)
        self.growth = Growth(memory)
        ground = Ground(
            database=database,
            keys=keys,
            clock=clock,
            settings=settings,
            audit=audit,
            cursors=cursors,
            sealed=SealedColumns(keys),
            memory=memory,
            authorizer=self.authorizer,
            growth=self.growth,
            enrolled=enrolled,
        )
        self.outward = outward or OutwardClient()
        self._hold_rights(ground, events)
        self._know_people(ground, passwords)
        self.audiences = Audiences(domain)
        self.tokens = Tokens(keys, memory, clock, self.audiences)
        self.machines = create_machines(ground, self.principals, self.audiences, self.tokens, self.outward)
        self.certificates = self.machines.certificates
        self.federation = self.machines.federation
        self.token_service = self.machines.token_service
        self.registry_authenticator = BearerAuthenticator(self.tokens, Audience.REGISTRY)
        self.management_authenticator = ManagementAuthenticator(self.tokens, self.sessions)
        self.management_error = challenging(self.tokens.installation, API, login_of)
        self.console_authenticator = ConsoleAuthenticator(self.sessions)

    def _hold_rights(self, ground: Ground, events: EventBus | None) -> None:
        """Build what says who may do what."""
        self.principals = PrincipalService(ground)
        self.assignments = AssignmentService(ground)
        self.roles = RoleService(ground)
        self.activations = ActivationService(ground, self.assignments)
        self.groups = GroupService(ground, self.principals)
        self.holders = Holders(ground)
        giving = Giving(ground, self.assignments, self.roles)
        self.scope_maps = ScopeMaps(ground, giving)
        self.registry_tokens = RegistryTokens(ground, self.principals, giving)
        self.reviews = Reviews(
            ground,
            principals=self.principals,
            service=self.assignments,
            activations=self.activations,
            events=events,
        )

    def _know_people(self, ground: Ground, passwords: Passwords | None) -> None:
        """Build the ways in which people sign in."""
        steps = Steps(ground.sealed)
        self.sessions = SessionService(ground)
        self.links = Links(ground, self.principals, steps)
        self.people = People(ground, self.sessions, steps, passwords=passwords)
        self.passkeys = Passkeys(ground, self.sessions, steps)
        self.providers = Providers(ground, self.principals, self.outward)
        self.flow = Flow(
            ground.database,
            ground.sealed,
            ground.clock,
            providers=self.providers,
            discovery=Discovery(self.outward, ground.clock),
            issuers=Issuers(ground.database, self.outward, ground.clock, away=ground.settings.issuer_away),
            outward=self.outward,
        )
        self.entering = Entering(
            ground, self.sessions, principals=self.principals, groups=self.groups, providers=self.providers
        )

    def close(self) -> None:
        """End the threads of identity."""
        self.uses.close()
        self.people.close()
