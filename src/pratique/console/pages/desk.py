"""What every page needs at hand: the parts, the templates, the right to look, a thread for what blocks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from starlette.requests import Request
from starlette.responses import RedirectResponse

from pratique.console.forms import Csrf
from pratique.console.parts import Parts
from pratique.console.rendering import Pages
from pratique.core.errors import Denied
from pratique.core.http.plane import caller_of, threads_of
from pratique.core.permissions import Caller, Extent, Permission
from pratique.recommendations.types import Visibility

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """Shared by all pages; holds no state of a request."""

    parts: Parts
    pages: Pages
    csrf: Csrf

    def visibility(self, request: Request, permission: Permission) -> Visibility:
        """Return what of the findings the caller may see; raises Denied where that is nothing."""
        return Visibility.of(self.extent(request, permission))

    def extent(self, request: Request, permission: Permission) -> Extent:
        """Return where the caller holds the permission; raises Denied where that is nowhere."""
        caller = caller_of(request.scope)
        extent = self.parts.identity.authorizer.extent(caller, permission)
        if extent.is_empty:
            raise Denied(
                f"{caller.name} may not look at this: the right {permission.value} is missing.",
                remedy="Ask an administrator for a role that has it, for example SecurityReader.",
            )
        return extent

    def may(self, caller: Caller, permission: Permission) -> bool:
        """Whether the caller holds the permission anywhere: for what a page offers, never for what is done."""
        return not self.parts.identity.authorizer.extent(caller, permission).is_empty


async def in_thread(request: Request, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking call in a thread of this plane."""
    return await threads_of(request.scope).run(call, *args, **kwargs)


def see_other(address: str) -> RedirectResponse:
    """Answer a form: the browser loads the page anew, and a reload sends nothing twice."""
    return RedirectResponse(address, 303)
