"""Reads pages as a browser would, and says what a policy cares about."""

from collections.abc import Iterator
from html.parser import HTMLParser


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


class Reading:
    """A parsed page."""

    def __init__(self, text: str) -> None:
        parser = _Parser()
        parser.feed(text)
        parser.close()
        self.elements = parser.elements
        self.text = " ".join(" ".join(parser.text).split())

    def attributes(self) -> Iterator[tuple[str, str, str]]:
        for tag, attributes in self.elements:
            for name, value in attributes.items():
                yield tag, name, value

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def field(self, name: str) -> str:
        """Return the value of the first form field of this name."""
        for tag, attributes in self.elements:
            if tag in ("input", "button") and attributes.get("name") == name:
                return attributes.get("value", "")
        raise AssertionError(f"no field {name}")

    def links(self) -> list[str]:
        return [attributes["href"] for tag, attributes in self.elements if tag == "a" and "href" in attributes]

    def breaches(self) -> list[str]:
        """Return everything that the policy would block, or that no page of ours may hold."""
        found = []
        for tag, attributes in self.elements:
            if tag in ("style", "iframe", "object", "embed", "base", "applet", "frame"):
                found.append(f"<{tag}>")
            if tag == "script" and not attributes.get("src", "").startswith("/static/"):
                found.append(f"<script {attributes}>")
            for name, value in attributes.items():
                address = value.strip().lower()
                if name == "style" or name.startswith(("on", "hx-on", "x-", "@", ":")):
                    found.append(f"{tag} {name}={value!r}")
                if name in ("href", "src", "action", "formaction") and address.startswith(("javascript:", "data:text")):
                    found.append(f"{tag} {name}={value!r}")
                if name.startswith("hx-") and ("js:" in value or "javascript:" in value or "[" in value):
                    found.append(f"{tag} {name}={value!r}")
        return found
