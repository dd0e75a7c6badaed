"""The rules: what a kind of secret looks like, and how it is told from text of the same shape.

Every expression has bounded repeats only and no two repeats that can take the same byte after each other, so that its
time is linear in the text; `tests/inventory/secrets` measures it on texts that are made to hurt.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pratique.inventory.secrets import checks

Check = Callable[[bytes], bool]
_END: Final = rb"(?![A-Za-z0-9_-])"
_START: Final = rb"(?<![A-Za-z0-9_-])"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind. A file is looked at only if it holds one of `words`; group 1 of `pattern` is the value.

    `exact` kinds cannot be taken for anything else and are looked for everywhere; others not among files that packages
    bring, where test keys and examples lie. `names`: only in files of these names.
    """

    kind: str
    title: str
    words: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    check: Check = lambda _: True
    exact: bool = True
    names: frozenset[bytes] = frozenset()


def _rule(kind: str, title: str, words: bytes, pattern: bytes, check: Check = checks.is_varied) -> Rule:
    return Rule(kind, title, tuple(words.split()), re.compile(_START + b"(" + pattern + b")" + _END), check)


def _soft(kind: str, title: str, words: bytes, pattern: bytes, check: Check) -> Rule:
    return Rule(kind, title, tuple(words.split()), re.compile(pattern), check, exact=False)


def _file(  # noqa: PLR0917 - a row of a table
    kind: str, title: str, names: bytes, words: tuple[bytes, ...], pattern: bytes, check: Check
) -> Rule:
    return Rule(kind, title, words, re.compile(pattern), check, exact=False, names=frozenset(names.split()))


