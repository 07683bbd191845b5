"""A line between a client and what it connects to, that can be slow, cut to pieces, silent or dead."""
import contextlib
import socket
import struct
import threading
import time

from .endpoint import Endpoint

CHUNK = 65536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # linger for no time


class Wire:
    """A TCP proxy in a thread.  delay: seconds that bytes take; rate: bytes per second; piece: most bytes at once."""

    def __init__(self, target, delay=0.0, rate=0, piece=CHUNK):
        self.target, self.delay, self.rate, self.piece = target, delay, rate, piece
        self.silent = threading.Event()
        self.cutting = threading.Event()
        self.sockets, self.threads = [], []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def endpoint(self):
        return Endpoint("127.0.0.1", self.port, self.target.host_keys)

    def drop(self):
        """From now on nothing arrives any more, in either direction, and nobody is told."""
        self.silent.set()

    def cut(self):
        """Every connection is reset."""
        sockets, self.sockets = self.sockets, []
        self.cutting.set()
        for s in sockets:
            with contextlib.suppress(OSError):
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                s.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
        threads, self.threads = self.threads, []
        for t in threads:
            t.join(10)
        for s in sockets:
            s.close()
        self.cutting.clear()

    def stop(self):
        self.listener.close()
        self.cut()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near = self.listener.accept()[0]
                far = socket.create_connection((self.target.host, self.target.port))
                for s in (near, far):
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sockets += [near, far]
                for pair in ((near, far), (far, near)):
                    self.threads.append(threading.Thread(target=self._carry, args=pair, daemon=True))
                    self.threads[-1].start()

    def _carry(self, source, sink):
        """One direction; the end of the stream is carried, too."""
        with contextlib.suppress(OSError):
            while data := source.recv(min(self.piece, CHUNK)):
                if self.delay or self.rate:
                    time.sleep(self.delay + (len(data) / self.rate if self.rate else 0))
                if self.silent.is_set():
                    continue
                sink.sendall(data)
            if not self.silent.is_set() and not self.cutting.is_set():
                sink.shutdown(socket.SHUT_WR)
