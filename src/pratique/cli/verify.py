"""`pratique verify`: who signed an image, which signatures count, and why the others do not; no server needed."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pratique.cli.exits import Exit
from pratique.cli.output import Output, OutputOption, emit, emit_json
from pratique.core.errors import Invalid

if TYPE_CHECKING:
    from pratique.scan.sources.images import Descriptor
    from pratique.scan.sources.registry import RegistryBlobs
    from pratique.trust.signatures.signers import Signer
    from pratique.trust.signatures.verify import Answer

app = typer.Typer(help="Say who signed an image, which signatures count for whom you trust, and why others do not.")

_COLUMNS = ("counts", "form", "signer", "says", "why")


@app.command()
def verify(
    image: Annotated[str, typer.Argument(help="REGISTRY/NAME:TAG or REGISTRY/NAME@DIGEST.")],
    *,
    key: Annotated[list[Path] | None, typer.Option(help="Public key in PEM that you trust; can be repeated.")] = None,
    identity: Annotated[str, typer.Option(help="Identity that you trust; * for any text without a slash.")] = "",
    issuer: Annotated[str, typer.Option(help="Who vouches for the identity, exactly.")] = "",
    trust_root: Annotated[Path | None, typer.Option(help="trusted_root.json for identities.")] = None,
    trust_policy: Annotated[Path | None, typer.Option(help="Trust policy of the Notary Project.")] = None,
    trust_store: Annotated[Path | None, typer.Option(help="Trust store: a folder x509/{ca,tsa,…}/NAME.")] = None,
    auth_file: Annotated[Path | None, typer.Option(help="File with registry logins.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificate of the registry's authority.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Speak HTTP to the registry.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Exit code 0: a signature counts. 1: none does. 6: something could not be looked at, so nobody knows."""
    from pratique.scan.sources.credentials import auth_files
    from pratique.scan.sources.reference import Reference
    from pratique.scan.sources.registry import RegistryBlobs

    reference = Reference.parse(image)
    repository = f"{reference.registry}/{reference.name}"
    signers = _signers(key or [], (identity, issuer, trust_root), (trust_policy, trust_store), repository)
    files = [auth_file] if auth_file else auth_files()
    with RegistryBlobs(reference, files, insecure=insecure, ca=ca) as blobs:
        result = _look(blobs, repository, signers)
    _show(result, output)
    raise typer.Exit(result["code"])


def _look(blobs: "RegistryBlobs", repository: str, signers: "list[Signer]") -> dict[str, Any]:
    import hashlib

    from pratique.trust.signatures.collecting import collect
    from pratique.trust.signatures.types import Image
    from pratique.trust.signatures.verify import verify_all

    manifest = blobs.document(blobs.root)
    digest = blobs.reference.digest or f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    found = collect(_Repository(blobs), digest)
    answers = list(verify_all(found.envelopes, Image(digest, repository), signers, manifest, time.time_ns() // 1000))
    counting = sum(one.verified is not None for one in answers)
    code = Exit.DONE if counting else Exit.UNDECIDED if found.unread or found.more else Exit.NO
    return {
        "image": f"{repository}@{digest}",
        "counting": counting,
        "signatures": [_row(one) for one in answers],
        "could_not_look": list(found.unread),
        "more": found.more,
        "code": int(code),
    }


class _Repository:
    """A repository over HTTPS, as signatures are looked for in it."""

    def __init__(self, blobs: "RegistryBlobs") -> None:
        self._blobs = blobs

    def manifest(self, reference: str) -> bytes:
        return self._blobs.document(_descriptor(reference, "manifest"))

    def referrers(self, digest: str) -> bytes:
        return self._blobs.referrers(digest)

    def blob(self, digest: str) -> bytes:
        return self._blobs.document(_descriptor(digest, "application/octet-stream"))


def _descriptor(digest: str, kind: str) -> "Descriptor":
    from pratique.scan.sources.images import Descriptor

    return Descriptor(digest, kind)


def _row(answer: "Answer") -> dict[str, Any]:
    made = answer.verified
    return {
        "counts": made is not None,
        "form": answer.envelope.form.value,
        "signer": made.signer if made else "",
        "identity": made.identity if made else "",
        "issuer": made.issuer if made else "",
        "says": made.statement.predicate_type if made and made.statement else "signed" if made else "",
        "class": answer.failing.value if answer.failing else "",
        "why": answer.why if not made else f"made by {made.identity}",
        "artifact": answer.envelope.artifact,
    }


def _signers(
    keys: list[Path], identity: tuple[str, str, Path | None], notary: tuple[Path | None, Path | None], repository: str
) -> "list[Signer]":
    """Whom the options trust; raises Invalid where they trust nobody or somebody only in part."""
    from pratique.trust.signatures.signers import KeylessSigner, KeySigner, check_signer

    made: list[Signer] = []
    for path in keys:
        signer = KeySigner(path.name, path.read_bytes())
        _ = signer.fingerprint  # a file that is no key is said so now
        made.append(signer)
    name, issuer, root = identity
    if name or issuer or root:
        if not (name and issuer and root):
            raise Invalid("An identity needs its issuer and a root.", remedy="Give --identity, --issuer, --trust-root.")
        from pratique.trust.signatures.keyless import TrustRoot

        check_signer("identity", name, issuer)
        made.append(KeylessSigner("identity", issuer, name, TrustRoot(root.read_bytes())))
    made.extend(_notary(*notary, repository))
    if not made:
        raise Invalid("Nobody is trusted.", remedy="Give --key FILE, an identity, or a trust policy.")
    return made


def _notary(policy: Path | None, store: Path | None, repository: str) -> "list[Signer]":
    if policy is None:
        return []
    from pratique.trust.signatures.notation.policy import read_policy, statement_for
    from pratique.trust.signatures.notation.store import read_store
    from pratique.trust.signatures.signers import NotarySigner

    if store is None:
        raise Invalid("A trust policy needs its trust store.", remedy="Give --trust-store FOLDER.")
    statements = read_policy(json.loads(policy.read_bytes()), read_store(store))
    chosen = statement_for(statements, repository)
    if chosen is None:
        raise Invalid(f"No statement of the trust policy is for {repository}.", remedy="Add a statement or a '*'.")
    return [NotarySigner(chosen.name, chosen)]


def _show(result: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        emit_json(result)
        return
    rows = [{**row, "counts": "yes" if row["counts"] else "no"} for row in result["signatures"]]
    print(f"{result['image']}: {result['counting']} of {len(rows)} signatures count")
    if rows:
        emit([{name: row[name] for name in _COLUMNS} for row in rows], _COLUMNS, output)
    for place in result["could_not_look"]:
        print(f"could not look at {place}")
    if not rows and not result["could_not_look"]:
        print("unsigned: nothing is stored beside this image")
