"""Attacks on the choice of where to connect: every form of an inner address, and names that change their mind."""

from collections.abc import Sequence

import pytest

from pratique.core.outward import OutwardRefused, OutwardRules, OutwardUnavailable
from pratique.core.outward.addresses import system_resolver

PUBLIC = "93.184.215.14"

INNER = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.3.4",
    "192.168.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
]


@pytest.mark.parametrize("number", INNER)
def test_a_name_that_leads_inside_is_refused(number: str) -> None:
    with pytest.raises(OutwardRefused):
        OutwardRules().addresses("hook.example", 443, lambda *_: [number])


@pytest.mark.parametrize("number", INNER)
def test_one_inner_number_among_public_ones_refuses_the_name(number: str) -> None:
    with pytest.raises(OutwardRefused):
        OutwardRules().addresses("hook.example", 443, lambda *_: [PUBLIC, number])


@pytest.mark.parametrize("number", INNER)
def test_an_inner_number_as_the_host_of_an_address_is_refused(number: str) -> None:
    host = f"[{number}]" if ":" in number else number
    with pytest.raises(OutwardRefused):
        OutwardRules().check_url(f"https://{host}/hook")


@pytest.mark.parametrize(
    "number", ["169.254.169.254", "168.63.129.16", "fd00:ec2::254", "::ffff:169.254.169.254", "0.0.0.0", "224.0.0.1"]
)
def test_no_setting_opens_the_metadata_services(number: str) -> None:
    rules = OutwardRules.of(["hook.example", number])
    with pytest.raises(OutwardRefused, match="platform"):
        rules.addresses("hook.example", 443, lambda *_: [number])


def test_a_named_host_may_be_private_and_no_other() -> None:
    rules = OutwardRules.of(["Registry.Corp.Example."])
    assert rules.addresses("registry.corp.example", 443, lambda *_: ["10.0.0.7"]) == ["10.0.0.7"]
    with pytest.raises(OutwardRefused, match=r"outward\.private"):
        rules.addresses("evil.example", 443, lambda *_: ["10.0.0.7"])


@pytest.mark.parametrize(
    "address",
    [
        "http://hook.example/",
        "ftp://hook.example/",
        "file:///etc/passwd",
        "gopher://hook.example/",
        "https://",
        "https:///path",
        "hook.example/path",
        "https://2130706433/",
        "https://017700000001/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://1/",
        "https://user@hook.example/",
        "https://user:password@hook.example/",
        "https://hook.example@127.0.0.1/",
        "https://hook.example\\@127.0.0.1/",
        "https://hook.example\t.evil.example/",
        "https://hook.example/\r\nhost: evil",
        "https://hook.example/ path",
        "https://hook.example#@127.0.0.1/",
        "https://hook.example:99999/",
        "https://hook..example/",
        "https://-hook.example/",
        "https://" + "a" * 300 + ".example/",
        "https://hook.example/" + "a" * 3000,
        "https://①②⑦.⓪.⓪.①/",
    ],
)
def test_addresses_that_are_none_or_could_be_read_in_two_ways_are_refused(address: str) -> None:
    with pytest.raises(OutwardRefused):
        OutwardRules().check_url(address)


def test_a_plain_address_is_taken_for_the_host_and_port_that_is_named() -> None:
    rules = OutwardRules.of(plain_hosts=["old.example:5000"])
    assert str(rules.check_url("http://old.example:5000/v2/")) == "http://old.example:5000/v2/"
    for other in ("http://old.example/v2/", "http://old.example:5001/", "http://new.example:5000/"):
        with pytest.raises(OutwardRefused):
            rules.check_url(other)


def test_a_name_without_address_may_have_one_later() -> None:
    def gone(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(OutwardUnavailable):
        OutwardRules().addresses("hook.example", 443, gone)
    with pytest.raises(OutwardUnavailable):
        OutwardRules().addresses("hook.example", 443, lambda *_: [])


def test_the_machines_resolver_answers_numbers() -> None:
    assert "127.0.0.1" in system_resolver("127.0.0.1", 443)
