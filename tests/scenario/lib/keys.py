"""Key pairs, made by the stock ssh-keygen."""
import subprocess
from pathlib import Path

# What ssh-keygen is told for each kind.
KINDS = {
    "ed25519": ["-t", "ed25519"],
    "ecdsa-256": ["-t", "ecdsa", "-b", "256"],
    "ecdsa-384": ["-t", "ecdsa", "-b", "384"],
    "ecdsa-521": ["-t", "ecdsa", "-b", "521"],
    "rsa": ["-t", "rsa", "-b", "2048"],
}
# A security key in software, of OpenSSH's own tests (Debian's openssh-tests).
SK_PROVIDER = Path("/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so")
SK_KINDS = {
    "sk-ed25519": ["-t", "ed25519-sk", "-w", SK_PROVIDER],
    "sk-ecdsa": ["-t", "ecdsa-sk", "-w", SK_PROVIDER],
}


def make_key(folder, name, kind="ed25519", *options):
    """Make a key pair; the path of the private half."""
    path = Path(folder) / name
    subprocess.run(["ssh-keygen", "-q", *{**KINDS, **SK_KINDS}[kind], *options, "-N", "", "-C", name, "-f", path],
                   check=True, stdin=subprocess.DEVNULL)
    return path


_host_keys = {}


def host_key(folder, name, kind):
    """The host key of this kind that all brokers of a run share: to make an RSA key takes longer than to start one."""
    if kind not in _host_keys:
        path = make_key(folder, name, kind)
        _host_keys[kind] = path.read_bytes(), Path(f"{path}.pub").read_bytes()
        return path
    path = Path(folder) / name
    path.touch(0o600)
    path.write_bytes(_host_keys[kind][0])
    Path(f"{path}.pub").write_bytes(_host_keys[kind][1])
    return path


def public(path):
    """The public half, as a line of authorized_keys without comment."""
    return " ".join(Path(f"{path}.pub").read_text().split()[:2])


def certify(ca, key, principals, *options, name="somebody", serial=None):
    """Have a CA certify a key for these principals (none if empty); ssh finds the certificate beside the key."""
    who = ["-n", principals] if principals else []
    number = ["-z", str(serial)] if serial is not None else []
    subprocess.run(["ssh-keygen", "-q", "-s", ca, "-I", name, *who, *number, *options, f"{key}.pub"], check=True,
                   stdin=subprocess.DEVNULL)
    return key.with_name(f"{key.name}-cert.pub")
