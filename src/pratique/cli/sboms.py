"""`pratique registry sbom`: what an image of this registry holds, as a document that other tools read."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer


class SbomForm(StrEnum):
    """Forms of an SBOM."""

    CYCLONEDX = "cyclonedx"
    SPDX2 = "spdx-json"
    SPDX3 = "spdx3-json"


def sbom(
    reference: Annotated[str, typer.Argument(help="REPOSITORY:TAG or REPOSITORY@DIGEST.")],
    *,
    form: Annotated[SbomForm, typer.Option("--format", help="Form of the document.")] = SbomForm.CYCLONEDX,
    output_file: Annotated[Path | None, typer.Option(help="Write there instead of to standard output.")] = None,
) -> None:
    """Print the SBOM of an image that this registry has read."""
    from pratique.cli.client import connect
    from pratique.cli.status import own_image

    name, wanted = own_image(reference)
    path = f"/api/v1/images/{quote(name)}/manifests/{quote(wanted, safe=':')}/sbom"
    with connect() as client:
        content = client.get(path, params={"format": form.value}).content
    if output_file is None:
        sys.stdout.write(content.decode() + "\n")
    else:
        output_file.write_bytes(content)
