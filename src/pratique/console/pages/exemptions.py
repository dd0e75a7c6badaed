"""Exemptions: the list, and the form that makes one."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pratique.console import forms, wording
from pratique.console.pages.desk import Desk, in_thread, see_other
from pratique.console.sources import NewExemption
from pratique.core.clock import DAY, SECOND
from pratique.core.errors import Conflict, Invalid
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Permission
from pratique.recommendations.types import FindingFilter

SHORTEST_REASON = 10
LONGEST_DAYS = 366
USUAL_DAYS = 30
FIELDS = {"rule": 255, "lineage": 255, "location": 1000, "reason": 2000, "expires": 10}


class ExemptionPages:
    """Pages over exemptions. Who may make one where is decided by the domain, with the caller at hand."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        return [
            Route("/exemptions", self.all),
            Route("/exemptions/new", self.form),
            Route("/exemptions/new", self.add, methods=["POST"]),
            Route("/exemptions/{id:str}/withdraw", self.withdraw, methods=["POST"]),
        ]

    async def all(self, request: Request) -> Response:
        """Show exemptions, those that act first."""
        extent = self._desk.extent(request, Permission.TRUST_EXEMPTIONS_READ)
        rows = await in_thread(request, self._desk.parts.exemptions.all, extent, 500)
        may = self._desk.may(caller_of(request.scope), Permission.TRUST_EXEMPTIONS_WRITE)
        return self._desk.pages.page(request, "exemptions/list.html", rows=rows, may_exempt=may)

    async def form(self, request: Request) -> Response:
        """Show the form, filled in from the recommendation that the person came from."""
        self._desk.visibility(request, Permission.TRUST_EXEMPTIONS_WRITE)
        values = dict.fromkeys(FIELDS, "") | {"expires": self._day(USUAL_DAYS)}
        recommendation = request.query_params.get("recommendation", "")
        if recommendation:
            values |= await in_thread(request, self._proposal, request, recommendation)
        values |= {
            name: request.query_params[name][:length] for name, length in FIELDS.items() if name in request.query_params
        }
        return self._page(request, values)

    async def add(self, request: Request) -> Response:
        """Make an exemption, or show the form again with what is wrong beside each field."""
        form = await self._desk.csrf.checked(request)
        self._desk.visibility(request, Permission.TRUST_EXEMPTIONS_WRITE)
        values = {name: forms.text(form, name, length) for name, length in FIELDS.items()}
        wrong = self._wrong(form)
        if wrong:
            return self._page(request, values, wrong=wrong, status=400)
        wanted = NewExemption(
            values["rule"], values["lineage"], values["location"], values["reason"], wording.end_of(values["expires"])
        )
        try:
            await in_thread(request, self._desk.parts.exemptions.add, caller_of(request.scope), wanted)
        except (Invalid, Conflict) as error:
            return self._page(request, values, error=error, status=error.status)
        return see_other("/exemptions")

    async def withdraw(self, request: Request) -> Response:
        """End an exemption now."""
        await self._desk.csrf.checked(request)
        caller, wanted = caller_of(request.scope), request.path_params["id"]
        await in_thread(request, self._desk.parts.exemptions.withdraw, caller, wanted)
        return see_other("/exemptions")

    def _page(
        self,
        request: Request,
        values: Mapping[str, str],
        *,
        wrong: Mapping[str, str] | None = None,
        error: Invalid | Conflict | None = None,
        status: int = 200,
    ) -> Response:
        return self._desk.pages.page(
            request, "exemptions/new.html", status, values=values, wrong=wrong or {}, error=error
        )

    def _proposal(self, request: Request, recommendation: str) -> dict[str, str]:
        """Return the worst finding of a recommendation: an exemption is for one thing in one place, not for a list."""
        visibility = self._desk.visibility(request, Permission.RECOMMENDATIONS_ITEMS_READ)
        found = self._desk.parts.recommendations.findings(
            FindingFilter(recommendation=recommendation, limit=1), visibility
        ).items
        if not found:
            return {}
        named = sorted(found[0].aliases, key=lambda name: (not name.startswith("CVE-"), name))
        return {"rule": named[0] if named else found[0].rule, "lineage": found[0].lineage}

    def _wrong(self, form: FormData) -> dict[str, str]:
        wrong = {}
        if not forms.text(form, "rule"):
            wrong["rule"] = "Say which vulnerability or rule."
        if len(forms.text(form, "reason", 2000)) < SHORTEST_REASON:
            wrong["reason"] = "Say why, in a sentence that still helps in a year."
        try:
            end = wording.end_of(forms.text(form, "expires"))
        except ValueError:
            wrong["expires"] = "Give a day, for example " + self._day(USUAL_DAYS) + "."
        else:
            now = self._desk.parts.clock.now()
            if not now < end <= now + LONGEST_DAYS * DAY:
                wrong["expires"] = "It has to be in the future, and within a year."
        return wrong

    def _day(self, days: int) -> str:
        now = datetime.fromtimestamp(self._desk.parts.clock.now() / SECOND, tz=UTC)
        return (now + timedelta(days=days)).date().isoformat()
