"""What a SOCKS client says, in pieces, how long the answer to each is, and what grants."""
import socket

from . import proc


def socks4(port):
    return [(b"\x04\x01" + port.to_bytes(2, "big") + b"\x7f\0\0\1user\0", 8)]


def socks4a(port):
    return [(b"\x04\x01" + port.to_bytes(2, "big") + b"\0\0\0\1user\0localhost\0", 8)]


def socks5(port):
    return [(b"\x05\x01\0", 2), (b"\x05\x01\0\x01\x7f\0\0\1" + port.to_bytes(2, "big"), 10)]


def socks5_by_name(port):
    return [(b"\x05\x01\0", 2), (b"\x05\x01\0\x03\x09localhost" + port.to_bytes(2, "big"), 10)]


GRANTED = {socks4: 90, socks4a: 90, socks5: 0, socks5_by_name: 0}


def through_socks(port, dialect, target):
    """A connection to the port `target` of the far side's loopback, by the SOCKS server at `port` here."""
    s = socket.create_connection(("127.0.0.1", port), 10)
    try:
        s.settimeout(proc.seconds(20))
        for said, n in dialect(target):
            s.sendall(said)
            answer = s.recv(n, socket.MSG_WAITALL)
        assert answer[1] == GRANTED[dialect]
    except BaseException:
        s.close()
        raise
    return s
