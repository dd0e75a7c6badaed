"""What is kept of an image's layers for evidence and pages: the build step that wrote each, and what it brought."""

from collections import Counter

import msgspec

from pratique.core.redaction import redact
from pratique.inventory.types import ImageInventory
from pratique.scan.types import LayerTold

_LAYERS = 500
_STEP = 400
"""Characters kept of a build step."""


def layers_told(inventory: ImageInventory) -> tuple[LayerTold, ...]:
    """Return the layers of an image from the lowest; a history that does not name each layer once is not believed."""
    steps = [step for step in inventory.facts.history if step.layer_index >= 0]
    made = {step.layer_index: step.created_by for step in steps} if len(steps) == len(inventory.diff_ids) else {}
    brought = Counter(origin.layer_index for origin in inventory.origins)
    return tuple(
        LayerTold(diff_id, redact(made.get(number, ""), limit=_STEP), brought[number])
        for number, diff_id in enumerate(inventory.diff_ids[:_LAYERS])
    )


def stored_layers(text: str) -> list[LayerTold]:
    """Return layers as they were stored."""
    return msgspec.json.decode(text, type=list[LayerTold])
