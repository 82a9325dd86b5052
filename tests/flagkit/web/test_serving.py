"""How servers listen."""

from __future__ import annotations

import socket

import pytest

from flagkit.errors import UsageError
from flagkit.web.serving import listen, url_of

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1", "::1"])]


def test_head_and_body_of_an_answer_do_not_wait_for_each_other() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()) as client:
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert url_of(listening) == f"http://127.0.0.1:{client.getpeername()[1]}"


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host.invalid", "x" * 300])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="can't listen on"):
        listen(host, 0)


def test_a_port_that_is_taken_is_refused() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(UsageError, match="in use") as refused:
        listen("127.0.0.1", taken.getsockname()[1])
    assert "--port" in refused.value.hint
