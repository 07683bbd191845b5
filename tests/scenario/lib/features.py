"""What the scenarios prove: which feature, with which client.  A test says so with the marker

    @pytest.mark.feature("Group: feature", client="OpenSSH")

The nearest marker counts: of the test, else of its file (pytestmark).  A name may hold parameters of the test as in
"Algorithms: {kex}".  The client is the parameter `library` where a test has one, else the marker's, else OpenSSH.
`pytest --features FILE` writes what came of each; tests/features.py makes the table of tests/README.md from that.
"""
import json

GROUPS = ("Forwarding", "X11, agent, tun", "Sessions", "Connection", "Algorithms", "Nodes", "Flow", "Tools", "Login")
CLIENTS = ("OpenSSH", "AsyncSSH", "libssh", "Paramiko", "raw")
MARKER = "feature(*names, client=...): what the test proves, and with which client (lib/features.py)"
# The outcomes of a feature's tests, the worst first.
OUTCOMES = ("failed", "skipped", "passed", "deselected")


def word(value):
    """A parameter as a part of a name."""
    if isinstance(value, (tuple, list)):
        return " with ".join(str(v) for v in value if v)
    return str(value)


def of(item):
    """[(feature, client)] of a test."""
    marker = item.get_closest_marker("feature")
    if not marker:
        return []
    params = item.callspec.params if hasattr(item, "callspec") else {}
    client = params.get("library", marker.kwargs.get("client", "OpenSSH"))
    names = [name.format(**{k: word(v) for k, v in params.items()}) for name in marker.args]
    for name in names:
        if client not in CLIENTS or name.split(": ")[0] not in GROUPS:
            raise ValueError(f"{item.nodeid}: no such client or group: {client}, {name}")
    return [[name, client] for name in names]


class Collector:
    """A plugin: gathers the outcomes, of all workers where there are several, and writes them at the end."""

    def __init__(self, path):
        self.path, self.found = path, {}

    def add(self, pairs, outcome, reason=None):
        for name, client in pairs:
            self.found.setdefault((name, client), set()).add((outcome, reason))

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.passed:
            return
        for key, pairs in report.user_properties:
            if key == "features":
                reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else None
                self.add(pairs, report.outcome, reason)

    def pytest_deselected(self, items):
        for item in items:
            self.add(of(item), "deselected")

    def pytest_sessionfinish(self):
        rows = [{"feature": name, "client": client, **worst(outcomes)}
                for (name, client), outcomes in sorted(self.found.items())]
        with open(self.path, "w") as f:
            json.dump(rows, f, indent=1)


def worst(outcomes):
    outcome, reason = min(outcomes, key=lambda pair: OUTCOMES.index(pair[0]))
    return {"outcome": outcome, "reason": (reason or "").removeprefix("Skipped: ")}
