"""Runs a command that says again what it is told, tells it a little every 20 ms, and prints how long the answers took.

Until its stdin ends.  A process of its own, so that what else a test does stands in nobody's way.
"""
import json
import select
import subprocess
import sys
import time

EVERY = 0.02
SIZE = 64


def measure(p):
    begin = time.monotonic()
    p.stdin.write(b"x" * SIZE)
    if len(p.stdout.read(SIZE)) != SIZE:
        sys.exit("the command ended")
    return (time.monotonic() - begin) * 1000


def main():
    p = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    times = [measure(p)]
    print("up", flush=True)
    while not select.select([sys.stdin], [], [], EVERY)[0]:
        times.append(measure(p))
    p.stdin.close()
    p.wait()
    times.sort()
    print(json.dumps({"n": len(times), "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100],
                      "max": times[-1]}))


main()