RULES: Final = (
    _rule("aws-access-key", "AWS access key", b"AKIA ASIA", rb"A(?:KI|SI)A[A-Z2-7]{16}", checks.is_aws_key_id),
    _soft(
        "aws-secret-key",
        "AWS secret key",
        b"aws_secret_access_key AWS_SECRET_ACCESS_KEY SecretAccessKey secretAccessKey",
        rb"(?i:aws_?secret_?access_?key|secretaccesskey)[\"']?[ \t]{0,8}[=:][ \t]{0,8}[\"']?"
        rb"([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        lambda value: checks.is_varied(value, 3.8),
    ),
    _rule(
        "github-token",
        "GitHub token",
        b"ghp_ gho_ ghu_ ghs_ ghr_",
        rb"gh[pousr]_[A-Za-z0-9]{36}",
        checks.is_github,
    ),
    _rule(
        "github-fine-grained-token", "GitHub token", b"github_pat_", rb"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"
    ),
    _rule("gitlab-token", "GitLab token", b"glpat- gldt- glrt-", rb"gl(?:pat|dt|rt)-[A-Za-z0-9_-]{20}"),
    _rule(
        "slack-token",
        "Slack token",
        b"xoxb- xoxp- xoxa- xoxs-",
        rb"xox[abps]-[0-9]{10,13}-[0-9]{10,13}-[A-Za-z0-9-]{20,64}",
    ),
    _rule(
        "slack-webhook",
        "Slack webhook address",
        b"hooks.slack.com/services/",
        rb"hooks\.slack\.com/services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{24}",
    ),
    _rule("npm-token", "npm token", b"npm_", rb"npm_[A-Za-z0-9]{36}", checks.is_github),
    _rule("pypi-token", "PyPI token", b"pypi-AgEIcHlwaS5vcmc pypi-AgENdGVzdC5weXBpLm9yZw",
          rb"pypi-AgE(?:IcHlwaS5vcmc|NdGVzdC5weXBpLm9yZw)[A-Za-z0-9_-]{50,1000}"),
    _rule("google-api-key", "Google API key", b"AIza", rb"AIza[A-Za-z0-9_-]{35}",
          lambda value: checks.is_varied(value, 4)),
    _rule("stripe-key", "Stripe live key", b"sk_live_ rk_live_", rb"[rs]k_live_[A-Za-z0-9]{24,99}"),
    _soft(
        "azure-storage-key",
        "Azure storage account key",
        b"AccountKey=",
        rb"AccountKey=([A-Za-z0-9+/]{86}==)",
        checks.is_azure_key,
    ),
    _soft(
        "azure-shared-access-key",
        "Azure shared access key",
        b"SharedAccessKey=",
        rb"SharedAccessKey=([A-Za-z0-9+/]{43}=)",
        lambda value: checks.is_varied(value, 4),
    ),
    _rule(
        "azure-client-secret",
        "Microsoft Entra client secret",
        b"7Q~ 8Q~",
        rb"[A-Za-z0-9_~.]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}",
        lambda value: checks.is_varied(value, 4),
    ),
    _rule(
        "azure-registry-password",
        "Azure Container Registry password",
        b"+ACR",
        rb"[A-Za-z0-9+/]{42}\+ACR[A-Za-z0-9]{6}",
        lambda value: checks.is_varied(value, 4),
    ),
    Rule(
        "private-key",
        "Private key",
        (b"PRIVATE KEY-----", b"PRIVATE KEY BLOCK-----"),
        re.compile(
            rb"-----BEGIN (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----"
            rb"((?:[A-Za-z0-9+/=\\\s\"',:;().]|-(?!-)){64,16384}+)-----END "
        ),
        checks.is_key_block,
        exact=False,
    ),
    _soft(
        "jwt",
        "JSON web token",
        b"eyJ",
        rb"(?<![A-Za-z0-9_.-])(eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,8000}\.[A-Za-z0-9_-]{20,2000})(?![A-Za-z0-9_.-])",
        checks.is_jwt,
    ),
    _soft(
        "connection-string",
        "Password in a connection string",
        b"postgres:// postgresql:// mysql:// mongodb:// mongodb+srv:// redis:// rediss:// amqp:// amqps://",
        rb"(?:postgres(?:ql)?|mysql|mongodb(?:\+srv)?|rediss?|amqps?)://[^\s:@/\"'<>]{0,64}:([^\s:@/\"'<>]{3,128})@[A-Za-z0-9.\[-]",
        checks.is_password,
    ),
    _file("docker-credentials", "Registry credentials", b"config.json .dockercfg .dockerconfigjson auth.json",
          (b'"auth"', b'"identitytoken"'),
          rb"\"(?:auth|identitytoken)\"[ \t\r\n]{0,8}:[ \t\r\n]{0,8}\"([A-Za-z0-9+/_.=-]{8,4096})\"",
          lambda value: checks.is_basic_auth(value) or checks.is_varied(value, 4.5)),
    _file("netrc", "Password in .netrc", b".netrc _netrc", (b"password",),
          rb"(?<!\S)password[ \t\r\n]{1,8}(\S{3,256})", checks.is_password),
    _file("pgpass", "Password in .pgpass", b".pgpass", (b":",),
          rb"(?m)^[^:\s#]{1,255}:[^:\s]{1,5}:[^:\n]{1,63}:[^:\n]{1,63}:([^\r\n]{3,256})$", checks.is_password),
    _file("kubeconfig", "Kubernetes client credentials", b"config kubeconfig admin.conf kubelet.conf super-admin.conf",
          (b"client-key-data", b"token:"),
          rb"(?m)^[ \t-]{0,32}(?:client-key-data|token):[ \t]{1,8}[\"']?([A-Za-z0-9+/=_.-]{20,16384})",
          lambda value: checks.is_varied(value, 3.5)),
    _file("npmrc", "Registry token in .npmrc", b".npmrc", (b"_authToken", b"_auth", b"_password"),
          rb"(?m):_(?:authToken|auth|password)[ \t]{0,8}=[ \t]{0,8}[\"']?([A-Za-z0-9+/=_.-]{8,2048})",
          checks.is_varied),
)  # fmt: skip

KINDS: Final = {rule.kind: rule.title for rule in RULES}
