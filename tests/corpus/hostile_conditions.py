"""Conditions that must be refused: each says less, more or something else than its author thinks."""

_NAME = "@Request[Microsoft.ContainerRegistry/registries/repositories:name]"

CONDITIONS = {
    "another attribute": "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'x'",
    "attribute of the principal": "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:p] StringEquals 'x'",
    "unknown comparison": f"{_NAME} NumericEquals '3'",
    "pattern where none is read": f"{_NAME} StringStartsWith 'team/*'",
    "upper case that no name has": f"{_NAME} StringNotEquals 'Team/App'",
    "look-alike letters": f"{_NAME} StringEquals 'te\N{CYRILLIC SMALL LETTER A}m/app'",
    "letters that fold into ASCII": f"{_NAME} StringEqualsIgnoreCase '\N{KELVIN SIGN}it'",
    "text direction": f"{_NAME} StringEquals 'team\N{RIGHT-TO-LEFT OVERRIDE}ppa'",
    "empty value": f"{_NAME} StringStartsWith ''",
    "value without end": f"{_NAME} StringEquals 'team",
    "double quotes": f'{_NAME} StringEquals "team"',
    "nothing after it": f"{_NAME} StringEquals",
    "two comparisons side by side": f"{_NAME} StringEquals 'a' {_NAME} StringEquals 'b'",
    "bracket open": f"({_NAME} StringEquals 'a'",
    "bracket closed too often": f"{_NAME} StringEquals 'a')",
    "sub-operations": f"SubOperationMatches{{'x'}} OR {_NAME} StringEquals 'a'",
    "several values negated": f"{_NAME} ForAnyOfAnyValues:StringNotEquals {{'a', 'b'}}",
    "very deep": "!" * 5000 + f"({_NAME} StringEquals 'a')",
    "very deep brackets": "(" * 500 + f"{_NAME} StringEquals 'a'" + ")" * 500,
    "very long": f"{_NAME} StringEquals 'a' OR " * 2000 + f"{_NAME} StringEquals 'a'",
    "only spaces and a sign": " && ",
    "zero byte": f"{_NAME} StringEquals 'a\0b'",
}
