"""One HTML file that needs nothing else: no script, no address to load from, and a policy in it that forbids both.

Every value comes out of an image or a feed and is escaped by the template; only names of the form `CVE-…` become links.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pratique.scan.report.instants import rfc3339
from pratique.scan.report.result import ScanResult

_CVE: Final = re.compile(r"CVE-\d{4}-\d{4,19}")


def document(results: Sequence[ScanResult]) -> str:
    """Return the page of one or more results."""
    environment = Environment(
        loader=PackageLoader("pratique.scan.report", "templates"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(rfc3339=rfc3339, is_cve=_is_cve)
    style = Markup(environment.get_template("report.css").render())  # noqa: S704 - our own file, without any value
    policy = "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("report.html").render(results=results, style=style, policy=policy)


def _shown(value: object) -> object:
    """Foreign text without characters that hide or reorder what is read."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "".join(character if character.isprintable() else "\ufffd" for character in value)


def _is_cve(name: str) -> bool:
    return _CVE.fullmatch(name) is not None
