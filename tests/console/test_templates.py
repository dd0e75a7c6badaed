import re
from pathlib import Path

import pytest

import pratique.console

TEMPLATES = sorted((Path(pratique.console.__file__).parent / "templates").rglob("*.html"))
ROOT = Path(__file__).parents[2]

FORBIDDEN = {
    "an inline script": r"<script(?![^>]*\bsrc=)",
    "an inline style": r"<style|\bstyle\s*=",
    "an inline handler": r"\son[a-z]+\s*=",
    "an expression attribute": r"\bhx-(?:on|vals|headers|vars|eval|config)\b|\bhx-[a-z-]+\s*=\s*[\"'](?:js|javascript):",
    "a filter in a trigger": r"hx-trigger=\"[^\"]*\[",
    "an attribute of another library": r"\s(?:x-|@|v-)[a-z]",
    "a script address": r"javascript:",
    "an address elsewhere": r"(?:src|href|action)=[\"'](?:https?:)?//",
    "text that is taken for markup": r"\|\s*safe\b|autoescape\s+false|Markup\(",
}
SAFE_ICONS = "paths.get(name, paths['info'])|safe"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_nothing_that_the_policy_forbids(path: Path) -> None:
    text = path.read_text().replace(SAFE_ICONS, "")
    found = {what for what, pattern in FORBIDDEN.items() if re.search(pattern, text, re.IGNORECASE)}
    assert found == set()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_only_addresses_made_here_stand_in_htmx_attributes(path: Path) -> None:
    values = re.findall(r"\bhx-[a-z-]+=\"([^\"]*)\"", path.read_text())
    inserted = {expression.strip() for value in values for expression in re.findall(r"{{(.*?)}}", value)}
    assert inserted <= {"fragment"}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_form_that_changes_something_carries_a_token(path: Path) -> None:
    forms = re.findall(r"<form\b[^>]*method=\"post\".*?</form>", path.read_text(), re.DOTALL)
    assert all("csrf_field()" in form for form in forms)


def test_modules_make_no_markup_and_no_code_from_text() -> None:
    modules = sorted((ROOT / "console" / "modules").glob("*.js"))
    assert modules
    for path in modules:
        code = re.sub(r"//.*", "", path.read_text())
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|setTimeout\(['\"]", code
        ), path


def test_the_lock_names_no_host() -> None:
    assert "resolved" not in (ROOT / "console" / "package-lock.json").read_text()


def test_pages_load_little() -> None:
    import gzip

    folder = Path(pratique.console.__file__).parent / "static"
    if not folder.exists():
        pytest.skip("the set of browser assets is not installed")
    scripts = sum(len(gzip.compress(path.read_bytes(), 9)) for path in folder.glob("*.js"))
    styles = sum(len(gzip.compress(path.read_bytes(), 9)) for path in folder.glob("*.css"))
    assert scripts < 60 * 1024
    assert styles < 16 * 1024


PAIRS = [
    (ink, ground)
    for ink, grounds in {
        "ink": ("ground", "surface", "raised", "sunken", "accent-ground"),
        "ink-2": ("ground", "surface", "raised", "sunken"),
        "accent": ("ground", "surface", "raised", "accent-ground"),
        "on-accent": ("accent",),
        **{name: (f"{name}-ground", "surface", "raised") for name in
           ("critical", "high", "medium", "low", "negligible", "unknown", "good")},
    }.items()
    for ground in grounds
]  # fmt: skip


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), PAIRS, ids=lambda name: name)
def test_text_has_enough_contrast(theme: int, ink: str, ground: str) -> None:
    tokens = (ROOT / "console" / "style" / "tokens.css").read_text()
    colours = {
        name: values
        for name, *values in re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", tokens)
    }
    assert _contrast(colours[ink][theme], colours[ground][theme]) >= 4.5


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
