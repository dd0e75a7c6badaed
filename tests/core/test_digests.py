import hashlib
import random
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core import libcrypto
from pratique.core.digests import Algorithm, Digest, Hasher
from pratique.core.errors import Corrupt, Invalid

ALGORITHMS: list[Algorithm] = ["sha256", "sha512"]
algorithms = pytest.mark.parametrize("algorithm", ALGORITHMS)


@pytest.fixture
def without_libcrypto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libcrypto, "load", lambda _algorithm: None)


@given(st.binary(max_size=2000), st.lists(st.integers(0, 400), max_size=30), st.sampled_from(ALGORITHMS))
def test_any_split_with_a_save_between_gives_the_same_digest(
    data: bytes, sizes: list[int], algorithm: Algorithm
) -> None:
    hasher, at = Hasher(algorithm), 0
    for size in [*sizes, len(data)]:
        hasher.update(data[at : at + size])
        at += size
        hasher = Hasher.restore(hasher.save())
        assert hasher.count == min(at, len(data))
    assert hasher.digest().hex == hashlib.new(algorithm, data).hexdigest()


@algorithms
def test_hashing_goes_on_after_a_digest(algorithm: Algorithm) -> None:
    hasher = Hasher(algorithm)
    for count in range(1, 300):
        hasher.update(b"x")
        assert hasher.digest() == Digest.of(b"x" * count, algorithm)


@algorithms
@pytest.mark.parametrize(
    "kind",
    [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data)), lambda data: memoryview(data + data)[::2]],
)
def test_every_kind_of_buffer_is_hashed(algorithm: Algorithm, kind: Callable[[bytes], bytes]) -> None:
    data = kind(bytes(random.randbytes(1000)))
    hasher = Hasher(algorithm)
    hasher.update(data)
    hasher.update(kind(b""))
    assert hasher.digest() == Digest.of(bytes(data), algorithm)
    assert hasher.count == len(bytes(data))


@algorithms
def test_lengths_beyond_32_bits_of_bits_are_counted(algorithm: Algorithm) -> None:
    block = bytes(1 << 20)
    hasher, expected = Hasher(algorithm), hashlib.new(algorithm)
    for _ in range(600 if algorithm == "sha256" else 20):  # 600 MiB are more than 2^32 bits
        hasher.update(block)
        expected.update(block)
    hasher = Hasher.restore(hasher.save())
    hasher.update(b"end")
    expected.update(b"end")
    assert hasher.digest().hex == expected.hexdigest()


@algorithms
def test_a_state_can_be_taken_up_by_another_process(algorithm: Algorithm) -> None:
    hasher = Hasher(algorithm)
    hasher.update(b"first half, ")
    code = (
        "import sys\nfrom pratique.core.digests import Hasher\n"
        "hasher = Hasher.restore(bytes.fromhex(sys.argv[1]))\nhasher.update(b'second half')\nprint(hasher.digest())"
    )
    out = subprocess.run([sys.executable, "-c", code, hasher.save().hex()], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == str(Digest.of(b"first half, second half", algorithm))


def test_the_state_is_small_and_the_same_everywhere() -> None:
    hasher = Hasher()
    hasher.update(b"abc")
    # Magic, algorithm, words, tail, count, the eight words of FIPS 180-4 (5.3.3), the tail.
    assert hasher.save().hex() == (
        "4831" "01" "08" "03" "0000000000000003"
        "6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19"
        "616263"
    )  # fmt: skip


@algorithms
def test_threads_hash_different_streams(algorithm: Algorithm) -> None:
    results: list[bool] = []

    def run(seed: int) -> None:
        data = random.Random(seed).randbytes(300_000)
        hasher = Hasher(algorithm)
        for at in range(0, len(data), 1000):
            hasher.update(data[at : at + 1000])
        results.append(hasher.digest() == Digest.of(data, algorithm))

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 6


@pytest.mark.usefixtures("without_libcrypto")
def test_without_libcrypto_what_was_stored_is_read_again() -> None:
    hasher = Hasher()
    assert not hasher.resumable
    hasher.update(b"abc")
    state = hasher.save()
    again = Hasher.restore(state, reread=lambda: [b"a", b"bc"])
    again.update(b"d")
    assert again.digest() == Digest.of(b"abcd")
    with pytest.raises(Corrupt):
        Hasher.restore(state)
    with pytest.raises(Corrupt):
        Hasher.restore(state, reread=lambda: [b"ab"])
    assert Hasher.restore(Hasher().save()).digest() == Digest.of(b"")


def test_a_state_of_a_machine_with_libcrypto_needs_reading_on_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = Hasher()
    hasher.update(b"abc")
    monkeypatch.setattr(libcrypto, "load", lambda _algorithm: None)
    assert Hasher.restore(hasher.save(), reread=lambda: [b"abc"]).digest() == Digest.of(b"abc")


@pytest.mark.parametrize(
    "fault", [b"", b"H1", b"H2" + bytes(60), b"H1\x09" + bytes(60), None, "short", "long", "count"]
)
def test_a_damaged_state_is_refused(fault: bytes | str | None) -> None:
    hasher = Hasher()
    hasher.update(b"abc")
    good = hasher.save()
    damaged = {
        None: good[:2] + b"\x02" + good[3:], "short": good[:-1], "long": good + b"x",
        "count": good[:12] + b"\x09" + good[13:],
    }.get(fault, fault)  # type: ignore[call-overload]  # fmt: skip
    with pytest.raises(Corrupt):
        Hasher.restore(damaged)


def test_a_library_that_computes_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    function = libcrypto.load("sha256")
    assert function is not None
    assert function.works()
    monkeypatch.setattr(libcrypto.Function, "digest", lambda _self, _context: bytes(32))
    assert not function.works()


def test_a_library_is_found_here() -> None:
    assert Hasher("sha256").resumable
    assert Hasher("sha512").resumable


@pytest.mark.parametrize("text", ["sha256:" + "a" * 64, "sha512:" + "0" * 128])
def test_a_digest_reads_what_it_writes(text: str) -> None:
    assert str(Digest.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "sha256", "sha256:", "sha256:" + "a" * 63, "sha256:" + "A" * 64, "sha256:" + "a" * 65, "md5:" + "a" * 32,
     "sha512:" + "a" * 64, " sha256:" + "a" * 64, "sha256:" + "a" * 64 + "\n", "sha256:" + "\u0660" * 64, "x" * 10_000],
)  # fmt: skip
def test_what_is_no_digest_is_refused_shortly(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        Digest.parse(text)
    assert len(str(caught.value)) < 400
