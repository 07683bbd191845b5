"""Fixtures of OpenSSH's own scripts: a folder, and what may not be left at its end."""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenario"))
from lib import proc  # noqa: E402


@pytest.fixture(scope="session")
def temp():
    """The folder of this run; at the end nothing of ours may be left on the machine."""
    folder = proc.make_temp()
    yield folder
    proc.stop_all()
    left = proc.processes_with(proc.MARK, str(folder))
    with open("/proc/self/mountinfo") as f:
        mounts = [line for line in f if str(folder) in line]
    proc.remove_temp(folder)
    assert not left, f"processes were left behind: {left}"
    assert not mounts, f"mounts were left behind: {mounts}"
    assert not folder.exists(), f"files were left behind in {folder}"


@pytest.fixture(scope="session", params=os.environ.get("SCENARIO_VIA", "broker").split())
def via(request):
    if request.param == "broker":
        assert proc.program("sshbrokerd"), "SSHBROKER_BUILD names no build with the broker"
    return request.param


def pytest_collection_modifyitems(config, items):
    """What is pending runs when asked for."""
    if "pending" not in config.getoption("markexpr"):
        items[:] = [item for item in items if "pending" not in item.keywords]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        report.sections.extend(getattr(item, "logs", []))
