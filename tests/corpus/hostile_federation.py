"""What a federated credential must not reach, be written down as, or lead to; each row named for its fault."""

CROSSINGS = {
    "slash-after-star": ("repo:team/app:ref:refs/heads/*", "repo:team/app:ref:refs/heads/a/b"),
    "star-for-nothing": ("repo:team/app:ref:refs/heads/*", "repo:team/app:ref:refs/heads/"),
    "colon-after-star": ("repo:team/app:ref:refs/heads/*", "repo:team/app:ref:refs/heads/x:environment:prod"),
    "other-case": ("repo:team/app:ref:refs/heads/*", "repo:TEAM/app:ref:refs/heads/main"),
    "new-line": ("repo:team/app:ref:refs/heads/*", "repo:team/app:ref:refs/heads/main\n"),
    "null": ("repo:team/app:ref:refs/heads/*", "repo:team/app:ref:refs/heads/main\x00"),
    "full-width-slash": ("repo:team/*:environment:prod", "repo:team\uff0fapp:environment:prod"),
    "slash-within-star": ("repo:team/*:environment:prod", "repo:team/app/x:environment:prod"),
    "colon-within-star": ("repo:team/*:environment:prod", "repo:team/app:pull:environment:prod"),
    "text-before": ("repo:team/*:environment:prod", "xrepo:team/app:environment:prod"),
    "text-after": ("repo:team/*:environment:prod", "repo:team/app:environment:prod2"),
    "dot-is-no-pattern": ("repo:team/a.p:ref:*", "repo:team/axp:ref:main"),
}

SUBJECTS = {
    "star-alone": "*",
    "all-repositories": "repo:*",
    "any-owner": "repo:*/app:ref:x",
    "any-cluster-account": "*:serviceaccount:a:b",
    "empty": "",
    "space-within": "a b",
    "cyrillic-look-alike": "sub\u0435ct",
    "long": "x" * 601,
}

ISSUERS = {
    "in-the-clear": "http://issuer.test",
    "file": "file:///etc/passwd",
    "loopback": "https://127.0.0.1",
    "metadata-service": "https://169.254.169.254",
    "private-address-in-ipv6": "https://[::ffff:10.0.0.1]",
    "loopback-in-ipv6": "https://[::1]",
    "address-as-number": "https://2130706433",
    "user-in-address": "https://user@issuer.test",
    "query": "https://issuer.test/?q=1",
    "private-address-with-port": "https://10.0.0.1:6443",
}
