"""Files: one big and many small ones, with each tool and back again."""
import hashlib
import os

import pytest

BIG = int(os.environ.get("SCENARIO_BIG_MIB", 64)) << 20
MANIFEST = "find . -type f | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum"


def to_node(client, tool, what):
    if tool == "sftp":
        client.sftp(f"put -r {what} there\n")
    elif tool == "rsync":
        client.rsync("-a", f"{what}/", "pool:there")
    else:
        client.scp(*tool.split()[1:], "-r", what, "pool:there")


def from_node(client, tool):
    if tool == "sftp":
        client.sftp("get -r there back\n")
    elif tool == "rsync":
        client.rsync("-a", "pool:there/", "back")
    else:
        client.scp(*tool.split()[1:], "-r", "pool:there", "back")


@pytest.fixture(scope="session")
def folders(temp):
    """A folder with a big file and one with 2,000 small ones."""
    big, small = temp / "big", temp / "small"
    big.mkdir()
    with open(big / "file", "wb") as f:
        for _ in range(BIG >> 20):
            f.write(os.urandom(1 << 20))
    for i in range(2000):
        folder = small / f"folder {i % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file {i}").write_bytes(os.urandom(i % 5000))
    return {"big": big, "small": small}


@pytest.mark.feature("Tools: {tool}, up and down", "Flow: a large transfer arrives whole")
@pytest.mark.parametrize("what", ["big", "small"])
@pytest.mark.parametrize("tool", ["sftp", "scp", "scp -O", "rsync"])
def test_files_go_there_and_back(client, folders, tool, what):
    expected = client.local(["sh", "-c", f"cd '{folders[what]}' && {MANIFEST}"]).stdout.decode()
    to_node(client, tool, folders[what])
    assert client.out(f"cd there && {MANIFEST}", timeout=120) == expected
    from_node(client, tool)
    assert client.local(["sh", "-c", f"cd back && {MANIFEST}"]).stdout.decode() == expected
    client.local(["rm", "-r", "back"])
    client.out("rm -r there")


@pytest.mark.feature("Tools: rsync, up and down")
def test_rsync_sends_only_what_changed(client, folders):
    path = client.folder / "data"
    path.write_bytes(os.urandom(4 << 20))
    client.rsync("-a", path, "pool:")
    path.write_bytes(path.read_bytes() + b"more")
    assert b"Literal data: " in client.rsync("-a", "--no-whole-file", "--stats", path, "pool:").stdout
    assert client.out("sha256sum data").split()[0] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.feature("Tools: sftp, up and down")
def test_an_interrupted_sftp_continues(client):
    path = client.folder / "data"
    path.write_bytes(os.urandom(2 << 20))
    client.out("cat > data", stdin=path.read_bytes()[:1000000])
    client.sftp("reput data\n")
    assert client.out("sha256sum data").split()[0] == hashlib.sha256(path.read_bytes()).hexdigest()
