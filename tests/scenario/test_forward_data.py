"""What passes through a forwarded port or socket, from either side."""
import hashlib
import os
import random
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.tunnel import KINDS, read_all, tunnel

MANY = 40


@pytest.fixture(params=KINDS)
def forwarded(request, mastered, pool):
    with tunnel(mastered, pool, request.param) as t:
        yield t


@pytest.mark.feature("Forwarding: {forwarded}", "Forwarding: many at once")
def test_many_connections_at_once(forwarded):
    """All of them open before the first one speaks; each gets its own answer."""
    def answer(s):
        with s:
            data = read_all(s)  # until the end of this direction
            s.sendall(hashlib.sha256(data).digest() + data)

    def talk(n):
        data = random.Random(n).randbytes(1000 * n)
        with near[n]:
            near[n].sendall(data)
            near[n].shutdown(socket.SHUT_WR)
            assert read_all(near[n]) == hashlib.sha256(data).digest() + data
        return True

    near = [forwarded.near() for _ in range(MANY)]
    far = [forwarded.far() for _ in range(MANY)]
    with ThreadPoolExecutor(2 * MANY) as many:
        answered = [many.submit(answer, s) for s in far]
        assert all(many.map(talk, range(MANY)))
        for a in answered:
            a.result()


@pytest.mark.feature("Forwarding: {forwarded}", "Forwarding: half-closed")
@pytest.mark.parametrize("first", ["near", "far"])
def test_one_direction_ends_and_the_other_goes_on(forwarded, first):
    pair = forwarded.pair()
    one, other = pair if first == "near" else reversed(pair)
    data = os.urandom(3 << 20)  # more than any window
    with one, other, ThreadPoolExecutor(1) as background:
        one.sendall(b"the last words")
        one.shutdown(socket.SHUT_WR)
        assert read_all(other) == b"the last words"
        sending = background.submit(other.sendall, data)
        got = b""
        while len(got) < len(data):
            part = one.recv(1 << 16)
            assert part, "it ended early"
            got += part
        sending.result()
        other.shutdown(socket.SHUT_WR)
        assert (got == data, one.recv(1)) == (True, b"")
