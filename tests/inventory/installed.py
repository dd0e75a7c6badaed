"""Folders as layers and images, for tests that compare with what a tool installed."""

import io
import subprocess
from pathlib import Path
from typing import Any

from pratique.inventory.service import merge, read_layer
from pratique.inventory.types import LayerReport, Limits, Package


def layer_of(folder: Path, limits: Limits | None = None) -> LayerReport:
    """The folder as a layer, made by GNU tar."""
    done = subprocess.run(["tar", "-C", str(folder), "-cf", "-", "."], capture_output=True, check=True)
    return read_layer(io.BytesIO(done.stdout), limits=limits)


def image_of(*reports: LayerReport) -> Any:
    """The image that these layers make."""
    return merge(reports, {"rootfs": {"diff_ids": [report.diff_id for report in reports]}})


def packages_of(folder: Path, ecosystem: str, limits: Limits | None = None) -> list[Package]:
    """The packages of one ecosystem in a folder; everything in it must be readable."""
    inventory = image_of(layer_of(folder, limits))
    assert inventory.blockers == ()
    return [package for package in inventory.package_set.packages if package.ecosystem == ecosystem]
