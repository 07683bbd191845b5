"""SSH whose packets the test itself writes and reads, on either side: RawClient, and RawNode, which stands for a node.

What the stock programs cannot be made to say is said here.  One algorithm of each kind, no rekeying: it is a peer for
the connection protocol, and an implementation of SSH that shares nothing with the one under test.
"""
import contextlib
import hashlib
import os
import queue
import socket
import struct
import threading

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import proc
from .endpoint import Endpoint

DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG, SERVICE_REQUEST, SERVICE_ACCEPT, EXT_INFO = range(1, 8)
KEXINIT, NEWKEYS, ECDH_INIT, ECDH_REPLY = 20, 21, 30, 31
USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS, USERAUTH_BANNER = 50, 51, 52, 53
GLOBAL_REQUEST, REQUEST_SUCCESS, REQUEST_FAILURE = 80, 81, 82
OPEN, OPEN_CONFIRMATION, OPEN_FAILURE, WINDOW_ADJUST, DATA, EXTENDED_DATA, CHANNEL_EOF, CLOSE, REQUEST, SUCCESS, FAILURE = \
    range(90, 101)
PING, PONG = 192, 193

HOSTKEYS, HOSTKEYS_PROVE = b"hostkeys-00@openssh.com", b"hostkeys-prove-00@openssh.com"
WINDOW = 1 << 21


def u32(*numbers):
    return struct.pack(f">{len(numbers)}I", *numbers)


def string(*values):
    return b"".join(u32(len(v)) + v for v in (x.encode() if isinstance(x, str) else x for x in values))


def mpint(data):
    data = data.lstrip(b"\0")
    return string(b"\0" + data if data and data[0] & 0x80 else data)


def message(kind, *parts):
    """A payload: bool is one byte, int a uint32, str a string; bytes stand as they are."""
    def part(p):
        if isinstance(p, bool):
            return bytes([p])
        return u32(p) if isinstance(p, int) else string(p) if isinstance(p, str) else p
    return bytes([kind]) + b"".join(part(p) for p in parts)


class Reader:
    """Takes a payload apart."""

    def __init__(self, data):
        self.data = data

    def bytes(self, n):
        assert len(self.data) >= n, "a message ends early"
        taken, self.data = self.data[:n], self.data[n:]
        return taken

    def u8(self):
        return self.bytes(1)[0]

    def u32(self):
        return struct.unpack(">I", self.bytes(4))[0]

    def string(self):
        return self.bytes(self.u32())


def key_blob(public_line):
    """The blob in a line like "ssh-ed25519 AAAA..."."""
    import base64
    return base64.b64decode(public_line.split()[1])


class Cipher:
    """aes256-gcm@openssh.com in one direction (RFC 5647)."""

    def __init__(self, key, iv):
        self.gcm, self.fixed, self.counter = AESGCM(key), iv[:4], int.from_bytes(iv[4:], "big")

    def nonce(self):
        nonce = self.fixed + self.counter.to_bytes(8, "big")
        self.counter = (self.counter + 1) % (1 << 64)
        return nonce


class Leg:
    """One side of an SSH connection.  extensions is what the peer's EXT_INFO said; announced, its hostkeys-00."""

    def __init__(self, s, ident):
        self.socket, self.ident, self.buffer = s, ident, b""
        s.settimeout(proc.seconds(20))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sender = self.receiver = None
        self.sent = self.received = 0  # packets: the sequence number of the next one
        self.extensions, self.announced = {}, None
        s.sendall(ident + b"\r\n")
        while not (line := self._line()).startswith(b"SSH-"):
            pass
        self.peer_ident = line

    def _fill(self):
        part = self.socket.recv(65536)
        if not part:
            raise EOFError("the peer has closed the connection")
        self.buffer += part

    def _line(self):
        while b"\n" not in self.buffer:
            self._fill()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def _take(self, n):
        while len(self.buffer) < n:
            self._fill()
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def send(self, *payloads):
        """All in one piece."""
        self.socket.sendall(b"".join(map(self._seal, payloads)))

    def _seal(self, payload):
        self.sent = (self.sent + 1) % (1 << 32)
        block, head = (16, 1) if self.sender else (8, 5)
        padding = block - (head + len(payload)) % block
        padding += block if padding < 4 else 0
        length = u32(1 + len(payload) + padding)
        body = bytes([padding]) + payload + os.urandom(padding)
        return length + (self.sender.gcm.encrypt(self.sender.nonce(), body, length) if self.sender else body)

    def packet(self):
        """The next payload, whatever it is."""
        length = self._take(4)
        n = int.from_bytes(length, "big")
        if self.receiver:
            body = self.receiver.gcm.decrypt(self.receiver.nonce(), self._take(n + 16), length)
        else:
            body = self._take(n)
        self.received = (self.received + 1) % (1 << 32)
        return body[1:len(body) - body[0]]

    def recv(self):
        """The next payload that means something to a test."""
        while True:
            payload = self.packet()
            if payload[0] == EXT_INFO:
                r = Reader(payload[1:])
                self.extensions = dict((r.string(), r.string()) for _ in range(r.u32()))
            elif payload.startswith(bytes([GLOBAL_REQUEST]) + string(HOSTKEYS)):
                self.announced = hostkeys_of(payload)
            elif payload[0] not in (IGNORE, DEBUG, USERAUTH_BANNER):
                return payload

    def take(self, n):
        """The next n of them."""
        return [self.recv() for _ in range(n)]

    def expect(self, kind):
        payload = self.recv()
        assert payload[0] == kind, f"{payload} instead of a message {kind}"
        return Reader(payload[1:])

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # The key exchange (RFC 8731), once.

    def _exchange(self, is_client, host_key, public, secret):
        mine, theirs = self._kexinit(is_client), self.packet()
        assert theirs[0] == KEXINIT
        if is_client:
            self.send(message(ECDH_INIT, string(public)))
            r = self.expect(ECDH_REPLY)
            blob, other, signature = r.string(), r.string(), r.string()
        else:
            blob, other = string(b"ssh-ed25519", host_key.public_key().public_bytes(RAW, RAW_FORMAT)), \
                self.expect(ECDH_INIT).string()
        shared = mpint(secret.exchange(X25519PublicKey.from_public_bytes(other)))
        client, server = (self.ident, mine, public), (self.peer_ident, theirs, other)
        if not is_client:
            client, server = server, client
        h = hashlib.sha256(string(client[0], server[0], client[1], server[1], blob, client[2], server[2]) + shared).digest()
        if is_client:
            assert blob in host_key, "another host key"
            verify(blob, signature, h)
        else:
            self.send(message(ECDH_REPLY, string(blob, public, string(b"ssh-ed25519", host_key.sign(h)))))
        self.session, self.host_key, self.signer = h, blob, None if is_client else host_key
        self.send(bytes([NEWKEYS]))
        self.expect(NEWKEYS)
        keys = [hashlib.sha256(shared + h + bytes([x]) + h).digest() for x in b"ABCD"]
        ciphers = [Cipher(keys[2], keys[0][:12]), Cipher(keys[3], keys[1][:12])]
        self.sender, self.receiver = ciphers if is_client else reversed(ciphers)

    def _kexinit(self, is_client):
        payload = bytes([KEXINIT]) + os.urandom(16) + string(
            "curve25519-sha256" + (",ext-info-c" if is_client else ""), "ssh-ed25519",
            *["aes256-gcm@openssh.com"] * 2, *["hmac-sha2-256"] * 2, *["none"] * 2, "", "") + b"\0" + u32(0)
        self.send(payload)
        return payload


