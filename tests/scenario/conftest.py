"""Fixtures of the scenarios: pool and client (direct and through the broker), own_pool for tests that break things."""
import os

import pytest

from lib import features, proc
from lib.library import KEY_KINDS
from lib.pool import Pool
from lib.sshd import Sshd

LOG_TAIL = 40000
DEFAULT_POOL = {"nodes": 2}
# What the shared nodes allow to whom: pool.user(kind="tun") is treated as the second of these blocks says.
RULES = """StreamLocalBindMask 0111
Match User *-closed
AllowTcpForwarding no
AllowStreamLocalForwarding no
AllowAgentForwarding no
PermitTTY no
Match User *-tun
PermitTunnel yes
Match User *-narrow
PermitOpen 127.0.0.1:9
PermitListen 127.0.0.1:9
Match User *-gateway
GatewayPorts clientspecified
Match User *-x11
X11Forwarding yes
Match User *-alive
ClientAliveInterval 1
ClientAliveCountMax 1
Match User *-keyword
AuthenticationMethods publickey,password
Match User *-keyquestion
AuthenticationMethods publickey,keyboard-interactive
Match User *-either
AuthenticationMethods password publickey
Match User *-twokeys
AuthenticationMethods publickey,publickey
Match User *-one
MaxAuthTries 1
Match User *-few
MaxAuthTries 3
Match User *-many
MaxAuthTries 30
Match User *-hostbased
HostbasedAuthentication yes
AuthenticationMethods hostbased
Match User *-banner
Banner /etc/ssh/banner
Match User *-nobanner
Banner /etc/ssh/banner-empty
"""


def pytest_addoption(parser):
    parser.addoption("--features", metavar="FILE", help="write there which features were proved, with which clients")


def pytest_collection_modifyitems(items):
    for item in items:
        item.user_properties.append(("features", features.of(item)))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Workers of xdist need a folder; pytest's own stays in /tmp."""
    config.addinivalue_line("markers", features.MARKER)
    if config.option.features and not hasattr(config, "workerinput"):
        config.pluginmanager.register(features.Collector(config.option.features))
    if not config.option.basetemp and not hasattr(config, "workerinput"):
        folder = proc.make_temp()
        config.option.basetemp = folder / "pytest"
        config.add_cleanup(lambda: proc.remove_temp(folder))


def broker_or_skip():
    """Without a build only the direct variants run; a build without the broker is broken."""
    if not proc.build_dir():
        pytest.skip("SSHBROKER_BUILD names no build")
    assert proc.program("sshbrokerd"), "the build has no sshbrokerd"


@pytest.fixture(scope="session")
def temp():
    """The folder of this run; at the end nothing of ours may be left on the machine."""
    folder = proc.make_temp()
    if proc.is_sanitized() and "SSHBROKER_ASAN_DIR" not in os.environ:
        os.environ["SSHBROKER_ASAN_DIR"] = str(folder / "asan")
    yield folder
    proc.stop_all()
    if proc.is_sanitized():
        found = proc.findings(proc.sanitizer_folder())
        assert not found, "sanitizers found something:\n" + "\n".join(found.values())
    left = proc.processes_with(proc.MARK, str(folder))
    with open("/proc/self/mountinfo") as f:
        mounts = [line for line in f if str(folder) in line]
    proc.remove_temp(folder)
    proc.sweep()
    assert not left, f"processes were left behind: {left}"
    assert not mounts, f"mounts were left behind: {mounts}"
    assert not folder.exists(), f"files were left behind in {folder}"


@pytest.fixture(scope="session", params=os.environ.get("SCENARIO_VIA", "direct broker").split())
def via(request):
    if request.param == "broker":
        broker_or_skip()
    return request.param


@pytest.fixture(scope="session")
def broker_only():
    broker_or_skip()


@pytest.fixture(scope="session")
def shared_pool(temp, via):
    pool = Pool(temp / f"shared-{via}", via, node_config=RULES)
    yield pool
    pool.stop()


@pytest.fixture(scope="session")
def shared_master(shared_pool):
    client = shared_pool.client()
    with client.master():
        yield client


@pytest.fixture
def logged(request):
    """A list; the logs of the pools in it are printed if the test fails, from where they were when it began."""
    request.node.scenario_logs = []
    return request.node.scenario_logs


def watch(logged, pool):
    logged.extend((log, log.stat().st_size) for log in pool.logs())


@pytest.fixture
def pool(shared_pool, logged):
    """Two healthy nodes that tests share; nobody breaks them."""
    watch(logged, shared_pool)
    return shared_pool


@pytest.fixture
def client(pool):
    """A fresh user with a key, and nothing else going on."""
    return pool.client()


@pytest.fixture
def mastered(pool, shared_master):
    """A client whose ssh uses one connection that is there already, and that other tests use, too."""
    return shared_master


@pytest.fixture(scope="session")
def third_host(temp):
    """A host behind the nodes, which is none of them."""
    host = Sshd(temp / "third", "third").start()
    yield host
    host.stop()


@pytest.fixture(scope="session")
def all_keys(temp, broker_only):
    """A broker with a host key of each kind; the pool, a user there, and the user's key."""
    pool = Pool(temp / "all-keys", "broker", nodes=1, kinds=KEY_KINDS)
    user = pool.user()
    yield pool, user, pool.key(user)
    pool.stop()


@pytest.fixture
def make_pool(request, temp, logged):
    """make_pool(via, ...) makes pools for one test alone."""
    pools = []

    def make(via, **kwargs):
        folder = temp / f"p{os.urandom(4).hex()}"
        pool = Pool(folder, via, **kwargs)
        logged.extend((log, 0) for log in pool.logs())
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.stop()


@pytest.fixture
def own_pool(make_pool, via):
    """Two nodes that the test may break."""
    return make_pool(via, **DEFAULT_POOL)


@pytest.fixture
def brokered(make_pool, broker_only):
    """brokered(...) makes a pool with a broker, for what has no direct counterpart."""
    return lambda **kwargs: make_pool("broker", **{**DEFAULT_POOL, **kwargs})


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for log, offset in getattr(item, "scenario_logs", []):
            text = log.read_bytes()[offset:] if log.exists() else b"(is gone)"
            report.sections.append((str(log), text[-LOG_TAIL:].decode(errors="replace")))


def pytest_terminal_summary(terminalreporter):
    """What tests measured, by record_property("figures", ...)."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "figures" and report.when == "call":
                terminalreporter.write_line(f"figures: {value}")
