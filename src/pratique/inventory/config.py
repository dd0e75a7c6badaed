"""What an image's configuration says (OCI image-spec v1.1, config.md), taken from JSON that may hold anything."""

from typing import Any, Final

from pratique.inventory.types import HistoryStep, ImageFacts

_ITEMS: Final = 1000
_LENGTH: Final = 16_384


def diff_ids_of(config: dict[str, Any]) -> tuple[str, ...] | None:
    """The diffIDs that the configuration names, lowest layer first; None where it names none in a readable way."""
    named = _mapping(config.get("rootfs")).get("diff_ids")
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        return None
    return tuple(named)


def image_facts(config: dict[str, Any]) -> ImageFacts:
    """The facts of the configuration; what has another type than the specification asks for is left out."""
    run = _mapping(config.get("config"))
    environment = (entry.partition("=") for entry in _texts(run.get("Env")))
    return ImageFacts(
        os=_text(config.get("os")),
        architecture=_text(config.get("architecture")),
        variant=_text(config.get("variant")),
        created=_text(config.get("created")),
        user=_text(run.get("User")),
        entrypoint=_texts(run.get("Entrypoint")),
        command=_texts(run.get("Cmd")),
        environment=tuple((name, value) for name, _, value in environment),
        exposed_ports=_keys(run.get("ExposedPorts")),
        volumes=_keys(run.get("Volumes")),
        labels=tuple(sorted((name[:_LENGTH], _text(value)) for name, value in _pairs(run.get("Labels")))),
        working_directory=_text(run.get("WorkingDir")),
        history=_history(config.get("history")),
    )


def _history(value: Any) -> tuple[HistoryStep, ...]:
    steps, layer = [], 0
    for step in value[:_ITEMS] if isinstance(value, list) else []:
        fields = _mapping(step)
        empty = fields.get("empty_layer") is True
        steps.append(
            HistoryStep(
                _text(fields.get("created_by")),
                -1 if empty else layer,
                _text(fields.get("created")),
                _text(fields.get("comment")),
            )
        )
        layer += not empty
    return tuple(steps)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _pairs(value: Any) -> list[tuple[str, Any]]:
    return list(_mapping(value).items())[:_ITEMS]


def _keys(value: Any) -> tuple[str, ...]:
    return tuple(sorted(key[:_LENGTH] for key, _ in _pairs(value)))


def _text(value: Any) -> str:
    return value[:_LENGTH] if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(item[:_LENGTH] for item in value[:_ITEMS] if isinstance(item, str))
