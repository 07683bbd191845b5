"""The helpers themselves: what would make every other test worthless if it failed silently."""
import pytest

from lib import proc


def test_a_leak_in_a_process_of_ours_is_seen(temp):
    leaky = proc.program("leak/leak_test")
    if not leaky:
        pytest.skip("the build has no sanitizers")
    folder = temp / "leak"
    folder.mkdir()
    proc.spawn([leaky], log=temp / "leak.log", findings=folder).wait()
    assert any("LeakSanitizer" in text for text in proc.findings(folder).values())


def test_nothing_of_a_node_outlives_it(make_pool):
    pool = make_pool("direct", nodes=1)
    client = pool.client()
    p = client.popen("sleep 12345 & echo up; exec sleep 12345")
    assert p.stdout.readline() == b"up\n"
    assert proc.processes_with("sleep 12345")
    pool.stop()
    assert not [found for found in proc.processes_with("sleep 12345") if found[0] != p.pid]
    assert p.wait(proc.seconds(10)) == 255
