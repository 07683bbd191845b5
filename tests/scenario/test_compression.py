"""ssh -C: the leg of the client compressed, that of the node not."""
import random
import re

import pytest

pytestmark = pytest.mark.feature("Algorithms: zlib@openssh.com")

MIB = 1 << 20


def compressed(words):
    """What a verbose client says at its end: {direction: (raw bytes, compressed bytes)}."""
    return {way: (int(raw), int(small)) for way, raw, small in
            re.findall(r"compress (outgoing|incoming): raw data (\d+), compressed (\d+)", words)}


def test_bulk_both_ways_gets_smaller_on_the_wire(client):
    data = b"the same line again and again\n" * (8 * MIB // 30)
    done = client.run("cat", "-C", "-v", stdin=data)
    assert (done.returncode, done.stdout == data) == (0, True)
    sizes = compressed(done.stderr.decode())
    for way in ("outgoing", "incoming"):
        assert sizes[way][0] > len(data) and sizes[way][1] < len(data) // 50


def test_what_cannot_be_compressed_arrives_all_the_same(client):
    data = random.Random(7).randbytes(8 * MIB)
    done = client.run("cat", "-C", stdin=data)
    assert (done.returncode, done.stdout == data) == (0, True)


@pytest.mark.parametrize("who", ["client", "node", "both"])
def test_keys_change_under_compression(make_pool, via, who):
    limit = "RekeyLimit 1M"
    pool = make_pool(via, nodes=1, node_config=limit if who != "client" else "")
    client = pool.client(options=limit if who != "node" else "")
    data = random.Random(8).randbytes(4 * MIB) + bytes(4 * MIB) + random.Random(9).randbytes(MIB)
    done = client.run("cat", "-C", "-v", stdin=data, timeout=120)
    assert (done.returncode, done.stdout == data) == (0, True)
    if who != "node":
        assert done.stderr.count(b"SSH2_MSG_NEWKEYS received") >= 4


def test_a_terminal_and_a_file_under_compression(client):
    terminal = client.pty("stty -opost; seq 1 20000; echo end", "-C")
    assert terminal.read().decode().split("end")[0] == "".join(f"{i}\n" for i in range(1, 20001))
    terminal.close()
    source = client.folder / "numbers"
    source.write_text("".join(f"{i}\n" for i in range(200000)))
    client.local(["scp", "-C", "-F", client.config, source, "pool:numbers"], check=True)
    assert client.out("sha256sum < numbers; rm numbers").split()[0] == \
        client.local(["sha256sum", source]).stdout.decode().split()[0]


def test_an_admin_may_switch_it_off(brokered):
    client = brokered(nodes=1, algorithms={"compression": ["none"]}).client()
    done = client.run("true", "-C", "-v", check=True)
    assert "compression: none" in done.stderr.decode()
