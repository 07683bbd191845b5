"""SSH whose packets the test itself writes and reads, on either side: RawClient, and RawNode, which stands for a node.

What the stock programs cannot be made to say is said here, at each step of a connection.  One algorithm of each kind, no
rekeying: an implementation of SSH that shares nothing with the one under test.
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
PK_OK, PASSWD_CHANGEREQ, INFO_REQUEST, INFO_RESPONSE = 60, 60, 60, 61
GLOBAL_REQUEST, REQUEST_SUCCESS, REQUEST_FAILURE = 80, 81, 82
OPEN, OPEN_CONFIRMATION, OPEN_FAILURE, WINDOW_ADJUST, DATA, EXTENDED_DATA, CHANNEL_EOF, CLOSE, REQUEST, SUCCESS, FAILURE = \
    range(90, 101)
PING, PONG = 192, 193

IDENT = b"SSH-2.0-OpenSSH_9.9 raw"
PASSWORD = "correct horse"
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
    """One side of an SSH connection, up to where its KEXINIT is due.  A client's trust is a list of blobs of host keys, a
    server's its private key.  extensions is what the peer's EXT_INFO said; announced, its hostkeys-00."""

    def __init__(self, s, ident, trust):
        self.socket, self.ident, self.trust, self.buffer = s, ident, trust, b""
        self.is_client = isinstance(trust, list)
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
        block, head = (16, 1) if self.sender else (8, 5)
        padding = block - (head + len(payload)) % block
        padding += block if padding < 4 else 0
        return self.wrap(bytes([padding]) + payload + os.urandom(padding))

    def wrap(self, body, length=None):
        """A packet of this body (the length of the padding, payload, padding), or one that says that it is so long."""
        self.sent = (self.sent + 1) % (1 << 32)
        length = u32(len(body) if length is None else length)
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

    def recv(self, boring=(IGNORE, DEBUG, USERAUTH_BANNER)):
        """The next payload that means something to a test."""
        while True:
            payload = self.packet()
            if payload[0] == EXT_INFO:
                r = Reader(payload[1:])
                self.extensions = dict((r.string(), r.string()) for _ in range(r.u32()))
            elif payload.startswith(bytes([GLOBAL_REQUEST]) + string(HOSTKEYS)):
                self.announced = hostkeys_of(payload)
            elif payload[0] not in boring:
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

    # The key exchange (RFC 8731), once, in steps.

    def exchange(self):
        self.swap_kexinit()
        self.agree()
        for step in (self.hear_newkeys, self.say_newkeys) if self.is_client else (self.say_newkeys, self.hear_newkeys):
            step()

    def swap_kexinit(self, *extensions):
        """extensions: names besides those of key exchange methods."""
        payload = bytes([KEXINIT]) + os.urandom(16) + string(
            ",".join(["curve25519-sha256", *["ext-info-c"] * self.is_client, *extensions]), "ssh-ed25519",
            *["aes256-gcm@openssh.com"] * 2, *["hmac-sha2-256"] * 2, *["none"] * 2, "", "") + b"\0" + u32(0)
        self.send(payload)
        self.kexinits = payload, self.recv()
        assert self.kexinits[1][0] == KEXINIT

    def agree(self):
        """Both sides know the keys, and NEWKEYS is due."""
        secret = X25519PrivateKey.generate()
        public = secret.public_key().public_bytes(RAW, RAW_FORMAT)
        if self.is_client:
            self.send(message(ECDH_INIT, string(public)))
            r = self.expect(ECDH_REPLY)
            blob, other, signature = r.string(), r.string(), r.string()
        else:
            blob, other = own_blob(self.trust), self.expect(ECDH_INIT).string()
        shared = mpint(secret.exchange(X25519PublicKey.from_public_bytes(other)))
        client, server = zip((self.ident, self.peer_ident), self.kexinits, (public, other))
        if not self.is_client:
            client, server = server, client
        h = hashlib.sha256(string(client[0], server[0], client[1], server[1], blob, client[2], server[2]) + shared).digest()
        if self.is_client:
            assert blob in self.trust, "another host key"
            verify(blob, signature, h)
        else:
            self.send(message(ECDH_REPLY, string(blob, public, string(b"ssh-ed25519", self.trust.sign(h)))))
        self.session, self.host_key, self.signer = h, blob, None if self.is_client else self.trust
        keys = [hashlib.sha256(shared + h + bytes([x]) + h).digest() for x in b"ABCD"]
        ciphers = [Cipher(keys[2], keys[0][:12]), Cipher(keys[3], keys[1][:12])]
        self.next_sender, self.next_receiver = ciphers if self.is_client else reversed(ciphers)

    def hear_newkeys(self):
        self.expect(NEWKEYS)
        self.receiver = self.next_receiver

    def say_newkeys(self):
        self.send(bytes([NEWKEYS]))
        self.sender = self.next_sender


RAW, RAW_FORMAT = serialization.Encoding.Raw, serialization.PublicFormat.Raw


def own_blob(private_key):
    return string(b"ssh-ed25519", private_key.public_key().public_bytes(RAW, RAW_FORMAT))


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
    """Logged in to endpoint, by the key file or (None) by a password, as user; without one, just connected."""

    def __init__(self, endpoint, user=None, key=None, ident=IDENT):
        super().__init__(socket.create_connection((endpoint.host, endpoint.port), proc.seconds(10)), ident,
                         [key_blob(k) for k in endpoint.host_keys])
        if user:
            self.exchange()
            self.begin()
            self.send(self.with_key(user, key) if key else password(user))
            self.expect(USERAUTH_SUCCESS)

    def begin(self):
        """Authentication is due from here on."""
        self.send(message(SERVICE_REQUEST, "ssh-userauth"))
        self.expect(SERVICE_ACCEPT)

    def with_key(self, user, path, is_bound=False, host_key=None):
        """A signed request; is_bound: that names the host key (publickey-hostbound)."""
        key = serialization.load_ssh_private_key(path.read_bytes(), None)
        method = "publickey-hostbound-v00@openssh.com" if is_bound else "publickey"
        request = message(USERAUTH_REQUEST, user, "ssh-connection", method, True, "ssh-ed25519", string(own_blob(key)),
                          string(host_key or self.host_key) if is_bound else b"")
        return request + string(string(b"ssh-ed25519", key.sign(string(self.session) + request)))

    def open_session(self, channel=0):
        """A session channel; the node's number for it."""
        self.send(message(OPEN, "session", channel, WINDOW, 1 << 15))
        r = self.expect(OPEN_CONFIRMATION)
        assert r.u32() == channel
        return r.u32()


