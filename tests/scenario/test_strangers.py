"""What strangers on the network do to a broker, before any login, with hand-made packets."""
import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor

from lib import proc

KEXINIT, KEX_ECDH_INIT = 20, 30


def packet(payload):
    """A packet in the clear."""
    padding = 8 - (5 + len(payload)) % 8
    padding += 8 if padding < 4 else 0
    return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)


def name_list(text):
    return struct.pack(">I", len(text)) + text


def kexinit(filler=0):
    """One that our server agrees to, with a list that is filler bytes longer than it need be."""
    kex = b"curve25519-sha256" + b",x" * (filler // 2)
    lists = [kex, b"rsa-sha2-512,rsa-sha2-256,ssh-ed25519"] + [b"aes256-gcm@openssh.com"] * 2 + [b"hmac-sha2-256"] * 2
    lists += [b"none"] * 2 + [b""] * 2
    return packet(bytes([KEXINIT]) + os.urandom(16) + b"".join(map(name_list, lists)) + bytes(5))


def connect(pool, source):
    s = socket.create_connection((pool.endpoint().host, pool.endpoint().port), 10, (source, 0))
    s.settimeout(proc.seconds(30))
    return s


def test_long_key_exchanges_cost_nobody_the_keyholder(brokered):
    """All at once, the questions about them would be more than the link to the keyholder holds."""
    pool = brokered(nodes=1, roles={"gates": 1, "relays": 1}, limits={"unauthenticated_max": 600})
    start = packet(bytes([KEX_ECDH_INIT]) + name_list(os.urandom(32)))
    strangers = [connect(pool, f"127.77.{i // 40}.1") for i in range(520)]
    hello = b"SSH-2.0-stranger\r\n" + kexinit(70000)

    def push(s):
        try:
            s.sendall(hello)
            s.sendall(start)
            s.recv(1)
        except OSError:
            pass

    with ThreadPoolExecutor(32) as many:
        list(many.map(push, strangers))
    assert pool.client().out("echo in", "-b", "127.9.9.9") == "in\n"
    for s in strangers:
        s.close()
    assert "link" not in "\n".join(line for line in pool.broker.log_since().splitlines() if " warn " in line)
    assert "no link to the keyholder" not in pool.broker.log_since()


def hold_password_prompt(client, source):
    """A client that has tried one password, and thinks about the next."""
    import pexpect
    p = pexpect.spawn("ssh", [*client.ssh[1:], "-oBatchMode=no", "-b", source, "pool", "true"], env=client.env,
                      timeout=proc.seconds(30))
    p.expect("assword: ?$")
    p.sendline("wrong")
    p.expect("assword: ?$")
    return p


def test_one_address_cannot_keep_all_dials_from_the_others(brokered):
    pool = brokered(nodes=1, limits={"node_dials_unauthenticated_max": 2})
    stranger = pool.client(key=None, options="PreferredAuthentications password")
    held = [hold_password_prompt(stranger, "127.66.0.1") for _ in range(2)]
    try:
        assert pool.client().out("echo in", "-b", "127.9.9.9") == "in\n"
        ended = "most of the logins under way are from your address"
        assert ended in pool.broker.log_since()
    finally:
        for p in held:
            p.close(force=True)


def test_one_address_cannot_keep_all_logins_from_the_others(brokered):
    pool = brokered(nodes=1, limits={"unauthenticated_max": 6, "unauthenticated_per_source_max": 6})
    held = [connect(pool, "127.66.0.1") for _ in range(6)]
    client = pool.client()
    proc.wait_for(lambda: client.run("echo in", "-b", "127.9.9.9").stdout == b"in\n", "a login", 20)
    for s in held:
        s.close()