RAW, RAW_FORMAT = serialization.Encoding.Raw, serialization.PublicFormat.Raw


def verify(blob, signature, data):
    """An ed25519 signature by the key of this blob; raises if it is none."""
    r, s = Reader(blob), Reader(signature)
    assert r.string() == s.string() == b"ssh-ed25519"
    Ed25519PublicKey.from_public_bytes(r.string()).verify(s.string(), data)


def hostkeys_of(payload):
    """The keys in a hostkeys-00 request."""
    r = Reader(payload[1:])
    r.string(), r.u8()
    found = []
    while r.data:
        found.append(r.string())
    return found


class RawClient(Leg):
    """Logged in to endpoint, by the key file or (None) by a password, as user."""

    def __init__(self, endpoint, user, key=None, ident=b"SSH-2.0-OpenSSH_9.9 raw"):
        super().__init__(socket.create_connection((endpoint.host, endpoint.port), proc.seconds(10)), ident)
        secret = X25519PrivateKey.generate()
        self._exchange(True, [key_blob(k) for k in endpoint.host_keys],
                       secret.public_key().public_bytes(RAW, RAW_FORMAT), secret)
        self.send(message(SERVICE_REQUEST, "ssh-userauth"))
        self.expect(SERVICE_ACCEPT)
        self.send(self._with_key(user, key) if key else
                  message(USERAUTH_REQUEST, user, "ssh-connection", "password", False, "correct horse"))
        self.expect(USERAUTH_SUCCESS)

    def _with_key(self, user, path):
        key = serialization.load_ssh_private_key(path.read_bytes(), None)
        blob = string(b"ssh-ed25519", key.public_key().public_bytes(RAW, RAW_FORMAT))
        request = message(USERAUTH_REQUEST, user, "ssh-connection", "publickey", True, "ssh-ed25519", string(blob))
        return request + string(string(b"ssh-ed25519", key.sign(string(self.session) + request)))

    def open_session(self, channel=0):
        """A session channel; the node's number for it."""
        self.send(message(OPEN, "session", channel, WINDOW, 1 << 15))
        r = self.expect(OPEN_CONFIRMATION)
        assert r.u32() == channel
        return r.u32()


class RawNode:
    """Takes every user with every password.  next_leg() is the node's side of the next login, made in its own thread."""

    def __init__(self, name="raw"):
        self.name, self.address = name, "127.0.0.1"
        self.key = Ed25519PrivateKey.generate()
        self.host_keys = [self.key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()]
        self.has_ping = False  # offered to the next ones
        self.legs = queue.Queue()
        self.listener = socket.create_server((self.address, 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def endpoint(self):
        return Endpoint(self.address, self.port, self.host_keys)

    def next_leg(self):
        return self.legs.get(timeout=proc.seconds(20))

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(proc.seconds(10))

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                s = self.listener.accept()[0]
                with contextlib.suppress(EOFError, ConnectionError):
                    self.legs.put(self._log_in(s))

    def _log_in(self, s):
        leg = Leg(s, b"SSH-2.0-OpenSSH_9.9 raw")
        secret = X25519PrivateKey.generate()
        leg._exchange(False, self.key, secret.public_key().public_bytes(RAW, RAW_FORMAT), secret)
        extensions = [("server-sig-algs", "ssh-ed25519")] + [("ping@openssh.com", "0")] * self.has_ping
        leg.send(message(EXT_INFO, len(extensions), *(x for pair in extensions for x in pair)))
        leg.send(message(SERVICE_ACCEPT, string(leg.expect(SERVICE_REQUEST).string())))
        while True:
            r = leg.expect(USERAUTH_REQUEST)
            r.string(), r.string()
            if r.string() == b"password":
                leg.send(bytes([USERAUTH_SUCCESS]))
                return leg
            leg.send(message(USERAUTH_FAILURE, "password", False))
