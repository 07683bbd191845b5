"""Readers that stand still: what waits for them is bounded, and neither lost nor in anybody's way."""
import contextlib
import os
import random
import signal
import time

import pytest

from lib import proc
from lib.flow import EchoTimes, Held, Memory, Stalls
from lib.stream import Stream

MIB = 1 << 20
SECONDS = int(os.environ.get("SCENARIO_FLOW_SECONDS", 600))
# What may wait in a relay for one connection: the mark, and what one read brings beyond it.
LIMITS = {"relay_mark_bytes": 1 << 18, "relay_read_bytes": 1 << 18}
PER_CONNECTION_KIB = sum(LIMITS.values()) >> 10
SLACK_KIB = 3 << 10  # what the C library keeps, and the connections themselves
BLOCKED_MS = 10000


@pytest.fixture(scope="module")
def data(temp):
    """More than the window of a channel."""
    path = temp / "held"
    path.write_bytes(random.Random(12).randbytes(3 * MIB))
    return path


def with_data(pool, path, **kwargs):
    """A client with `data` on the node, and its home there as seen from here."""
    client = pool.client(**kwargs)
    client.out("cat > data", stdin=path.read_bytes())
    return client, pool.folder / "home" / client.user.name


def test_neighbours_of_readers_that_stand_still(make_pool, via, data):
    """Six channels full to the brim, three of each direction, beside an echo and bulk both ways in the same connection."""
    pool = make_pool(via, nodes=1, limits=LIMITS)
    client, home = with_data(pool, data)
    with client.master():
        stream = Stream(client, rate=64 * MIB).more(4 * MIB)
        memory = Memory(pool.broker) if via == "broker" else None
        held = [Held(client, data, to_node) for to_node in (False, True) * 3]
        echo = EchoTimes(client)
        stream.more(32 * MIB)
        assert len(pool.nodes[0].ps(client.user, word="cat data")) == 3
        assert all(h.process.poll() is None for h in held)
        assert echo.stop()["max"] < proc.seconds(BLOCKED_MS)
        assert sum(h.release(home) for h in held) == 6 * data.stat().st_size
        stream.finish()
    if memory:
        grown = memory.stop()
        assert proc.is_sanitized() or grown < PER_CONNECTION_KIB + SLACK_KIB


def hits(pool, limit):
    return next(x["hits"] for x in pool.broker.ask("status")["limits"] if x["name"] == limit)


def test_whole_clients_that_stand_still(brokered, data):
    """More than all socket buffers hold waits for each; the relay stops at its mark, and serves others."""
    pool = brokered(nodes=1, roles={"relays": 1}, limits=LIMITS)
    stream = Stream(pool.client(), rate=64 * MIB).more(4 * MIB)
    clients = [with_data(pool, data)[0] for _ in range(4)]
    with contextlib.ExitStack() as stack:
        masters = [stack.enter_context(c.master()) for c in clients]
        memory = Memory(pool.broker)
        held = [Held(c, data, False) for c in clients for _ in range(8)]
        for h in held:
            assert len(h.process.stdout.read1(1)) == 1
        for p in masters:
            p.send_signal(signal.SIGSTOP)
            stack.callback(p.send_signal, signal.SIGCONT)
        stream.more(16 * MIB)
        for p in masters:
            p.send_signal(signal.SIGCONT)
        whole = data.read_bytes()
        for h in held:
            assert (h.process.stdout.read() == whole[1:], h.process.wait(proc.seconds(60))) == (True, 0)
        stream.more(4 * MIB)
    grown = memory.stop()
    assert proc.is_sanitized() or grown < (len(clients) + 1) * PER_CONNECTION_KIB + SLACK_KIB
    proc.wait_for(lambda: hits(pool, "limits.relay_mark_bytes") > 0, "the director has heard of it")
    stream.finish()


class Load:
    """Readers that stand still now and then, in four channels, bulk both ways in two, and an echo: one connection."""

    def __init__(self, client, path, home):
        self.streams = [Stream(client, rate=2 * MIB) for _ in range(2)]
        self.stalls = [Stalls(client, path, home, to_node, seed) for seed, to_node in enumerate((False, True) * 2)]
        self.echo = EchoTimes(client)

    def finish(self):
        self.times = self.echo.stop()
        for s in (*self.stalls, *self.streams):
            s.finish()
        self.mib = (sum(s.moved for s in self.stalls) + 2 * sum(s.received for s in self.streams)) // MIB
        self.n_stalls = sum(s.n for s in self.stalls)

    def __str__(self):
        return (f"{self.mib} MiB, {self.n_stalls} readers stood still, echo of {self.times['n']}: p50 "
                f"{self.times['p50']:.2f} ms, p99 {self.times['p99']:.2f} ms, max {self.times['max']:.1f} ms")


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.skipif(proc.is_sanitized(), reason="AddressSanitizer keeps what is freed")
def test_minutes_of_readers_that_stand_still(brokered, data, record_property):
    """The same load through the broker and past it, at the same time."""
    pool = brokered(nodes=1, limits=LIMITS)
    ways = {"broker": with_data(pool, data), "direct": with_data(pool, data, endpoint=pool.nodes[0].endpoint())}
    with contextlib.ExitStack() as stack:
        for client, _ in ways.values():
            stack.enter_context(client.master())
        memory = Memory(pool.broker)
        loads = {way: Load(client, data, home) for way, (client, home) in ways.items()}
        time.sleep(SECONDS)
        for load in loads.values():
            load.finish()
    proc.wait_for(lambda: not pool.broker.rows("connections"), "the connections are over")
    grown = memory.stop()
    ratio = {p: loads["broker"].times[p] / loads["direct"].times[p] for p in ("p50", "p99")}
    for way, load in loads.items():
        record_property("figures", f"{SECONDS} s of stalls, {way}: {load}")
    record_property("figures", f"{SECONDS} s of stalls: echo broker/direct p50 {ratio['p50']:.2f}, p99 {ratio['p99']:.2f}; "
                    f"relays' memory before {memory.before}, peak {memory.peak}, after {memory.now()} KiB")
    assert grown < PER_CONNECTION_KIB + SLACK_KIB
    assert loads["broker"].times["max"] < BLOCKED_MS
