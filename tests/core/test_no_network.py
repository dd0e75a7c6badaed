"""The fixtures themselves: no test reaches anything but this machine."""

import socket

import pytest


def test_no_test_reaches_the_network() -> None:
    with socket.socket() as outside, pytest.raises(PermissionError):
        outside.connect(("192.0.2.1", 80))
    with socket.socket() as outside, pytest.raises(PermissionError):
        outside.connect_ex(("192.0.2.1", 80))
    with pytest.raises(OSError, match="tried to find"):
        socket.create_connection(("registry.invalid", 443))


def test_loopback_and_unix_sockets_work() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"x")
        assert right.recv(1) == b"x"
