"""Many at once, and what is left in memory afterwards."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import proc
from lib.broker import ROLES

LOGINS = 200


def test_200_parallel_logins_none_lost(make_pool, via):
    pool = make_pool(via, nodes=3)
    clients = [pool.client() for _ in range(20)]
    held = [clients[i % len(clients)].popen("echo in; exec cat") for i in range(LOGINS)]
    lines = [p.stdout.readline() for p in held]
    ends = [p.communicate(timeout=proc.seconds(60)) for p in held]
    assert lines.count(b"in\n") == LOGINS, [e[1] for e in ends if e[1]]
    assert [p.returncode for p in held] == [0] * LOGINS


def memory(broker):
    return {role: sum(proc.resident_kib(pid) for pid in broker.pids(role)) for role in ROLES}


@pytest.mark.skipif(proc.is_sanitized(), reason="AddressSanitizer keeps what is freed")
def test_memory_returns_after_load(brokered):
    pool = brokered(nodes=2)
    clients = [pool.client() for _ in range(20)]
    data = b"x" * (4 << 20)
    assert clients[0].run("cat", stdin=data).stdout == data
    before = memory(pool.broker)
    with ThreadPoolExecutor(20) as many:
        assert all(d.stdout == data for d in many.map(lambda c: c.run("cat", stdin=data, timeout=120), clients * 3))

    def returned():
        return all(now < before[role] + 4096 for role, now in memory(pool.broker).items())
    proc.wait_for(returned, f"memory is back near {before} KiB", 20)
