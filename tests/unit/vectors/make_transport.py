#!/usr/bin/python3
"""Writes transport.txt: sealed packets, exchange hashes and derived keys, made without OpenSSL.

ChaCha20 and Poly1305 are written out here after RFC 8439, HMAC after RFC 2104, the groups of RFC 3526 from its formulas;
AES comes from libgcrypt, the hashes and the arithmetic from Python itself.  One value a line: a name, a blank, hexadecimal digits.
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


def hmac(h, block, key, data):
    key = key.ljust(block, b"\0")
    return h(bytes(b ^ 0x5c for b in key) + h(bytes(b ^ 0x36 for b in key) + data))


def rfc3526(bits, offset):
    """2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + offset), with pi after Machin."""
    one = 1 << bits

    def arctan(x):
        total = term = one // x
        n, sign = 1, 1
        while term:
            term //= x * x
            n, sign = n + 2, -sign
            total += sign * (term // n)
        return total

    pi = 4 * (4 * arctan(5) - arctan(239))
    return 2 ** bits - 2 ** (bits - 64) - 1 + 2 ** 64 * ((pi >> 130) + offset)


def plain(payload, block, covered=0):
    """A packet: length, padding length, payload, padding; covered: bytes of the length field in the alignment."""
    padding = block - (covered + 1 + len(payload)) % block
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


def crypt_ctr(key, counter, data):
    g = ctypes.CDLL("libgcrypt.so.20")
    g.gcry_check_version(None)
    handle = ctypes.c_void_p()
    out = ctypes.create_string_buffer(len(data))
    algo, ctr = {16: 7, 24: 8, 32: 9}[len(key)], 6
    assert g.gcry_cipher_open(ctypes.byref(handle), algo, ctr, 0) == 0
    assert g.gcry_cipher_setkey(handle, key, ctypes.c_size_t(len(key))) == 0
    assert g.gcry_cipher_setctr(handle, counter, ctypes.c_size_t(16)) == 0
    assert g.gcry_cipher_encrypt(handle, out, ctypes.c_size_t(len(data)), data, ctypes.c_size_t(len(data))) == 0
    g.gcry_cipher_close(handle)
    return out.raw


def next_counter(counter, n):
    return ((int.from_bytes(counter, "big") + n) & ((1 << 128) - 1)).to_bytes(16, "big")


def put_ctr(put, bits, mac, h, block, is_etm):
    """RFC 4253 section 6.4, and OpenSSH's PROTOCOL section 1.6 for encrypt-then-MAC."""
    name = f"aes{bits}-ctr.{mac}"
    key, mac_key, counter = numbers(bits // 8, bits), numbers(block // 2, 5), b"\xff" * 15 + b"\xfc"
    for part, value in (("key", key), ("mac_key", mac_key), ("iv", counter)):
        put(f"{name}.{part}", value)
    for i, n in enumerate((0, 1, 5, 31, 300)):
        seq = struct.pack(">I", 0xfffffffd + i & M32)
        packet = plain(bytes([94]) + numbers(n, n), 16, 0 if is_etm else 4)
        put(f"{name}.{i}.plain", packet)
        skip = 4 if is_etm else 0
        sealed = packet[:skip] + crypt_ctr(key, counter, packet[skip:])
        put(f"{name}.{i}.sealed", sealed + hmac(h, block, mac_key, seq + (sealed if is_etm else packet)))
        counter = next_counter(counter, (len(packet) - skip) // 16)


def put_group(put, name, p):
    """A sound exchange in the group of 2, with a public value and a secret whose first bytes are worth a look."""
    size = p.bit_length() // 8

    def number(x):
        return x.to_bytes(size, "big")

    put(f"{name}.p", number(p))
    own, peer = int.from_bytes(numbers(64, 51), "big"), int.from_bytes(numbers(64, 52), "big")
    while pow(2, own, p) >> (p.bit_length() - 8):
        own += 1
    while not pow(2, peer, p) >> (p.bit_length() - 1):
        peer += 1
    put(f"{name}.private", number(own))
    put(f"{name}.public", mpint(number(pow(2, own, p)))[4:])
    put(f"{name}.peer", mpint(number(pow(2, peer, p)))[4:])
    put(f"{name}.shared", number(pow(pow(2, peer, p), own, p)))


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
    for bits in (128, 192, 256):
        put_ctr(put, bits, "hmac-sha2-256-etm@openssh.com", sha256, 64, True)
        put_ctr(put, bits, "hmac-sha2-512-etm@openssh.com", sha512, 128, True)
        put_ctr(put, bits, "hmac-sha2-256", sha256, 64, False)
        put_ctr(put, bits, "hmac-sha2-512", sha512, 128, False)
    put_group(put, "diffie-hellman-group14-sha256", rfc3526(2048, 124476))
    put_group(put, "diffie-hellman-group16-sha512", rfc3526(4096, 240904))
    ident_c, ident_s = b"SSH-2.0-client_1.0 with a comment", b"SSH-2.0-server"
    kexinit_c, kexinit_s, blob = numbers(700, 11), numbers(900, 12), numbers(279, 13)
    for name, value in (("ident_c", ident_c), ("ident_s", ident_s), ("kexinit_c", kexinit_c),
                        ("kexinit_s", kexinit_s), ("host_key", blob)):
        put(f"kex.{name}", value)
    for name, h, public, secret in (("curve25519-sha256", sha256, 32, numbers(32, 21)),
                                    ("ecdh-sha2-nistp256", sha256, 65, b"\x80" + numbers(31, 22)),
                                    ("ecdh-sha2-nistp384", sha384, 97, b"\0\0\x7f" + numbers(45, 23)),
                                    ("ecdh-sha2-nistp521", sha512, 133, b"\0\xff" + numbers(64, 24)),
                                    ("diffie-hellman-group14-sha256", sha256, 256, b"\0\1" + numbers(254, 25)),
                                    ("diffie-hellman-group16-sha512", sha512, 512, b"\xfe" + numbers(511, 26))):
        q_c, q_s, k = numbers(public, 31), numbers(public, 32), mpint(secret)
        if name.startswith("diffie"):
            q_c, q_s = mpint(b"\xee" + q_c[1:])[4:], mpint(q_s)[4:]
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
