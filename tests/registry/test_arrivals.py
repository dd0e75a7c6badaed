"""An image whose layers come after it is held, for everybody the same, and judged when the last one is here."""

from tests.registry.clients import Client, error_of
from tests.registry.images import artifact, image
from tests.registry.serving import Running

from pratique.registry.arrivals import MANIFEST_PUSHED

NAME = "team/app"


def test_an_image_waits_for_its_layers_and_is_announced_once_they_are_here(
    pusher: Client, reader: Client, registry: Running
) -> None:
    announced: list[str] = []
    registry.events.subscribe_inline(MANIFEST_PUSHED, lambda _, event: announced.append(event.data["digest"]))
    made = image(b"first", b"second")
    config, first, second = made.blobs
    pusher.push_blob(NAME, made.blobs[config])
    pusher.push_blob(NAME, made.blobs[first])
    pushed = pusher.put_manifest(NAME, made, "v1")
    assert pushed.status_code == 201
    assert "held" in pushed.headers["warning"]
    again = pusher.put_manifest(NAME, made, "v1")
    assert again.status_code == 201
    assert announced == []
    seen = pusher.manifest(NAME, "v1")
    assert "1 of its layers is not in this repository" in seen.headers["warning"]
    assert error_of(reader.manifest(NAME, "v1"))[0] == 403
    # The same bytes elsewhere complete nothing here, and nothing about them is told here.
    pusher.push_blob("team/other", made.blobs[second])
    assert announced == []
    service, database = registry.parts.service, registry.database
    assert database.read(lambda tx: service.repositories_of(tx, made.digest)) == []
    mounted = pusher.http.post(f"/v2/{NAME}/blobs/uploads/", params={"mount": second, "from": "team/other"})
    assert mounted.status_code == 201
    assert announced == [made.digest]
    assert [each.name for each in database.read(lambda tx: service.repositories_of(tx, made.digest))] == [NAME]
    # Its layers are counted: none can be deleted below the image.
    assert pusher.http.delete(f"/v2/{NAME}/blobs/{second}").status_code == 405


def test_only_layers_of_images_may_come_later(pusher: Client) -> None:
    made = image(b"no config")
    config, layer = made.blobs
    pusher.push_blob(NAME, made.blobs[layer])
    assert error_of(pusher.put_manifest(NAME, made, "v1"))[1] == "MANIFEST_BLOB_UNKNOWN"
    chart = artifact(b'{"name":"web"}', "application/vnd.cncf.helm.config.v1+json", [(b"chart", "application/x-tgz")])
    for digest, content in list(chart.blobs.items())[:1]:
        assert pusher.push_blob(NAME, content, digest).status_code == 201
    assert error_of(pusher.put_manifest(NAME, chart, "chart"))[1] == "MANIFEST_BLOB_UNKNOWN"
    assert config in made.blobs


def test_a_waiting_image_can_be_deleted(pusher: Client) -> None:
    made = image(b"never comes")
    config, layer = made.blobs
    pusher.push_blob(NAME, made.blobs[config])
    assert pusher.put_manifest(NAME, made, "v1").status_code == 201
    assert pusher.http.delete(f"/v2/{NAME}/manifests/{made.digest}").status_code == 202
    assert pusher.push_blob(NAME, made.blobs[layer]).status_code == 201
    assert pusher.http.delete(f"/v2/{NAME}/blobs/{layer}").status_code == 202
