"""A node whose SSH is AsyncSSH's: each algorithm alone on the node leg, and keys that change there in mid-transfer."""
import random

import pytest

from lib import keys, library as libraries
from lib.asyncssh_node import AsyncSshNode
from lib.broker import Broker
from lib.client import Client
from lib.features import word
from lib.pool import User

pytestmark = pytest.mark.feature("Nodes: {kex}", client="AsyncSSH")
BLOB = random.Random(8).randbytes(1 << 20)


@pytest.fixture(scope="module")
def started(temp, broker_only):
    node = AsyncSshNode(temp / "asyncssh-node" / "n1", "n1")
    broker = Broker(temp / "asyncssh-node" / "b", [node])
    node.start(keys.public(broker.ca))
    try:
        broker.start()
        yield node, broker
    finally:
        broker.stop()
        node.stop()


@pytest.fixture
def node(started, logged):
    logged.append((started[1].log, started[1].log.stat().st_size))
    return started[0]


@pytest.fixture
def client(node, started, tmp_path):
    return Client(tmp_path, started[1].endpoint(), User("someone", 5000, "x"), keys.make_key(tmp_path, "key"))


def passes(client, node, **algorithms):
    """Data there and back, while the node changes its keys again and again."""
    node.use(**algorithms)
    node.seen.clear()
    done = client.run("cat; echo said >&2; exit 7", stdin=BLOB)
    assert (done.returncode, done.stdout == BLOB, done.stderr) == (7, True, b"said\n"), done.stderr
    return node.seen[0]


@pytest.mark.parametrize("kex", libraries.KEXES)
def test_each_key_exchange_with_the_node(client, node, kex):
    passes(client, node, kex=kex)


@pytest.mark.feature("Nodes: {suite}", client="AsyncSSH")
@pytest.mark.parametrize("suite", libraries.SUITES, ids=word)
def test_each_cipher_and_mac_with_the_node(client, node, suite):
    cipher, mac = suite
    seen = passes(client, node, cipher=cipher, **({"mac": mac} if mac else {}))
    assert (seen["recv_cipher"], seen["send_cipher"]) == (cipher, cipher)
    if mac:
        assert (seen["recv_mac"], seen["send_mac"]) == (mac, mac)
