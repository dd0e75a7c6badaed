"""Limits of the registry: how often, and from where; what a client hears, and ways around that are none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.registry.clients import Client, error_of
from tests.registry.images import image
from tests.registry.parties import CountingAudit, NameAuthenticator, RuleAuthorizer
from tests.registry.serving import Running, fast_settings

from pratique.core.blobs.local import LocalBlobStore
from pratique.core.database import Database
from pratique.core.errors import Invalid, TooManyRequests
from pratique.core.events import EventBus
from pratique.core.http.client_address import ClientAddresses
from pratique.core.http.hosts import HostRules
from pratique.core.http.pipeline import Pipeline
from pratique.core.http.server import Server
from pratique.core.jobs import JobHandlers, JobQueue
from pratique.core.settings.content import Limits
from pratique.registry.assembly import create_registry
from pratique.registry.errors import AddressRefused
from pratique.registry.limits.networks import NetworkRules
from pratique.registry.limits.rates import MOST_BUCKETS, Rates

NAME = "team/app"


@contextmanager
def limited(database: Database, directory: Path, limits: Limits, *proxies: str) -> Iterator[Running]:
    """A registry with limits."""
    import threading

    parts = create_registry(
        settings=fast_settings(), database=database, store=LocalBlobStore(directory / "blobs"),
        events=EventBus(JobQueue(), JobHandlers()), authorizer=RuleAuthorizer(), authenticator=NameAuthenticator(),
        audit=CountingAudit(), limits=limits, trusted_proxies=proxies,
    )  # fmt: skip
    ready = threading.Event()
    pipeline = Pipeline([parts.plane], HostRules(), log_requests=False)
    server = Server(pipeline, port=0, tls=None, drain=3.0, started=ready.set)
    server.bind()
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(10)
        yield Running(server.port, tls=False)
    finally:
        server.stop()
        thread.join(15)


def test_who_asks_too_often_is_told_when_to_come_back(live_database: Database, state_dir: Path) -> None:
    with (
        limited(live_database, state_dir, Limits(read=3, write=100, list=1)) as running,
        Client(running.url, "pusher") as pusher,
        Client(running.url, "reader") as reader,
    ):
        pusher.push(NAME, image(b"1"), "v1")
        answers = [reader.http.head(f"/v2/{NAME}/manifests/v1").status_code for _ in range(4)]
        assert answers == [200, 200, 200, 429]
        refused = reader.manifest(NAME, "v1")
        assert error_of(refused)[:2] == (429, "TOOMANYREQUESTS")
        assert int(refused.headers["retry-after"]) >= 1
        with Client(running.url, "reader;/registry/team/app") as other_token:
            assert other_token.manifest(NAME, "v1").status_code == 429, "another token of the same principal"
        assert pusher.manifest(NAME, "v1").status_code == 200, "others are not held up"
        assert reader.http.get(f"/v2/{NAME}/tags/list").status_code == 200, "lists count apart"
        assert reader.http.get(f"/acr/v1/{NAME}/_tags").status_code == 429, "by whichever way they are asked for"


def test_strangers_are_counted_by_address_and_headers_change_nothing(live_database: Database, state_dir: Path) -> None:
    with limited(live_database, state_dir, Limits(read=2)) as running, Client(running.url) as nobody:
        headers = [{"x-forwarded-for": f"192.0.2.{number}"} for number in range(4)]
        answers = [nobody.http.get("/v2/", headers=each).status_code for each in headers]
        assert answers == [401, 401, 429, 429]


def test_a_bucket_fills_with_time() -> None:
    now = [0.0]
    rates = Rates(60, 0, lambda: now[0])
    for _ in range(60):
        rates.take("somebody")
    with pytest.raises(TooManyRequests):
        rates.take("somebody")
    now[0] += 2
    rates.take("somebody")
    rates.take("somebody")
    with pytest.raises(TooManyRequests) as refused:
        rates.take("somebody")
    assert refused.value.retry_after == 1.0
    now[0] -= 100  # a clock that goes back fills nothing and breaks nothing
    with pytest.raises(TooManyRequests):
        rates.take("somebody")


def test_all_together_have_a_limit_and_memory_is_bounded() -> None:
    rates = Rates(10, MOST_BUCKETS + 5, lambda: 0.0)
    for number in range(MOST_BUCKETS + 5):
        rates.take(str(number))
    assert len(rates._buckets) == MOST_BUCKETS
    with pytest.raises(TooManyRequests, match="all clients together"):
        rates.take("one more")


@pytest.mark.parametrize(
    ("rules", "address", "repository", "allowed"),
    [
        ((), "203.0.113.9", "team/app", True),
        (("allow 10.0.0.0/8",), "10.1.2.3", "team/app", True),
        (("allow 10.0.0.0/8",), "203.0.113.9", "team/app", False),
        (("allow 10.0.0.0/8",), "203.0.113.9", "", False),
        (("allow 10.0.0.0/8", "deny 10.1.0.0/16"), "10.1.2.3", "team/app", False),
        (("deny 203.0.113.0/24 team",), "203.0.113.9", "team/app", False),
        (("deny 203.0.113.0/24 team",), "203.0.113.9", "teams/app", True),
        (("allow 10.0.0.0/8 team",), "203.0.113.9", "public/app", True),
        (("allow 10.0.0.0/8 team",), "203.0.113.9", "team", False),
        (("allow 2001:db8::/32",), "2001:db8::1", "team/app", True),
        (("allow 2001:db8::/32",), "10.1.2.3", "team/app", False),
        (("allow 0.0.0.0/0",), None, "team/app", False),
    ],
)
def test_rules_about_networks(rules: tuple[str, ...], address: str | None, repository: str, allowed: bool) -> None:
    from ipaddress import ip_address

    found = None if address is None else ip_address(address)
    if allowed:
        NetworkRules(rules).check(found, repository)
    else:
        with pytest.raises(AddressRefused):
            NetworkRules(rules).check(found, repository)


@pytest.mark.parametrize("text", ["10.0.0.0/8", "allow", "allow 10.0.0.1/8", "permit 10.0.0.0/8", "allow a b c"])
def test_a_rule_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        NetworkRules([text])


@pytest.mark.parametrize(
    ("trusted", "peer", "header", "found"),
    [
        ((), "203.0.113.9", "10.0.0.1", "203.0.113.9"),
        (("127.0.0.1",), "203.0.113.9", "10.0.0.1", "203.0.113.9"),
        (("127.0.0.1",), "127.0.0.1", "198.51.100.7", "198.51.100.7"),
        (("127.0.0.1",), "127.0.0.1", "10.0.0.1, 198.51.100.7", "198.51.100.7"),
        (("127.0.0.1", "10.0.0.0/8"), "127.0.0.1", "198.51.100.7, 10.0.0.1", "198.51.100.7"),
        (("127.0.0.1",), "127.0.0.1", "198.51.100.7, nonsense", "127.0.0.1"),
        (("127.0.0.1",), "127.0.0.1", "", "127.0.0.1"),
        (("127.0.0.1",), "::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7"),
    ],
)
def test_only_trusted_proxies_say_for_whom_they_ask(
    trusted: tuple[str, ...], peer: str, header: str, found: str
) -> None:
    scope = {"client": (peer, 1), "pratique.headers": {b"x-forwarded-for": header.encode()} if header else {}}
    assert str(ClientAddresses(trusted).of(scope)) == found


def test_an_address_that_is_not_allowed_is_told_so_and_cannot_mount(live_database: Database, state_dir: Path) -> None:
    closed = Limits(networks=("allow 198.51.100.0/24 secret",))
    with limited(live_database, state_dir, closed, "127.0.0.0/8") as running, Client(running.url, "pusher") as pusher:
        inside = {"x-forwarded-for": "198.51.100.7"}
        pusher.http.headers.update(inside)
        pushed = image(b"secret")
        pusher.push("secret/app", pushed, "v1")
        pusher.http.headers["x-forwarded-for"] = "203.0.113.9"
        status, code, message = error_of(pusher.manifest("secret/app", "v1"))
        assert (status, code) == (403, "DENIED")
        assert "203.0.113.9" in message
        assert pusher.http.get("/acr/v1/secret/app/_tags").status_code == 403
        digest = next(iter(pushed.blobs))
        for query in ({"mount": digest, "from": "secret/app"}, {"mount": digest}):
            assert pusher.http.post("/v2/open/app/blobs/uploads/", params=query).status_code == 202
        assert pusher.push("open/app", image(b"open"), "v1").status_code == 201
