"""Network tunnels (-w): packets of the network in a channel."""
import os
import random
import socket
import struct

import pytest

from lib import rawssh as raw
from lib.rawssh import message, string, u32

POINT_TO_POINT, ETHERNET, ANY_UNIT = 1, 2, 0x7fffffff
INET = 2  # the address family of OpenSSH's tunnels, whatever the system calls it


def opening(mode, unit):
    return message(raw.OPEN, "tun@openssh.com", 0, 1 << 20, 1 << 15, mode, unit)


@pytest.fixture
def device(pool):
    """A tunnel device on the machine of the nodes, the user's who may use it: its number, the user, its address."""
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("the machine has no /dev/net/tun")
    user, unit, node = pool.user(kind="tun"), random.randrange(1000, 30000), pool.nodes[0]
    for n in pool.nodes:  # for all users, as udev has it; a machine without udev may not
        n.run("sh", "-ec", "rm -f /run/tun; mknod -m 666 /run/tun c 10 200; mount --bind /run/tun /dev/net/tun")
    address = f"198.18.{unit % 256}.1"  # a network for tests of networks
    node.run("ip", "tuntap", "add", "dev", f"tun{unit}", "mode", "tun", "user", user.name)
    try:
        node.run("ip", "address", "add", "dev", f"tun{unit}", address, "peer", f"198.18.{unit % 256}.2")
        node.run("ip", "link", "set", f"tun{unit}", "up")
        yield unit, user, address
    finally:
        node.run("ip", "link", "delete", f"tun{unit}")


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def echo_request(address, number):
    """An IPv4 packet with an ICMP echo request to address, from the other end of the tunnel."""
    icmp = struct.pack(">BBHHH", 8, 0, 0, 77, number) + b"scenario" * 8
    icmp = icmp[:2] + struct.pack(">H", checksum(icmp)) + icmp[4:]
    there = socket.inet_aton(address)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(icmp), number, 0, 64, 1, 0) + there[:3] + b"\2" + there
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + icmp


def is_reply(packet, number):
    return packet[9:10] == b"\1" and packet[20:21] == b"\0" and packet[24:28] == struct.pack(">HH", 77, number)


@pytest.mark.feature("X11, agent, tun: tun, as the node says", client="raw")
def test_a_granted_tunnel_carries_packets(pool, device):
    unit, user, address = device
    with raw.RawClient(pool.endpoint(), user.name, pool.key(user)) as client:
        client.send(opening(POINT_TO_POINT, unit))
        r = client.expect(raw.OPEN_CONFIRMATION)
        assert r.u32() == 0
        channel = r.u32()
        for number in range(3):
            client.send(message(raw.DATA, channel, framed(echo_request(address, number))))
            while True:  # what else the machine says there
                payload = client.recv()
                if payload[0] == raw.DATA and is_reply(packet_in(payload), number):
                    break


def framed(packet):
    """As it is in a tunnel's channel: behind its address family."""
    return string(u32(INET) + packet)


def packet_in(payload):
    return raw.Reader(payload[5:]).string()[4:]


@pytest.mark.feature("X11, agent, tun: tun, as the node says", client="raw")
@pytest.mark.parametrize("kind,mode,words", [
    ("", POINT_TO_POINT, "open failed"), ("tun", ETHERNET, "open failed"), ("tun", 3, "open failed")])
def test_a_tunnel_is_refused_as_the_node_says(pool, kind, mode, words):
    user = pool.user(kind=kind)
    with raw.RawClient(pool.endpoint(), user.name, pool.key(user)) as client:
        client.send(opening(mode, ANY_UNIT))
        assert client.recv() == message(raw.OPEN_FAILURE, 0, 2, words, "")
        client.open_session()


@pytest.mark.feature("X11, agent, tun: tun, as the node says")
def test_the_stock_client_is_told(pool):
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        pytest.skip("a tunnel needs root and /dev/net/tun")
    done = pool.client().run("echo in", "-w", "any:any", "-oExitOnForwardFailure=yes")
    assert (done.returncode, done.stdout) == (255, b"")
    assert b"channel 0: open failed: connect failed: open failed" in done.stderr
    assert b"Tunnel forwarding failed" in done.stderr
