"""`pratique trust install docker system` as root, in a private view of the file system: the machine stays as it was."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.test_trust import Server, server

__all__ = ["server"]

SCRIPT = """
set -eu
mount --make-rprivate /
for place in /etc /usr/local/share/ca-certificates; do
    inner=$FOLDER/over$(echo "$place" | tr / _)
    mkdir -p "$inner"
    mount -t tmpfs none "$inner"
    mkdir "$inner/upper" "$inner/work"
    mount -t overlay overlay -o lowerdir="$place",upperdir="$inner/upper",workdir="$inner/work" "$place"
done
snapshot() { (cd /etc/ssl/certs && find . -path ./java -prune -o \\( -type f -o -type l \\) -exec sha256sum {} + 2>/dev/null | sort); \
ls -R /usr/local/share/ca-certificates | sort; }
before=$(snapshot)
echo "curl before: $(curl -sS "$URL" 2>/dev/null || echo refused)"
"$PYTHON" -m pratique trust install docker system
echo "curl with: $(curl -sS "$URL")"
echo "openssl with: $(openssl verify "$CA")"
cmp /usr/local/share/ca-certificates/pratique-ca.crt "$CA" && echo "file: same"
cmp "/etc/docker/certs.d/$HOST/ca.crt" "$CA" && echo "docker: same"
"$PYTHON" -m pratique trust remove docker system
echo "curl after: $(curl -sS "$URL" 2>/dev/null || echo refused)"
test ! -e /usr/local/share/ca-certificates/pratique-ca.crt && echo "file: gone"
test ! -e "/etc/docker/certs.d/$HOST" && echo "docker: gone"
snapshot > "$FOLDER/after"
echo "$before" | diff - "$FOLDER/after" && echo "store: as before"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs privileges")
def test_docker_and_the_system_trust_after_install_and_not_after_removal(server: Server, tmp_path: Path) -> None:
    for program in ("unshare", "curl", "openssl", "update-ca-certificates"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    state = tmp_path / "state"
    (state / "tls").mkdir(parents=True)
    authority = state / "tls" / "ca.pem"
    authority.write_bytes(server.authority)
    seen = store()
    host = f"localhost:{server.port}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", SCRIPT],
        env={
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHON": sys.executable, "FOLDER": str(tmp_path),
            "URL": f"https://{host}/", "HOST": host, "CA": str(authority),
            "PRATIQUE_DATA__DIRECTORY": str(state), "PRATIQUE_SERVER__PORT": str(server.port),
        },
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    if "mount: " in done.stderr and "permission denied" in done.stderr:
        pytest.skip("mounting needs privileges")
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.splitlines()
    for line in (
        "curl before: refused",
        "curl with: {}",
        f"openssl with: {authority}: OK",
        "file: same",
        "docker: same",
        "curl after: refused",
        "file: gone",
        "docker: gone",
        "store: as before",
    ):
        assert line in told, done.stdout + done.stderr
    assert store() == seen


def store() -> str:
    """A fingerprint of what this machine trusts."""
    digest = hashlib.sha256()
    for folder in (Path("/etc/ssl/certs"), Path("/usr/local/share/ca-certificates"), Path("/etc/docker")):
        for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
            digest.update(str(file).encode() + (file.read_bytes() if file.is_file() else b""))
    return digest.hexdigest()
