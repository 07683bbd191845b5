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


def public(path):
    """The public half, as a line of authorized_keys without comment."""
    return " ".join(Path(f"{path}.pub").read_text().split()[:2])
