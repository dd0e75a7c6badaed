"""What each client reads, and so what must be written for it: without root wherever there is such a way."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from pratique.cli.diagnosis.packages import install_line
from pratique.cli.trusting.hashes import subject_hash
from pratique.cli.trusting.plan import EditFile, Plan, Run, Step, WriteFile

_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
_SYSTEM_STORES = (
    ("/usr/local/share/ca-certificates", "update-ca-certificates"),
    ("/etc/pki/ca-trust/source/anchors", "update-ca-trust"),
    ("/etc/pki/trust/anchors", "update-ca-certificates"),
)


@dataclass(frozen=True)
class Trust:
    """What is to be trusted, for which names, by whom."""

    authority: bytes
    hosts: tuple[str, ...]
    home: Path
    root: Path = Path("/")
    """Where `/etc` is looked for; another folder in tests."""

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.authority)

    @property
    def folder(self) -> Path:
        """Our own folder of trusted certificates, in the form that OpenSSL and Go read."""
        return self.home / ".config/pratique/trust"

    @property
    def name(self) -> str:
        """The name of the certificate in stores that have names."""
        common = self.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return str(common[0].value) if common else "Pratique CA"

    def hashed(self) -> WriteFile:
        return WriteFile(self.folder / f"{subject_hash(self.certificate)}.0", self.authority)


@dataclass(frozen=True)
class Target:
    """One kind of client."""

    name: str
    what: str
    plan: Callable[[Trust], Plan]
    present: Callable[[], bool]


def containers(trust: Trust) -> Plan:
    """podman, skopeo, buildah: one folder per host, read by containers/image for users and root alike."""
    folder = trust.home / ".config/containers/certs.d"
    files = [folder / host / "pratique-ca.crt" for host in trust.hosts]
    return Plan(tuple(WriteFile(file, trust.authority, own_folder=True) for file in files))


def docker(trust: Trust) -> Plan:
    """docker: the daemon reads one folder per host; a rootless daemon that of its user."""
    rootless = (Path(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent")) / "docker.sock").exists()
    folder = trust.home / ".config/docker/certs.d" if rootless else trust.root / "etc/docker/certs.d"
    files = [folder / host / "ca.crt" for host in trust.hosts]
    steps = tuple(WriteFile(file, trust.authority, root=not rootless, own_folder=True) for file in files)
    return Plan(steps, ("docker pushes to localhost without this: it does not verify registries on loopback",))


def curl(trust: Trust) -> Plan:
    """curl: a folder of our own beside the system's certificates, named in .curlrc."""
    configuration = Path(os.environ.get("CURL_HOME", trust.home)) / ".curlrc"
    return Plan((trust.hashed(), EditFile(configuration, f'capath = "{trust.folder}"')))


def python(trust: Trust) -> Plan:
    """Python, and Go programs such as cosign: variables, as there is no file that all of them read."""
    bundle = trust.folder / "bundle.pem"
    variables = trust.folder / "environment.sh"
    text = (
        "# For Python's ssl and for Go: the system's certificates and ours.\n"
        f"export SSL_CERT_DIR='/etc/ssl/certs:{trust.folder}'\n"
        "# For requests and pip, which bring a list of their own.\n"
        f"export REQUESTS_CA_BUNDLE='{bundle}' PIP_CERT='{bundle}'\n"
    )
    steps = (
        trust.hashed(),
        WriteFile(bundle, _system_bundle() + trust.authority),
        WriteFile(variables, text.encode()),
    )
    return Plan(steps, (f"put this line into your shell's profile:  . {variables}",))


def browser(trust: Trust) -> Plan:
    """Chromium, Chrome and Firefox: their NSS databases, through certutil."""
    if not shutil.which("certutil"):
        return Plan(missing=f"certutil is needed: {install_line('libnss3-tools', 'nss-tools')}")
    file = trust.folder / "ca.pem"
    steps: list[Step] = [WriteFile(file, trust.authority)]
    for database in _databases(trust.home):
        steps += _database_steps(database, trust.name, file)
    return Plan(tuple(steps), ("restart the browser",))


def system(trust: Trust) -> Plan:
    """Everything that reads the system's store; needs root."""
    for folder, command in _SYSTEM_STORES:
        place = trust.root / folder.lstrip("/")
        if place.is_dir():
            file = WriteFile(place / "pratique-ca.crt", trust.authority, root=True)
            return Plan((Run((), (command,), root=True), file, Run((command,), (), root=True)))
    return Plan(missing=install_line("ca-certificates"))


def _databases(home: Path) -> Iterator[Path]:
    yield home / ".pki/nssdb"
    for profiles in (".mozilla/firefox", "snap/firefox/common/.mozilla/firefox"):
        yield from (file.parent for file in sorted((home / profiles).glob("*/cert9.db")))


def _database_steps(database: Path, name: str, file: Path) -> Iterator[Step]:
    place = f"sql:{database}"
    if not (database / "cert9.db").exists():
        yield Run(("mkdir", "-p", "-m", "700", str(database)), ())
        yield Run(("certutil", "-d", place, "-N", "--empty-password"), ())
    add = ("certutil", "-d", place, "-A", "-t", "C,,", "-n", name, "-i", str(file))
    yield Run(add, ("certutil", "-d", place, "-D", "-n", name))


def _system_bundle() -> bytes:
    return next((Path(path).read_bytes() for path in _SYSTEM_BUNDLES if Path(path).exists()), b"")


def _has(*programs: str) -> Callable[[], bool]:
    return lambda: any(shutil.which(program) for program in programs)


TARGETS = {
    target.name: target
    for target in (
        Target("podman", "podman, buildah", containers, _has("podman", "buildah")),
        Target("skopeo", "skopeo", containers, _has("skopeo")),
        Target("docker", "docker", docker, _has("docker")),
        Target("curl", "curl", curl, _has("curl")),
        Target("python", "Python, pip, and Go programs such as cosign", python, lambda: True),
        Target("browser", "Chromium, Chrome, Firefox", browser, _has("chromium", "google-chrome", "firefox")),
        Target("system", "everything that reads the system's store", system, lambda: True),
    )
}
