import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.redaction import MASK, only, redact, redact_address, redact_headers

PLANTED = "Xk9PlantedSecret7QwErTyUiOp1234567890"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {PLANTED}",
        f"authorization: basic {PLANTED}",
        f"proxy said: token {PLANTED} is bad",
        f"fetch https://user:{PLANTED}@host/path failed",
        f"fetch https://host/path?sig={PLANTED}&n=1 failed",
        f"fetch https://host/{PLANTED}/x failed",
        f"fetch https://host/x#{PLANTED} failed",
        f"postgresql://pratique:{PLANTED}@db/pratique",
        f"PASSWORD={PLANTED}",
        f'{{"client_secret": "{PLANTED} with words"}}',
        f"aws_secret_access_key = {PLANTED}",
        f"export MY_API_KEY='{PLANTED}'",
        f"unmarked {PLANTED} in a sentence",
        f"Set-Cookie: __Host-pratique={PLANTED}; Path=/",
        f"-----BEGIN EC PRIVATE KEY-----\n{PLANTED}\n-----END EC PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{PLANTED}",
    ],
)
def test_planted_secrets_are_masked(text: str) -> None:
    assert PLANTED not in redact(text)
    assert MASK in redact(text) or "://" in text


def test_random_words_are_masked_in_every_common_form() -> None:
    source = random.Random(7)
    kept = 0
    for _ in range(3000):
        data = source.randbytes(source.choice([16, 20, 24, 32, 48]))
        words = (
            base64.urlsafe_b64encode(data).decode().rstrip("="),
            base64.b64encode(data).decode(),
            base64.b32encode(data).decode().rstrip("="),
            data[:16].hex(),
            data[:15].hex(),
        )
        kept += sum(redact(f"value {word} here") == f"value {word} here" for word in words)
    assert kept <= 3, "three in fifteen thousand may look like words"


def test_tokens_are_masked() -> None:
    token = (
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )
    assert redact(f"got {token} from it") == f"got {MASK} from it"


@pytest.mark.parametrize("short", ["password=hunter2", "pwd: hunter2", 'token="hunter2"', "https://u:hunter2@h/x"])
def test_short_secrets_in_known_places_are_masked(short: str) -> None:
    assert "hunter2" not in redact(short)


@pytest.mark.parametrize(
    "text",
    [
        "connection to db.internal.example.com failed after 3 tries",
        "manifest sha256:" + "ab" * 32 + " is unknown",
        "commit " + "0123456789" * 4,
        "job 01a20745-dafc-70dd-86c0-5b7e2d2fc2d1 failed at 2026-11-23T06:39:40Z",
        "cannot read /usr/lib/python3/dist-packages/django/http/response.py",
        "https://security.debian.org/debian-security/dists/bookworm-security/InRelease gave 404",
        "pkg:deb/debian/openssl@1.1.1n-0+deb11u3",
        "pool/updates/main/o/openssl/libssl3_3.0.11-1~deb12u2_amd64.deb",
        "self._handlers.register(kind, handler, timeout=600.0)",
        "io.UnsupportedOperation: underlying stream is not seekable",
        "pratique.core.database.sqlite.SqliteDatabase raised ssl.SSLCertVerificationError",
        "PRATIQUE_SERVER__CERTIFICATE_FILE is not set",
        'File "/srv/app/src/pratique/core/http/pipeline.py", line 120, in create_registry_manifest_requests',
        "python3.11/site-packages/sqlalchemy/engine/default.py",
        "==============================",
    ],
)
def test_what_explains_an_error_stays(text: str) -> None:
    assert redact(text) == text


def test_text_is_cut_and_cannot_move_the_cursor() -> None:
    assert len(redact("word " * 5000)) <= 4000
    assert "\x1b" not in redact("a\x1b[2Jb")
    assert "\u202e" not in redact("a\u202eb")


@given(st.text(max_size=300))
def test_any_text_is_taken(text: str) -> None:
    assert isinstance(redact(text), str)


@given(st.text(alphabet="abc:/?#[]@!$&'()*+,;=%.0123456789", max_size=60))
def test_any_address_is_taken(rest: str) -> None:
    redacted = redact_address("https://" + rest)
    assert "@" not in redacted.split("://", 1)[-1].split("/", 1)[0]


def test_harmless_parts_of_addresses_stay() -> None:
    digest = "sha256:" + "a" * 64
    address = f"https://registry.example:5000/v2/team/app/blobs/{digest}?digest={digest}&token=x"
    assert redact_address(address) == address.replace("token=x", f"token={MASK}")


def test_headers_survive_only_by_name() -> None:
    kept = redact_headers([("Content-Type", "text/plain"), ("X-Api-Key", "abc"), ("Authorization", "Basic eA==")])
    assert kept == {"content-type": "text/plain", "x-api-key": MASK, "authorization": MASK}


def test_mappings_keep_named_fields_alone() -> None:
    detail = {"name": "ci", "secret": "s", "raw": b"bytes", "count": 3, "urls": ["https://u:p@h/x"]}
    assert only(detail, ["name", "raw", "count", "urls"]) == {
        "name": "ci", "raw": MASK, "count": 3, "urls": ["https://h/x"],
    }  # fmt: skip
