"""What clients read before they ask: where the endpoints are, as seen under the host that they used."""

from typing import Any

from pratique.identity.oauth.requests import Place

ADFS = "adfs"


def configuration(place: Place, *, version: str = "/v2.0") -> dict[str, Any]:
    """Return the OpenID configuration; `version` is '' for the form of AD FS and of version 1."""
    middle = "/oauth2/v2.0" if version else "/oauth2"
    keys = "/discovery/v2.0/keys" if version else "/discovery/keys"
    return {
        "issuer": issuer(place, version=version),
        "authorization_endpoint": place.url(f"{middle}/authorize"),
        "token_endpoint": place.url(f"{middle}/token"),
        "device_authorization_endpoint": place.url(f"{middle}/devicecode"),
        "jwks_uri": place.url(keys),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["PS256", "ES256", "RS256"],
        "grant_types_supported": [
            "client_credentials",
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["openid", "profile", "offline_access"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "oid", "tid", "name", "preferred_username", "nonce"],
    }


def issuer(place: Place, *, version: str = "/v2.0") -> str:
    """The `iss` of identity tokens: an address, as OpenID asks, made from the host at hand and never stored."""
    return place.url(version)


def instance(place: Place, authorization_endpoint: str) -> dict[str, Any]:
    """Answer "is this an authority?" for this very host; clients ask it of the public cloud unless told not to."""
    host = place.origin.removeprefix("https://")
    own = authorization_endpoint.startswith(place.origin + "/")
    if not own:
        return {"error": "invalid_instance", "error_description": "AADSTS50049: This server answers for itself alone."}
    tenant = authorization_endpoint.removeprefix(place.origin + "/").partition("/")[0]
    return {
        "tenant_discovery_endpoint": f"{place.origin}/{tenant}/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    }
