"""Repositories on a node."""
import os

import pytest

pytestmark = pytest.mark.feature("Tools: git")


def test_push_and_clone(client):
    client.out("git init -q --bare -b main repo.git")
    work, copy = client.folder / "work", client.folder / "copy"
    client.git("clone", "-q", "pool:repo.git", work)
    for n in range(3):
        (work / f"file{n}").write_bytes(os.urandom(1 << 20))
        client.git("-C", work, "add", ".")
        client.git("-C", work, "commit", "-qm", f"change {n}")
        client.git("-C", work, "push", "-q", "origin", "HEAD:main")
    client.git("clone", "-q", "pool:repo.git", copy)
    heads = [client.git("-C", folder, "rev-parse", "HEAD").stdout for folder in (work, copy)]
    assert heads[0] == heads[1]
    client.git("-C", copy, "fsck", "--strict")
    assert (copy / "file2").read_bytes() == (work / "file2").read_bytes()
