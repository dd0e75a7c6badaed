"""Identity in one place: what other parts of the product hold on to."""

from collections.abc import Callable

from pratique.core.audit import Audit
from pratique.core.clock import Clock, SystemClock
from pratique.core.database import Cursors, Database, Epochs
from pratique.core.keys.types import KeyClient
from pratique.core.permissions import Scope
from pratique.core.sealed import SealedColumns
from pratique.core.settings.schema import Identity as IdentitySettings
from pratique.identity.assignments import AssignmentService
from pratique.identity.audiences import Audiences
from pratique.identity.authentication import BearerAuthenticator, ConsoleAuthenticator, ManagementAuthenticator
from pratique.identity.authorizer import RightsAuthorizer
from pratique.identity.ground import Ground
from pratique.identity.links import Links
from pratique.identity.passkeys import Passkeys
from pratique.identity.passwords import Passwords
from pratique.identity.people import People
from pratique.identity.principals import PrincipalService
from pratique.identity.rights import RightsMemory
from pratique.identity.sessions import SessionService
from pratique.identity.steps import Steps
from pratique.identity.token_service import TokenService
from pratique.identity.tokens import Tokens
from pratique.identity.types import Audience


class IdentityService:
    """Principals, rights, tokens, people and sessions of one installation.

    Attributes: `principals`, `assignments`, `authorizer` (the `Authorizer` of everyone), `tokens`, `token_service`
    (token endpoint), `links`, `people`, `passkeys`, `sessions`, and one authenticator for each plane:
    `registry_authenticator`, `management_authenticator`, `console_authenticator`.
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
        enrolled: Callable[[], None] = lambda: None,
    ) -> None:
        clock = clock or SystemClock()
        self.settings = settings
        self.database = database
        self.cursors = cursors
        anonymous = [Scope.parse(text) for text in settings.anonymous_pull]
        memory = RightsMemory(database, epochs, clock, anonymous_pull=anonymous)
        self.memory = memory
        self.authorizer = RightsAuthorizer(memory)
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
            enrolled=enrolled,
        )
        steps = Steps(ground.sealed)
        self.principals = PrincipalService(ground)
        self.assignments = AssignmentService(ground)
        self.sessions = SessionService(ground)
        self.links = Links(ground, self.principals, steps)
        self.people = People(ground, self.sessions, steps, passwords=passwords)
        self.passkeys = Passkeys(ground, self.sessions, steps)
        self.audiences = Audiences(domain)
        self.tokens = Tokens(keys, memory, clock, self.audiences)
        self.token_service = TokenService(ground, self.tokens)
        self.registry_authenticator = BearerAuthenticator(self.tokens, Audience.REGISTRY)
        self.management_authenticator = ManagementAuthenticator(self.tokens, self.sessions)
        self.console_authenticator = ConsoleAuthenticator(self.sessions)

    def close(self) -> None:
        """End the threads of identity."""
        self.people.close()
