"""`pratique scan` reads straight from a registry over TLS, signed in as podman would be."""

import base64
import json
from pathlib import Path

import pytest
from tests.cli.scan.images import simple
from tests.interop.clients import Skopeo
from tests.registry.serving import Running

from pratique.core.errors import Denied, Unauthenticated, Unavailable
from pratique.core.http.server import TlsFiles
from pratique.core.progress import NullReporter
from pratique.inventory.types import ImageInventory
from pratique.scan.child import ReaderPool
from pratique.scan.layer_files import NoLayerFiles
from pratique.scan.local import read_image
from pratique.scan.sources.targets import Access, images_of, target_of

NAME = "team/app"


def auth_file(path: Path, host: str, user: str) -> Path:
    coded = base64.b64encode(f"{user}:{user}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": coded}}}))
    return path


def scanned(reference: str, access: Access) -> ImageInventory:
    with ReaderPool(1) as pool, images_of(target_of(reference), "linux/amd64", access) as (image,):
        return read_image(image, pool, NoLayerFiles(), NullReporter())


@pytest.fixture
def pushed(skopeo: Skopeo, registry: Running, tmp_path: Path) -> str:
    layout = simple(tmp_path / "layout")
    target = f"docker://{registry.host}/{NAME}:v1"
    assert skopeo.copy(f"oci:{layout.folder}:app:1", target, "--dest-creds", "pusher:pusher").code == 0
    return f"{registry.host}/{NAME}:v1"


def test_an_image_is_read_over_tls(pushed: str, registry: Running, certificate: TlsFiles, tmp_path: Path) -> None:
    access = Access(auth_file(tmp_path / "auth.json", registry.host, "pusher"), certificate.certificate)
    inventory = scanned(pushed, access)
    assert inventory.assessable
    assert {package.name for package in inventory.package_set.packages} == {"liblog4j", "base", "minimist"}


def test_an_unknown_authority_is_named(pushed: str, registry: Running, tmp_path: Path) -> None:
    access = Access(auth_file(tmp_path / "auth.json", registry.host, "pusher"))
    with pytest.raises(Unavailable, match="certificate"):
        scanned(pushed, access)


def test_a_missing_right_is_named(pushed: str, registry: Running, certificate: TlsFiles, tmp_path: Path) -> None:
    access = Access(auth_file(tmp_path / "auth.json", registry.host, "stranger"), certificate.certificate)
    with pytest.raises((Denied, Unauthenticated)):
        scanned(pushed, access)
