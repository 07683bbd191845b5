"""The steps of ./check: each builds or runs something, counts what passed, and all of them are summed up.

Two run at a time: one lane builds and runs what computes, the other one runs what mostly waits.
"""
import atexit
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from step import MARK, OUT, ROOT, Running, Step

sys.path.insert(0, str(ROOT / "tests/scenario"))
from lib import proc  # noqa: E402

JOBS = os.cpu_count() or 1
WORKERS = min(JOBS + 1, 4)
TAIL = 20000  # characters of a log that are shown when its step fails
END_SECONDS = 5


def sources(*patterns):
    """Files of the project: in git, or new."""
    done = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-coz", "--exclude-standard", "--", *patterns], cwd=ROOT, check=True,
                          capture_output=True)
    return [ROOT / name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def check_format(step, _):
    files = sources("*.c", "*.h")
    step.one(step.run(["clang-format", "--dry-run", "-Werror", "--ferror-limit=1", *files]) == 0)


def is_shell(path):
    with open(path, "rb") as f:
        return re.match(rb"#!\s*/(usr/)?bin/(env )?(ba|da)?sh\b", f.readline()) is not None


def check_shell(step, _):
    files = [p for p in sources() if p.suffix == ".sh" or is_shell(p)]
    step.one(step.run(["shellcheck", "-x", *files]) == 0)


def build(step, name, compiler, *options):
    """Configure and build into build-check/NAME; False if that fails."""
    folder = OUT / name
    good = step.run(["cmake", "-G", "Ninja", "-S", ROOT, "-B", folder, *options], CC=compiler) == 0 \
        and step.run(["ninja", "-C", folder]) == 0
    step.one(good)
    return good


def run_ctest(step, folder, env):
    """Run the tests of a build; every Criterion test counts, a program that is none counts as one."""
    temp = temporary_folder()
    status = step.run(["ctest", "--test-dir", folder, "-j", JOBS, "--timeout", 300, "--output-on-failure"],
                      TMPDIR=str(temp), **env)
    proc.remove_temp(temp)
    log = folder / "Testing/Temporary/LastTest.log"
    passed, failed = count_programs(log.read_text(errors="replace")) if log.exists() else (0, 0)
    if status != 0 and failed == 0:
        failed = 1
    step.count(passed, failed)
    step.say(f"unit tests and corpora ({step.name}): {passed} passed, {failed} failed, 0 skipped")


def count_programs(text):
    passed = failed = 0
    for part in re.split(r"^\d+/\d+ Testing: ", text, flags=re.M)[1:]:
        good = re.search(r"^Test Passed\.$", part, re.M) is not None
        sums = re.search(r"Synthesis: Tested: (\d+) \| Passing: (\d+)", part)
        tested, fine = map(int, sums.groups()) if sums else (1, int(good))
        passed += fine
        failed += tested - fine + int(not good and tested == fine)
    return passed, failed


def temporary_folder():
    """Below /tmp: the roles of the broker are users of their own, who may not pass through every home."""
    folder = proc.make_temp(0o1777)
    atexit.register(proc.remove_temp, folder)
    return folder


def take_findings(folder):
    """What the sanitizers wrote, as {file: text}; the folder is gone afterwards."""
    found = proc.findings(folder)
    proc.remove_temp(folder)
    return found


def count_findings(step, folder):
    """Whatever a sanitizer wrote is a failure, whatever the exit statuses said."""
    found = take_findings(folder)
    for name, text in found.items():
        step.log.open("a").write(f"\n--- {name}\n{text}\n")
    step.count(0, len(found))
    if found:
        step.say(f"sanitizers ({step.name}): {len(found)} findings in {step.log.relative_to(ROOT)}")


def check_leak_is_seen(step, build_folder):
    """A test that leaks on purpose, and passes: the checks above would see it."""
    folder = temporary_folder()
    step.run([build_folder / "leak/leak_test"], **proc.sanitizer_env(folder))
    if not step.one(any("LeakSanitizer" in text for text in take_findings(folder).values())):
        step.say("the deliberate leak was not seen: findings of the sanitizers cannot be trusted")


def check_gcc(step, _):
    build(step, "gcc", "gcc", "-DCMAKE_BUILD_TYPE=Release")


def check_units(step, _):
    run_ctest(step, OUT / "gcc", {})


def build_sanitized(step, name, compiler, *options):
    return build(step, name, compiler, "-DCMAKE_BUILD_TYPE=Debug", "-DSSHBROKER_SANITIZE=ON", *options)


def run_sanitized(step, name):
    folder = temporary_folder()
    run_ctest(step, OUT / name, proc.sanitizer_env(folder))
    count_findings(step, folder)
    check_leak_is_seen(step, OUT / name)


def check_asan(step, _):
    """Clang's build is the sanitized one with the fuzz targets: one build less in every run."""
    build_sanitized(step, "clang-asan", "clang", "-DSSHBROKER_FUZZ=ON")


def check_asan_units(step, _):
    run_sanitized(step, "clang-asan")


def check_gcc_asan(step, _):
    if build_sanitized(step, "gcc-asan", "gcc"):
        run_sanitized(step, "gcc-asan")


def check_tidy(step, _):
    """Clang's static analysis of what is installed."""
    files = sources("common/*.c", "broker/*.c", "deploy/*.c")
    share = -(-len(files) // (4 * JOBS))
    lots = "\0".join(map(str, files))
    names = step.log.with_suffix(".files")
    names.write_text(lots)
    step.one(step.run(["xargs", "-0", "-a", names, "-P", JOBS, "-n", share,
                       "clang-tidy", "-p", OUT / "clang-asan", "--quiet"]) == 0)


def check_clang(step, _):
    if build(step, "clang", "clang", "-DCMAKE_BUILD_TYPE=Release"):
        run_ctest(step, OUT / "clang", {})


def run_scenarios(step, build_name, full, via, mib, tests="scenario", options=()):
    folder = temporary_folder()
    status = step.run(["/usr/bin/python3", "-m", "pytest", "-q", "-n", WORKERS, "--durations=15",
                       "--timeout", 1800 if full else 300,
                       *([] if full else ["-m", "not slow"]), *options, ROOT / "tests" / tests],
                      SSHBROKER_BUILD=str(OUT / build_name), SSHBROKER_ASAN_DIR=str(folder), SCENARIO_VIA=via,
                      SCENARIO_BIG_MIB=str(mib), PYTHONDONTWRITEBYTECODE="1")
    closing = re.findall(r"^(?=.*(?:passed|failed|skipped|error)).* in [\d.]+s.*$", step.text(), re.M)
    numbers = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", (closing or [""])[-1])}
    failed = numbers.get("failed", 0) + numbers.get("error", 0)
    step.count(numbers.get("passed", 0), failed or int(status != 0), numbers.get("skipped", 0))
    step.say(f"scenarios ({step.name}): {step.passed} passed, {step.failed} failed, {step.skipped} skipped")
    for line in re.findall(r"^figures: .*$", step.text(), re.M):
        step.say(line)
    count_findings(step, folder)


def check_scenarios(step, full):
    """And that the table of tests/README.md says what they show."""
    found = OUT / "features.json"
    found.unlink(missing_ok=True)
    run_scenarios(step, "gcc", full, "broker", 1024 if full else 64, options=("--features", found))
    step.one(step.run(["/usr/bin/python3", ROOT / "tests/features.py", "check", found]) == 0)


def check_openssh_tests(step, full):
    """OpenSSH's own regression scripts, with the broker in front of their sshd."""
    run_scenarios(step, "gcc", full, "broker", 64, "openssh")


def check_asan_scenarios(step, full):
    run_scenarios(step, "clang-asan", full, "broker", 64 if full else 16)


def check_direct(step, full):
    """The same tests without the broker: a test that fails here is itself wrong."""
    run_scenarios(step, "gcc", full, "direct", 64)


def check_quickstart(step, _):
    """The demonstration, on the build that is there already."""
    step.one(step.run(["/usr/bin/python3", ROOT / "deploy/demo/demo.py", "--once"],
                      SSHBROKER_BUILD=str(OUT / "gcc")) == 0)


# The lanes, in order; what computes gives way to what waits.
BUILDING = {"format": check_format, "shell": check_shell, "gcc": check_gcc, "asan": check_asan, "units": check_units,
            "asan-units": check_asan_units}
WAITING = {"scenarios": check_scenarios, "openssh-tests": check_openssh_tests, "quickstart": check_quickstart,
           "asan-scenarios": check_asan_scenarios}
SLOW_BUILDING = {"tidy": check_tidy, "clang": check_clang, "gcc-asan": check_gcc_asan}
SLOW_WAITING = {"direct": check_direct}
LANES = ((5, BUILDING | SLOW_BUILDING), (0, WAITING | SLOW_WAITING))
ALL_STEPS = LANES[0][1] | LANES[1][1]
QUICK_STEPS = BUILDING | WAITING
# The step whose build a step runs; if that one is not asked for, a build of before is used.
NEEDS = {"tidy": "asan", "units": "gcc", "scenarios": "gcc", "openssh-tests": "gcc", "quickstart": "gcc", "direct": "gcc",
         "asan-units": "asan", "asan-scenarios": "asan"}


def run_step(step, needed, full):
    if needed:
        needed.done.wait()
    print(f"{step.name} ...\n", end="", flush=True)  # in one piece, whatever the other lane says
    begin = time.monotonic()
    try:
        if needed and needed.failed:
            step.count(0, 0, 1)
            step.say(f"{step.name}: not run, since {needed.name} failed")
        else:
            ALL_STEPS[step.name](step, full)
    except Exception as e:
        step.one(False)
        step.say(f"{step.name}: {type(e).__name__}: {e}")
    finally:
        step.seconds = time.monotonic() - begin
        step.done.set()
    if step.failed and not step.running.ended:
        print(f"--- {step.name} failed; the end of {step.log.relative_to(ROOT)}:\n{step.text()[-TAIL:]}\n---", flush=True)


def run_lanes(steps, full):
    """All steps, those of a lane one after the other."""
    def run_lane(names):
        for name in names:
            run_step(steps[name], steps.get(NEEDS.get(name)), full)

    lanes = [threading.Thread(target=run_lane, args=([name for name in lane if name in steps],), daemon=True)
             for _, lane in LANES]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()


def leave_nothing(running):
    """End what runs, and remove what was left; the processes that did not end by themselves."""
    running.end()
    deadline = time.monotonic() + END_SECONDS
    while (left := proc.processes_with(*(f"{k}={v}" for k, v in MARK.items()))) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid, _ in left:
        proc.kill_if_there(pid)
    proc.sweep()
    return left


def summary(steps, seconds):
    print(f"\n{'step':<16}{'seconds':>8}{'passed':>8}{'failed':>8}{'skipped':>8}")
    for s in steps:
        print(f"{s.name:<16}{s.seconds:>8.0f}{s.passed:>8}{s.failed:>8}{s.skipped:>8}")
    total = [sum(getattr(s, what) for s in steps) for what in ("passed", "failed", "skipped")]
    print(f"{'total':<16}{seconds:>8.0f}{total[0]:>8}{total[1]:>8}{total[2]:>8}\n")
    for line in (x for s in steps for x in s.lines):
        print(line)
    print("{} passed, {} failed, {} skipped".format(*total))


def chosen_steps(words):
    names = [word for word in words if word != "--full"]
    unknown = [name for name in names if name not in ALL_STEPS]
    if unknown:
        sys.exit(f"check: no such step: {unknown[0]} (steps: {', '.join(ALL_STEPS)})")
    return names or (ALL_STEPS if "--full" in words else QUICK_STEPS)


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: sys.exit(128 + n))  # what runs is ended on the way out
    names, running, begin = chosen_steps(sys.argv[1:]), Running(), time.monotonic()
    steps = {name: Step(name, running, niceness) for niceness, lane in LANES for name in lane if name in names}
    left = []
    try:
        run_lanes(steps, "--full" in sys.argv[1:])
    finally:
        left = leave_nothing(running)
    summary(steps.values(), time.monotonic() - begin)
    if left:
        print(f"processes were left behind: {left}")
    sys.exit(1 if left or any(s.failed for s in steps.values()) else 0)


main()
