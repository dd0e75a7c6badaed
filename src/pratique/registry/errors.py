"""Errors of the registry; each names the code of the OCI distribution specification that clients read.

PratiqueError
├── Invalid ── NameInvalid, TagInvalid, DigestInvalid, ManifestInvalid, ManifestBlobUnknown, SizeInvalid,
│             UploadInvalid, Unsupported
├── NotFound ── NameUnknown, ManifestUnknown, BlobUnknown, UploadUnknown, DeletedUnknown, RuleUnknown
├── Conflict ── TagTaken
├── RangeInvalid ── UploadRangeInvalid
├── Denied ── Held, Refused, ReadLocked, ContentLocked, AddressRefused
└── TooLarge ── ManifestTooLarge, BlobTooLarge
"""

from pratique.core.errors import Conflict, Denied, Invalid, NotFound, RangeInvalid, TooLarge


class NameInvalid(Invalid):
    code = "name-invalid"
    oci = "NAME_INVALID"


class TagInvalid(Invalid):
    code = "tag-invalid"
    oci = "TAG_INVALID"


class DigestInvalid(Invalid):
    code = "digest-invalid"
    oci = "DIGEST_INVALID"


class ManifestInvalid(Invalid):
    code = "manifest-invalid"
    oci = "MANIFEST_INVALID"


class ManifestBlobUnknown(Invalid):
    """A manifest names a blob or a child manifest that this repository does not hold."""

    code = "manifest-blob-unknown"
    oci = "MANIFEST_BLOB_UNKNOWN"


class SizeInvalid(Invalid):
    code = "size-invalid"
    oci = "SIZE_INVALID"


class UploadInvalid(Invalid):
    code = "upload-invalid"
    oci = "BLOB_UPLOAD_INVALID"


class UploadRangeInvalid(RangeInvalid):
    code = "upload-range-invalid"
    oci = "BLOB_UPLOAD_INVALID"


class ManifestTooLarge(TooLarge):
    code = "manifest-too-large"
    oci = "MANIFEST_INVALID"


class NameUnknown(NotFound):
    code = "repository-unknown"
    oci = "NAME_UNKNOWN"


class ManifestUnknown(NotFound):
    code = "manifest-unknown"
    oci = "MANIFEST_UNKNOWN"


class BlobUnknown(NotFound):
    code = "blob-unknown"
    oci = "BLOB_UNKNOWN"


class UploadUnknown(NotFound):
    code = "upload-unknown"
    oci = "BLOB_UPLOAD_UNKNOWN"


class Held(Denied):
    """No verdict yet: the answer carries when to ask again."""

    code = "manifest-held"
    oci = "DENIED"


class Refused(Denied):
    """The verdict is no: the message says which finding and what to do."""

    code = "manifest-refused"
    oci = "DENIED"


class ReadLocked(Denied):
    """A lock keeps everybody from reading."""

    code = "read-locked"
    oci = "DENIED"


class ContentLocked(Denied):
    """A lock or a rule keeps everybody from changing or deleting; 405 as the specification has it for deletions."""

    code = "content-locked"
    status = 405
    oci = "UNSUPPORTED"


class BlobTooLarge(TooLarge):
    code = "blob-too-large"
    oci = "SIZE_INVALID"


class Unsupported(Invalid):
    """The specification knows the request; this resource does not take it."""

    code = "unsupported"
    status = 405
    oci = "UNSUPPORTED"


class DeletedUnknown(NotFound):
    code = "deleted-item-unknown"


class RuleUnknown(NotFound):
    code = "rule-unknown"


class TagTaken(Conflict):
    """A tag cannot come back: somebody has set it meanwhile."""

    code = "tag-taken"


class AddressRefused(Denied):
    """The rules about networks keep this address out."""

    code = "address-refused"
    oci = "DENIED"
