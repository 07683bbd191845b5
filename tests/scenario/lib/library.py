"""Clients made of other SSH libraries, each with the same actions: AsyncSSH, libssh and Paramiko.

Each action is one connection: it logs in, acts, and leaves.  What a library has no way to say or do stands in LACKS, with
the reason, and is asked for by need().
"""
import hashlib
from typing import NamedTuple

import pytest


KEXES = ("curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
         "ecdh-sha2-nistp521", "diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512")
AEAD = ("chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
MACS = ("hmac-sha2-256", "hmac-sha2-512", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")
SUITES = [(c, None) for c in AEAD] + [(f"aes{n}-ctr", m) for n in (128, 192, 256) for m in MACS]
KEY_KINDS = ("ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa")
HOST_KEYS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-256",
             "rsa-sha2-512")


class Denied(Exception):
    """The login was refused."""


class Done(NamedTuple):
    """The end of a command; signal is None, or (name, whether there is a core, words)."""
    status: int
    signal: tuple
    out: bytes
    err: bytes = b""


class Library:
    """login is what a connection differs in: key, password, answer (to every question), kex, host_key, cipher, mac,
    compression, rekey_bytes, keepalive_s."""

    LACKS = {}

    def __init__(self, folder, endpoint, user, **login):
        self.folder, self.endpoint, self.user, self.login = folder, endpoint, user, login
        self.chosen = {}  # what the last connection used, as far as the library tells
        self.known_hosts = folder / f"known-{hashlib.sha256(repr(endpoint).encode()).hexdigest()[:8]}"
        self.known_hosts.write_text("".join(f"[{endpoint.host}]:{endpoint.port} {k}\n" for k in endpoint.host_keys))

    def also(self, **login):
        """The same client with another login."""
        return type(self)(self.folder, self.endpoint, self.user, **{**self.login, **login})

    @classmethod
    def need(cls, *features):
        for feature in features:
            if feature in cls.LACKS:
                pytest.skip(f"{cls.NAME}: {cls.LACKS[feature]}")


def load(name):
    """The class for a name; libraries are loaded when they are needed, and must be there then."""
    if name == "AsyncSSH":
        from .library_asyncssh import AsyncSsh as found
    elif name == "libssh":
        from .library_libssh import Libssh as found
    else:
        from .library_paramiko import Paramiko as found
    return found
