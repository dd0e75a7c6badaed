"""Whatever a stranger sends, the readers of the token endpoints answer with an error of the product, and quickly."""

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.errors import Invalid
from pratique.identity.audiences import Audiences
from pratique.identity.federation.assertions import opened, verify
from pratique.identity.federation.keysets import jwks_of, key_set
from pratique.identity.federation.subjects import check_subject, subject_matches
from pratique.identity.oauth.errors import GrantRefused, RequestUnclear
from pratique.identity.oauth.requests import Place, grant_request
from pratique.identity.oauth.resources import wanted

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
NAMES = st.sampled_from(["alg", "kid", "x5t", "x5t#S256", "crit", "iss", "sub", "aud", "exp", "nbf", "iat", "jti"])
OBJECT = st.dictionaries(NAMES, JSON | st.sampled_from(["RS256", "ES256", "none"]), max_size=8)
PLACE = Place("https://localhost:8443", "common")


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@given(OBJECT, OBJECT, st.text(alphabet="AZaz09-_", max_size=40))
def test_assertions(header: dict[str, Any], claims: dict[str, Any], signature: str) -> None:
    try:
        assertion = opened(f"{part({'alg': 'RS256', **header})}.{part(claims)}.{signature}")
    except GrantRefused:
        return
    assert all(isinstance(audience, str) for audience in assertion.audiences)
    assert isinstance(assertion.text("sub"), str)
    with pytest.raises(GrantRefused):
        verify(assertion, [], 0)


@given(st.text(max_size=200))
def test_texts_that_are_no_assertion(text: str) -> None:
    with pytest.raises(GrantRefused):
        opened(text)


@given(JSON)
def test_key_sets(value: Any) -> None:
    try:
        jwks_of(value)
    except Invalid:
        pass
    else:
        raise AssertionError(value)
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        assert key_set(value).keys == ()


@given(st.binary(max_size=300), st.text(max_size=60))
def test_forms(body: bytes, authorization: str) -> None:
    header = authorization.encode("latin-1", "replace")
    with contextlib.suppress(GrantRefused):  # the errors of the protocol, and no others
        request = grant_request({"pratique.headers": {b"authorization": header}}, PLACE, body)
        assert request.understands_revocation in (True, False)
        wanted(request, Audiences())


@given(JSON)
def test_claims_of_a_request(value: Any) -> None:
    request = grant_request({"pratique.headers": {}}, PLACE, b"")
    object.__setattr__(request, "fields", {"claims": json.dumps(value) + "CP1"})
    assert request.understands_revocation is False
    with pytest.raises(RequestUnclear):
        request.need("client_id")


SEGMENT = st.text(alphabet="abcAB.-_", min_size=1, max_size=6)


@given(st.lists(SEGMENT, min_size=3, max_size=6), st.data())
def test_a_star_stands_for_one_part_and_no_more(parts: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(2, len(parts) - 1))
    pattern = ":".join([*parts[:place], "*", *parts[place + 1 :]])
    check_subject(pattern, "wildcard")
    assert subject_matches(pattern, "wildcard", ":".join(parts))
    for separator in ":/":
        more = [*parts[:place], f"{parts[place]}{separator}x", *parts[place + 1 :]]
        assert not subject_matches(pattern, "wildcard", ":".join(more))