def password(user, word=PASSWORD):
    return message(USERAUTH_REQUEST, user, "ssh-connection", "password", False, word)


class RawNode:
    """Takes every user with every password, or does with each new connection what script(leg) says.  next_leg() is what
    that returned: by itself, the node's side of the next login; it was made in a thread of the node's."""

    def __init__(self, name="raw"):
        self.name, self.address = name, "127.0.0.1"
        self.key = Ed25519PrivateKey.generate()
        self.host_keys = [self.key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()]
        self.has_ping = False  # offered to the next ones
        self.script = self.take_password
        self.legs = queue.Queue()
        self.listener = socket.create_server((self.address, 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def endpoint(self):
        return Endpoint(self.address, self.port, self.host_keys)

    def next_leg(self):
        leg = self.legs.get(timeout=proc.seconds(20))
        if isinstance(leg, Exception):
            raise leg
        return leg

    @contextlib.contextmanager
    def scripted(self, script):
        self.script = script
        try:
            yield
        finally:
            self.script = self.take_password

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
        try:
            return self.script(Leg(s, IDENT, self.key))
        except (EOFError, ConnectionError):
            raise
        except Exception as e:  # the test's own thread shall see it
            return e

    def begin(self, leg):
        """Authentication is due from here on."""
        leg.exchange()
        extensions = [("server-sig-algs", "ssh-ed25519")] + [("ping@openssh.com", "0")] * self.has_ping
        leg.send(message(EXT_INFO, len(extensions), *(x for pair in extensions for x in pair)))
        leg.send(message(SERVICE_ACCEPT, string(leg.expect(SERVICE_REQUEST).string())))

    def take_password(self, leg):
        self.begin(leg)
        while method_of(leg) != b"password":
            leg.send(failure("password"))
        leg.send(bytes([USERAUTH_SUCCESS]))
        return leg


def method_of(leg):
    """Of the next authentication request."""
    r = leg.expect(USERAUTH_REQUEST)
    r.string(), r.string()
    return r.string()


def failure(methods, is_partial=False):
    return message(USERAUTH_FAILURE, methods, is_partial)
