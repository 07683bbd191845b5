#!/usr/bin/python3
"""The table of tests/README.md: which feature is proved with which client.

features.py write FILE   make it from what `pytest --features FILE tests/scenario` found, with the broker
features.py check FILE   fail if the table names other features and clients than were found, or one that did not pass
"""
import fnmatch
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "scenario"))
from lib.features import CLIENTS, GROUPS  # noqa: E402

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- features: begin -->\n", "<!-- features: end -->\n"
# Why a cell is empty, where no test says so itself: the first line that fits.
STOCK = "a program or an option of OpenSSH; what it says on the wire is in other rows"
WHY = (
    ("raw", "Forwarding: [!r]*", "what the messages carry is in `Sessions: each message as it was sent`; here whole clients count"),
    ("OpenSSH", "Nodes: *", "each alone with sshd is in `tests/interop/openssh_test.c`, without the other processes"),
    ("libssh", "Nodes: *", "each alone with libssh's server is in `tests/interop/libssh_test.c`, without the other processes"),
    ("*", "Nodes: *", "not a node"),
    ("raw", "*", "packets are written by hand only where no client can be made to write them"),
    ("OpenSSH", "*", "only packets written by hand show it"),
    ("*", "Sessions: *", "said with OpenSSH or by hand alone"),
    ("*", "*", STOCK),
)


class Table:
    def __init__(self, rows):
        self.cells = {(row["feature"], row["client"]): row for row in rows}
        self.notes = []

    def features(self, group):
        return sorted({feature for feature, _ in self.cells if feature.startswith(f"{group}: ")})

    def note(self, reason):
        if reason not in self.notes:
            self.notes.append(reason)
        return f"[{self.notes.index(reason) + 1}]"

    def cell(self, feature, client):
        row = self.cells.get((feature, client))
        if not row:
            return self.note(next(why for who, what, why in WHY
                                  if fnmatch.fnmatch(client, who) and fnmatch.fnmatch(feature, what)))
        if row["outcome"] == "skipped":
            return self.note(row["reason"])
        return "ok"

    def lines(self):
        yield f"| | {' | '.join(CLIENTS)} |"
        yield "| --- |" + " --- |" * len(CLIENTS)
        for group in GROUPS:
            features = self.features(group)
            if features:
                yield f"| **{group}** |" + " |" * len(CLIENTS)
            for feature in features:
                cells = (self.cell(feature, client) for client in CLIENTS)
                yield f"| {feature.partition(': ')[2]} | {' | '.join(cells)} |"
        yield ""
        for number, reason in enumerate(self.notes, 1):
            yield f"{number}. {reason}"

    def text(self):
        return "\n".join(self.lines()) + "\n"


def parts(text):
    """What stands before the table, the table, and what stands behind it."""
    before, _, rest = text.partition(BEGIN)
    table, _, behind = rest.partition(END)
    return before, table, behind


def write(rows):
    before, _, behind = parts(README.read_text())
    README.write_text(f"{before}{BEGIN}{Table(rows).text()}{END}{behind}")


def check(rows):
    """What is wrong, in words."""
    wrong = [f"{row['feature']}, {row['client']}: failed" for row in rows if row["outcome"] == "failed"]
    stands = parts(README.read_text())[1].splitlines()
    found = Table(rows).text().splitlines()
    wrong += [f"stands there, but was not found: {line}" for line in stands if line not in found]
    wrong += [f"was found, but does not stand there: {line}" for line in found if line not in stands]
    return wrong


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("write", "check"):
        sys.exit(__doc__)
    with open(sys.argv[2]) as f:
        rows = json.load(f)
    if sys.argv[1] == "write":
        write(rows)
        return
    wrong = check(rows)
    if wrong:
        sys.exit("\n".join(["the table of tests/README.md is not what the tests show:", *wrong]))


if __name__ == "__main__":
    main()
