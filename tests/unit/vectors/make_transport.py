#!/usr/bin/python3
"""Writes transport.txt: sealed packets, exchange hashes and derived keys, made without OpenSSL.

ChaCha20 and Poly1305 are written out here after RFC 8439, AES-GCM comes from libgcrypt, the hashes from Python's own
modules.  One value a line: a name, a blank, hexadecimal digits.
"""
import ctypes
import struct

import _sha256
import _sha512

M32 = 0xFFFFFFFF


def sha256(data):
    return _sha256.sha256(data).digest()


def sha384(data):
    return _sha512.sha384(data).digest()


def sha512(data):
    return _sha512.sha512(data).digest()


def numbers(n, seed):
    out = bytearray()
    for _ in range(n):
        seed = (seed * 1664525 + 1013904223) & M32
        out.append(seed >> 24)
    return bytes(out)


def quarter_round(s, a, b, c, d):
    for x, y, z, r in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & M32
        s[z] ^= s[x]
        s[z] = (s[z] << r | s[z] >> (32 - r)) & M32


def chacha20(key, counter, nonce, data):
    """The original layout of the cipher: 64 bits of block counter, 64 bits of nonce."""
    out = bytearray()
    for i in range(0, len(data), 64):
        start = list(struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key)
                     + struct.unpack("<2I", struct.pack("<Q", counter + i // 64)) + struct.unpack("<2I", nonce))
        s = start[:]
        for _ in range(10):
            for q in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                      (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
                quarter_round(s, *q)
        stream = struct.pack("<16I", *[(x + y) & M32 for x, y in zip(s, start)])
        out += bytes(x ^ y for x, y in zip(data[i:i + 64], stream))
    return bytes(out)


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    a = 0
    for i in range(0, len(data), 16):
        a = (a + int.from_bytes(data[i:i + 16] + b"\1", "little")) * r % ((1 << 130) - 5)
    return ((a + int.from_bytes(key[16:], "little")) & ((1 << 128) - 1)).to_bytes(16, "little")


def plain(payload, block):
    """A packet without length field in the alignment: length, padding length, payload, padding."""
    padding = block - (1 + len(payload)) % block
    if padding < 4:
        padding += block
    return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + numbers(padding, 99)


def seal_chacha(key, seq, packet):
    """PROTOCOL.chacha20poly1305: K_2 (content) is the first half of the key, K_1 (length) the second."""
    nonce = struct.pack(">Q", seq)
    body = chacha20(key[32:], 0, nonce, packet[:4]) + chacha20(key[:32], 1, nonce, packet[4:])
    return body + poly1305(chacha20(key[:32], 0, nonce, bytes(32)), body)


def seal_gcm(key, iv, packet):
    """RFC 5647 section 7.3: the length field is the additional data."""
    g = ctypes.CDLL("libgcrypt.so.20")
    g.gcry_check_version(None)
    handle = ctypes.c_void_p()
    out = ctypes.create_string_buffer(len(packet) - 4)
    tag = ctypes.create_string_buffer(16)
    algo, gcm = {16: 7, 32: 9}[len(key)], 9
    assert g.gcry_cipher_open(ctypes.byref(handle), algo, gcm, 0) == 0
    assert g.gcry_cipher_setkey(handle, key, ctypes.c_size_t(len(key))) == 0
    assert g.gcry_cipher_setiv(handle, iv, ctypes.c_size_t(len(iv))) == 0
    assert g.gcry_cipher_authenticate(handle, packet[:4], ctypes.c_size_t(4)) == 0
    assert g.gcry_cipher_encrypt(handle, out, ctypes.c_size_t(len(out)), packet[4:], ctypes.c_size_t(len(out))) == 0
    assert g.gcry_cipher_gettag(handle, tag, ctypes.c_size_t(16)) == 0
    g.gcry_cipher_close(handle)
    return packet[:4] + out.raw + tag.raw


def next_iv(iv):
    """The last eight bytes count, and wrap (RFC 5647 section 7.1)."""
    return iv[:4] + ((int.from_bytes(iv[4:], "big") + 1) & ((1 << 64) - 1)).to_bytes(8, "big")


def string(s):
    return struct.pack(">I", len(s)) + s


def mpint(s):
    s = s.lstrip(b"\0")
    return string(b"\0" + s if s and s[0] & 0x80 else s)


def derive(h, k, exchange_hash, letter, session_id, n):
    out = h(k + exchange_hash + letter + session_id)
    while len(out) < n:
        out += h(k + exchange_hash + out)
    return out[:n]


def main():
    lines = []

    def put(name, value):
        lines.append(f"{name} {value.hex()}\n")

    put("rfc8439.poly1305", poly1305(bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"),
                                     b"Cryptographic Forum Research Group"))
    payloads = [bytes([94]) + numbers(n, n) for n in (0, 1, 5, 31, 300)]
    key = numbers(64, 1)
    put("chacha.key", key)
    for i, seq in enumerate((0, 1, 0x7fffffff, 0x80000000, 0xffffffff)):
        packet = plain(payloads[i], 8)
        put(f"chacha.{seq:08x}.plain", packet)
        put(f"chacha.{seq:08x}.sealed", seal_chacha(key, seq, packet))
    for bits in (128, 256):
        key, iv = numbers(bits // 8, bits), numbers(4, 3) + bytes.fromhex("fffffffffffffffd")
        put(f"gcm{bits}.key", key)
        put(f"gcm{bits}.iv", iv)
        for i, payload in enumerate(payloads):
            packet = plain(payload, 16)
            put(f"gcm{bits}.{i}.plain", packet)
            put(f"gcm{bits}.{i}.sealed", seal_gcm(key, iv, packet))
            iv = next_iv(iv)
    ident_c, ident_s = b"SSH-2.0-client_1.0 with a comment", b"SSH-2.0-server"
    kexinit_c, kexinit_s, blob = numbers(700, 11), numbers(900, 12), numbers(279, 13)
    for name, value in (("ident_c", ident_c), ("ident_s", ident_s), ("kexinit_c", kexinit_c),
                        ("kexinit_s", kexinit_s), ("host_key", blob)):
        put(f"kex.{name}", value)
    for name, h, public, secret in (("curve25519-sha256", sha256, 32, numbers(32, 21)),
                                    ("ecdh-sha2-nistp256", sha256, 65, b"\x80" + numbers(31, 22)),
                                    ("ecdh-sha2-nistp384", sha384, 97, b"\0\0\x7f" + numbers(45, 23)),
                                    ("ecdh-sha2-nistp521", sha512, 133, b"\0\xff" + numbers(64, 24))):
        q_c, q_s, k = numbers(public, 31), numbers(public, 32), mpint(secret)
        exchange = h(string(ident_c) + string(ident_s) + string(kexinit_c) + string(kexinit_s) + string(blob)
                     + string(q_c) + string(q_s) + k)
        session_id = numbers(len(exchange), 41)
        for part, value in (("q_c", q_c), ("q_s", q_s), ("secret", secret), ("k", k), ("hash", exchange),
                            ("session_id", session_id)):
            put(f"{name}.{part}", value)
        for letter in "ABCDEF":
            put(f"{name}.{letter}", derive(h, k, exchange, letter.encode(), session_id, 200))
    with open("transport.txt", "w") as f:
        f.writelines(lines)


main()
