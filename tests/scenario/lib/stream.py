"""Bytes that go to a node and come back, for as long as a test wants, and must come back unchanged."""
import hashlib
import random
import threading
import time

from . import proc

CHUNK = 64 * 1024


class Stream:
    """Runs `cat` on the node; rate is bytes per second each way."""

    def __init__(self, client, *options, rate=16 << 20, command="cat"):
        self.rate = rate
        self.sent = self.received = 0
        self.hashes = hashlib.sha256(), hashlib.sha256()
        self.ending = threading.Event()
        self.words = client.folder / f"stream-{id(self)}.stderr"  # a file: nobody reads it while it runs
        with open(self.words, "wb") as f:
            self.process = client.popen(command, *options, stderr=f)
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self._send, self._receive)]
        for t in self.threads:
            t.start()

    def _send(self):
        source = random.Random(1)
        try:
            while not self.ending.is_set():
                data = source.randbytes(CHUNK)
                self.hashes[0].update(data)
                self.process.stdin.write(data)
                self.sent += CHUNK
                time.sleep(CHUNK / self.rate)
            self.process.stdin.close()
        except BrokenPipeError:
            pass

    def _receive(self):
        while data := self.process.stdout.read1(CHUNK):
            self.hashes[1].update(data)
            self.received += len(data)

    def more(self, n=4 << 20):
        """Wait until n more bytes have come back."""
        target = self.received + n
        proc.wait_for(lambda: self.received >= target or self.process.poll() is not None, f"{n} bytes come back", 60)
        assert self.received >= target, f"the stream broke: {self.words.read_text()}"
        return self

    def finish(self):
        """End it in order: all that was sent has come back."""
        self.ending.set()
        status = self.process.wait(proc.seconds(60))
        for t in self.threads:
            t.join(proc.seconds(60))
        assert (status, self.received) == (0, self.sent), self.words.read_text()
        assert self.hashes[0].digest() == self.hashes[1].digest()
