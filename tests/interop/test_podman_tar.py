"""What the lean walk accepts, podman unpacks alike: each archive becomes a layer, and its folder is compared."""

import gzip
import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.clients import Podman
from tests.interop.layouts import write_layout
from tests.inventory.test_tar_differential import chunked, mutated, random_tree, seeds
from tests.registry.images import CONFIG, LAYER, artifact

from pratique.core.digests import Digest
from pratique.inventory import tar
from pratique.inventory.errors import StopReading
from pratique.inventory.types import Limits

Tree = dict[bytes, tuple[str, bytes]]
"""Path -> kind, and digest of the content or target of the link."""
_MUTATIONS = 4
_GLOBAL = (b"PaxHeaders", ("directory", b""))


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    folder = tmp_path_factory.mktemp("podman-tar")
    (folder / "ca.pem").write_text("")
    made = Podman(folder, folder / "ca.pem")
    if os.geteuid() != 0:
        pytest.skip("mounting needs privileges")
    yield made
    made.close()


def own_tree(data: bytes) -> Tree | None:
    """What unpacking the members in order would leave; None where that depends on more than the members' order."""
    tree: Tree = {}
    walk = tar.TarWalk(chunked(data), Limits(header_bytes=1 << 16, path_bytes=4096))
    for entry in walk:
        content = walk.content(entry.size) if entry.kind == tar.REGULAR else b""
        parts = [part for part in entry.name.split(b"/") if part not in (b"", b".")]
        above = [b"/".join(parts[:at]) for at in range(1, len(parts))]
        if not plain(parts, above, tree):
            return None
        held = leaf(entry, content, tree)
        if held is None:
            return None
        path = b"/".join(parts)
        if held[0] != "directory" and tree.get(path, ("", b""))[0] == "directory":
            tree = {name: kept for name, kept in tree.items() if not name.startswith(path + b"/")}
        tree = {**dict.fromkeys(above, ("directory", b"")), **tree}
        if path:
            tree[path] = held
    return tree


def plain(parts: list[bytes], above: list[bytes], tree: Tree) -> bool:
    """Whether a member lands where its name says: no way upwards, no link or file on the way, no whiteout."""
    on_the_way = all(tree.get(one, ("directory", b""))[0] == "directory" for one in above)
    return on_the_way and b".." not in parts and not any(part.startswith(b".wh.") for part in parts)


def leaf(entry: tar.Entry, content: bytes, tree: Tree) -> tuple[str, bytes] | None:
    """What a member leaves at its path; None for a hard link to what is no file before it."""
    if entry.kind == tar.HARD_LINK:
        target = tree.get(b"/".join(part for part in entry.link.split(b"/") if part not in (b"", b".")))
        return target if target is not None and target[0] == "file" else None
    kinds = {tar.SYMLINK: ("symlink", entry.link), tar.DIRECTORY: ("directory", b""), tar.SPARSE: ("file", b"")}
    if entry.kind == tar.REGULAR:
        return "file", hashlib.sha256(content).digest()
    return kinds.get(entry.kind, ("other", b""))


def podman_tree(podman: Podman, folder: Path, data: bytes) -> Tree | None:
    """Unpack an archive as the layer of an image; None where podman refuses it."""
    diff_id = str(Digest.of(data))
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    image = artifact(json.dumps(config).encode(), CONFIG, [(gzip.compress(data, mtime=0), LAYER)])
    layout = write_layout(folder, image)
    pulled = podman("pull", "-q", "--signature-policy", str(podman._policy), f"oci:{layout}")
    shutil.rmtree(folder)
    if pulled.code:
        return None
    identity = pulled.out.strip().splitlines()[-1]
    mounted = podman("image", "mount", identity)
    assert mounted.code == 0, mounted.err
    try:
        return folder_tree(mounted.out.strip().encode())
    finally:
        podman("image", "unmount", "--force", identity)
        podman("rmi", "--force", identity)


def folder_tree(root: bytes) -> Tree:
    tree: Tree = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(folder, name)  # noqa: PTH118  bytes
            mode = os.lstat(path).st_mode
            where = os.path.relpath(path, root)
            if stat.S_ISLNK(mode):
                tree[where] = ("symlink", os.readlink(path))  # noqa: PTH115  bytes
            elif stat.S_ISDIR(mode):
                tree[where] = ("directory", b"")
            elif stat.S_ISREG(mode):
                with open(path, "rb") as stream:  # noqa: PTH123  bytes
                    tree[where] = ("file", hashlib.sha256(stream.read()).digest())
            else:
                tree[where] = ("other", b"")
    return tree


def same(own: Tree, theirs: Tree) -> bool:
    """Whether both hold the same.

    The content of sparse files is not read by the walk. Of a global header podman makes the folder that stands in its
    name, empty.
    """
    theirs = {name: held for name, held in theirs.items() if name in own or (name, held) != _GLOBAL}
    if own.keys() != theirs.keys():
        return False
    return all(
        own[name][0] == theirs[name][0] and (own[name][1] == theirs[name][1] or own[name] == ("file", b""))
        for name in own
    )


@pytest.mark.parametrize("seed", range(6))
def test_an_accepted_archive_is_unpacked_alike(podman: Podman, tmp_path: Path, seed: int) -> None:
    chance, compared, tried = random.Random(500 + seed), 0, 0
    archives = [seeds()[seed]]
    while compared < _MUTATIONS and tried < 400:
        tried += 1
        data = archives.pop() if archives else mutated(seeds()[seed], chance)
        try:
            own = own_tree(data)
        except StopReading:
            continue
        theirs = podman_tree(podman, tmp_path / "layout", data) if own is not None else None
        if own is None or theirs is None:
            continue
        compared += 1
        assert same(own, theirs), (own, theirs)
    assert compared == _MUTATIONS


@pytest.mark.parametrize(("form", "sparse"), [("gnu", False), ("pax", True), ("ustar", False), ("v7", False)])
def test_what_gnu_tar_writes_is_unpacked_alike(podman: Podman, tmp_path: Path, form: str, sparse: bool) -> None:
    (tmp_path / "tree").mkdir()
    random_tree(tmp_path / "tree", 13)
    words = ["tar", "-C", str(tmp_path / "tree"), f"--format={form}", "-cf", "-", "."]
    data = subprocess.run([*words, *(["--sparse"] if sparse else [])], capture_output=True, check=False).stdout
    own = own_tree(data)
    assert own is not None
    theirs = podman_tree(podman, tmp_path / "layout", data)
    assert theirs is not None
    assert same(own, theirs), own.keys() ^ theirs.keys()
    assert {b"a", b"short-link"} <= own.keys()
