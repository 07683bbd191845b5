"""The table of OpenSSH's scripts, scripts.txt: which of them run through the broker, and why the others do not."""
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("scripts.txt")
REGRESS = Path("/usr/lib/openssh/regress")  # of Debian's package openssh-tests
WHEN = ("quick", "full", "pending", "never")
OPTIONS = ("limit", "keys")
LIMIT_S = 300


class Complaint(NamedTuple):
    """Something that the script finds different behind a broker, and must find as often as that."""
    times: int
    text: str  # the beginning of the script's words
    why: str


class Script(NamedTuple):
    name: str
    when: str  # quick: always; full: in ./check --full, too; pending: will run; never: cannot
    note: str  # why it is pending or never
    limit: int = LIMIT_S  # seconds that it may take
    keys: str = "user"  # the types of keys that it uses: "user" or "host", those that the broker has for these
    complaints: tuple = ()


class TableError(Exception):
    """A line of the table that cannot be read."""


def parse(text):
    """{name: Script}."""
    scripts, script = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "but":
            complaint = parse_but(words, f"{FILE.name}:{number}")
            if not script:
                raise TableError(f"{FILE.name}:{number}: of which script?")
            scripts[script.name] = script = script._replace(complaints=(*script.complaints, complaint))
            continue
        script = parse_words(words, f"{FILE.name}:{number}")
        if script.name in scripts:
            raise TableError(f"{FILE.name}:{number}: {script.name} stands there twice")
        scripts[script.name] = script
    return scripts


def parse_words(words, where):
    if len(words) < 2 or words[1] not in WHEN:
        raise TableError(f"{where}: a line is SCRIPT {'|'.join(WHEN)} [OPTION=VALUE...] [NOTE]")
    options = {}
    note = words[2:]
    while note and "=" in note[0] and note[0].split("=")[0] in OPTIONS:
        key, value = note.pop(0).split("=")
        options[key] = int(value) if key == "limit" else value
    if words[1] in ("pending", "never") and not note:
        raise TableError(f"{where}: {words[0]}: why not?")
    return Script(words[0], words[1], " ".join(note), **options)


def parse_but(words, where):
    text, _, why = " ".join(words[2:]).partition(" -- ")
    if len(words) < 3 or not words[1].isdigit() or not text or not why:
        raise TableError(f"{where}: such a line is but TIMES WORDS -- WHY")
    return Complaint(int(words[1]), text, why)


def load():
    return parse(FILE.read_text())


def installed():
    """The names of the scripts that the package has."""
    return {path.stem for path in REGRESS.glob("*.sh")}
