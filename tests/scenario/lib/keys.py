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


def make_key(folder, name, kind="ed25519"):
    """Make a key pair; the path of the private half."""
    path = Path(folder) / name
    subprocess.run(["ssh-keygen", "-q", *KINDS[kind], "-N", "", "-C", name, "-f", path], check=True,
                   stdin=subprocess.DEVNULL)
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
