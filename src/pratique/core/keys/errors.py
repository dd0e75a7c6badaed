"""What can go wrong with keys; no message ever holds key material or the data that was signed."""

from pratique.core.errors import Denied, PratiqueError, Unavailable


class KeysUnavailable(Unavailable):
    """The key process does not answer."""

    code = "keys-unavailable"


class KeyUseRefused(Denied):
    """The caller's role may not do this with keys of this purpose."""

    code = "key-use-refused"


class SealBroken(PratiqueError):  # noqa: N818 - the words of the field
    """The sealed file or a sealed value does not open: wrong key, or changed, or moved from another place."""

    code = "seal-broken"
    status = 500
