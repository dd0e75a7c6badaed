"""Finds what is stored beside an image, in every form: tags of cosign, referrers, and the index of old registries.

*There is none* and *could not look* are different answers: a place that fails is named, and the answer is not final.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from pratique.core import strict_json
from pratique.core.errors import NotFound, PratiqueError
from pratique.trust.signatures.bundles import MEDIA_TYPES
from pratique.trust.signatures.dsse import decoded
from pratique.trust.signatures.notation.types import ARTIFACT_TYPE, COSE_TYPE, JWS_TYPE
from pratique.trust.signatures.simple_signing import MEDIA_TYPE
from pratique.trust.signatures.types import MAX_ENVELOPE, MAX_PER_IMAGE, Envelope, Form, Rejected

_FORMS = {
    MEDIA_TYPE: Form.SIMPLE_SIGNING,
    "application/vnd.dsse.envelope.v1+json": Form.DSSE,
    JWS_TYPE: Form.JWS,
    COSE_TYPE: Form.COSE,
    **dict.fromkeys(MEDIA_TYPES, Form.BUNDLE),
}
_ARTIFACTS = {ARTIFACT_TYPE, *MEDIA_TYPES, MEDIA_TYPE, *_FORMS}
_SIGNATURE = "dev.cosignproject.cosign/signature"


class Source(Protocol):
    """One repository: NotFound for what is not there, any other PratiqueError where it cannot look."""

    def manifest(self, reference: str) -> bytes:
        """Return the manifest of a tag or digest."""

    def referrers(self, digest: str) -> bytes:
        """Return the index of what refers to a digest (OCI distribution 1.1, end-12)."""

    def blob(self, digest: str) -> bytes:
        """Return a small blob."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What is stored beside an image."""

    envelopes: tuple[Envelope, ...]
    unread: tuple[str, ...]
    """Places that could not be looked at, each with why. Empty: this is all there is."""
    more: bool = False
    """True when there is more than is looked at."""


def collect(source: Source, digest: str) -> Collected:
    """Return the signatures and attestations of a manifest, each once; never raises for what one of them is like."""
    unread: list[str] = []
    found: list[Envelope] = []
    seen: set[str] = set()
    for content in _manifests(source, digest, unread):
        name = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if name in seen:
            continue
        seen.add(name)
        found.extend(_envelopes(source, name, content, unread))
        if len(found) > MAX_PER_IMAGE:
            return Collected(tuple(found[:MAX_PER_IMAGE]), tuple(unread), more=True)
    return Collected(tuple(found), tuple(unread))


def _manifests(source: Source, digest: str, unread: list[str]) -> Iterator[bytes]:
    """The manifests that carry signatures; the referrers interface first, as it is bound to the digest."""
    tag = digest.replace(":", "-")
    listed = _read(unread, "the list of referrers", partial(source.referrers, digest))
    for index in (listed, _read(unread, f"the tag {tag}", partial(source.manifest, tag))):
        for wanted in _members(index, unread):
            content = _read(unread, f"the manifest {wanted}", partial(source.manifest, wanted))
            if content is not None and f"sha256:{hashlib.sha256(content).hexdigest()}" == wanted:
                yield content
    for suffix in (".sig", ".att"):
        content = _read(unread, f"the tag {tag}{suffix}", partial(source.manifest, tag + suffix))
        if content is not None:
            yield content


def _members(index: bytes | None, unread: list[str]) -> Iterator[str]:
    """Digests of an index that can carry signatures; what has no type of artifact is looked at as well."""
    if index is None:
        return
    try:
        members = strict_json.parse_object(index, what="the list of referrers").get("manifests")
    except PratiqueError as error:
        unread.append(error.message)
        return
    for member in (members if isinstance(members, list) else [])[: MAX_PER_IMAGE * 4]:
        kind = member.get("artifactType") if isinstance(member, dict) else None
        if isinstance(member, dict) and isinstance(member.get("digest"), str) and (not kind or kind in _ARTIFACTS):
            yield member["digest"]


def _envelopes(source: Source, name: str, content: bytes, unread: list[str]) -> Iterator[Envelope]:
    try:
        layers = strict_json.parse_object(content, what=f"the manifest {name}").get("layers")
    except PratiqueError as error:
        unread.append(error.message)
        return
    for layer in (layers if isinstance(layers, list) else [])[: MAX_PER_IMAGE + 1]:
        form = _FORMS.get(str(layer.get("mediaType"))) if isinstance(layer, dict) else None
        if form is None:
            continue
        blob = _read(unread, f"the signature {layer.get('digest')}", partial(_blob, source, layer))
        if blob is not None:
            yield _envelope(form, blob, layer, name)


def _blob(source: Source, layer: Mapping[str, Any]) -> bytes:
    """The bytes of a layer; of one that is too large nothing, which then says so when it is verified."""
    size, digest = layer.get("size"), str(layer.get("digest"))
    if not isinstance(size, int) or size > MAX_ENVELOPE:
        return b"\0" * (MAX_ENVELOPE + 1)
    content = source.blob(digest)
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise NotFound(f"what the registry gives for {digest} is something else")
    return content


def _envelope(form: Form, blob: bytes, layer: Mapping[str, Any], name: str) -> Envelope:
    given = layer.get("annotations")
    notes = {str(key): str(value) for key, value in given.items()} if isinstance(given, dict) else {}
    signature = b""
    if form is Form.SIMPLE_SIGNING:
        try:
            signature = decoded(notes.get(_SIGNATURE), "the signature")
        except Rejected:
            signature = b""  # verified as it is: it then counts for nobody
    return Envelope(form, blob, signature, notes, name)


def _read(unread: list[str], what: str, ask: Callable[[], bytes]) -> bytes | None:
    try:
        return ask()
    except NotFound:
        return None
    except PratiqueError as error:
        unread.append(f"{what}: {error.message}")
        return None
