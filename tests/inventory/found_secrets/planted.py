"""Values that are made when a test runs, so that none of them lies in this tree, and texts that look like them."""

import base64
import json
import random
import zlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

_RANDOM = random.Random(7)
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def letters(count: int, alphabet: str = _LETTERS) -> str:
    return "".join(_RANDOM.choices(alphabet, k=count))


def checked_token(prefix: str) -> str:
    """A token whose last six characters are the checksum of the thirty before."""
    body = letters(30)
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _LETTERS[digit] + digits
    return f"{prefix}_{body}{digits}"


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def pem() -> str:
    """A private key in PEM."""
    key = ec.generate_private_key(ec.SECP384R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def aws_id() -> str:
    return "AKIA" + base64.b32encode(bytes([0x55]) + _RANDOM.randbytes(9)).decode()


AZURE = base64.b64encode(_RANDOM.randbytes(64)).decode()
SHARED = base64.b64encode(_RANDOM.randbytes(32)).decode()
JWT = f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment({'sub': 'service-account'})}.{letters(43)}"
PASSWORD = "q7" + letters(14)
BASIC = base64.b64encode(f"robot:{PASSWORD}".encode()).decode()

PLANTED: dict[str, tuple[str, str, str]] = {
    # kind: path, text, value
    **{
        kind: (path, text.format(value), value)
        for kind, path, text, value in (
            ("aws-access-key", "app/.env", "AWS_ACCESS_KEY_ID={}\n", aws_id()),
            ("aws-secret-key", "root/.aws/credentials", "[default]\naws_secret_access_key = {}\n", letters(40)),
            ("github-token", "app/a.env", "x\nTOKEN={}\n", checked_token("ghp")),
            ("github-fine-grained-token", "app/b.env", "T={}\n", f"github_pat_{letters(22)}_{letters(59)}"),
            ("gitlab-token", "app/c.env", "T={}\n", f"glpat-{letters(20)}"),
            ("slack-token", "app/d.env", "T={}\n", f"xoxb-{letters(12, '123456789')}-{letters(12, '12345678')}-{letters(24)}"),
            ("slack-webhook", "app/e.env", "https://{}\n",
             f"hooks.slack.com/services/T{letters(9).upper()}/B{letters(9).upper()}/{letters(24)}"),
            ("npm-token", "app/f.env", "T={}\n", checked_token("npm")),
            ("pypi-token", "app/g.cfg", "password = {}\n", f"pypi-AgEIcHlwaS5vcmc{letters(90)}"),
            ("google-api-key", "app/h.env", "T={}\n", f"AIza{letters(35)}"),
            ("stripe-key", "app/i.env", "T={}\n", f"sk_live_{letters(32)}"),
            ("azure-storage-key", "app/j.env", "C=AccountName=acme;AccountKey={};EndpointSuffix=x\n", AZURE),
            ("azure-shared-access-key", "app/k.env", "C=Endpoint=sb://acme/;SharedAccessKey={}\n", SHARED),
            ("azure-client-secret", "app/l.env", "AZURE_CLIENT_SECRET={}\n", f"aB1{'8Q~'}{letters(34)}"),
            ("azure-registry-password", "app/m.env", "P={}\n", f"{letters(42)}+ACR{letters(6)}"),
            ("private-key", "home/app/id", "{}", pem()),
            ("jwt", "app/n.env", "T={}\n", JWT),
            ("connection-string", "app/o.env", "DB=postgres://app:{}@db.internal/app\n", PASSWORD),
            ("docker-credentials", "root/.docker/config.json", '{{"auths":{{"r.invalid":{{"auth":"{}"}}}}}}', BASIC),
            ("netrc", "root/.netrc", "machine r.invalid login me password {}\n", PASSWORD),
            ("pgpass", "root/.pgpass", "db.internal:5432:app:me:{}\n", PASSWORD),
            ("kubeconfig", "root/.kube/config", "users:\n- user:\n    token: {}\n", letters(60)),
            ("npmrc", "root/.npmrc", "//r.invalid/:_authToken={}\n", letters(40)),
        )
    },
}  # fmt: skip
