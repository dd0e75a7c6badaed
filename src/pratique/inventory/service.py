"""The inventory's front: bytes of layers in, what an image holds out. Pure: no database, no network.

`read_layer` parses foreign bytes in the calling process. A server and the command line call it through
`pratique.scan.child.ReaderPool`, which does the same in a child without database, network or keys.
"""

from collections.abc import Sequence
from typing import Any, BinaryIO

from pratique.inventory.types import ExpectedLayer, ImageInventory, LayerReport, Limits


def read_layer(
    stream: BinaryIO,
    media_type: str = "",
    *,
    limits: Limits | None = None,
    expected: ExpectedLayer | None = None,
) -> LayerReport:
    """One pass over a layer: both digests and everything readers want. Never raises for what the bytes hold.

    The compression is told by magic, not by `media_type`, which only serves to name foreign and encrypted layers.
    """
    raise NotImplementedError


def merge(reports: Sequence[LayerReport], config: dict[str, Any]) -> ImageInventory:
    """The image that these layers make, lowest first, with whiteouts applied and each package given its layer.

    `config` is the decoded image configuration; layers that its `rootfs.diff_ids` do not name are blockers.
    """
    raise NotImplementedError
