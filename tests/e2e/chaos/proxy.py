"""A TCP proxy between a worker and its head that can be told to misbehave: the network of the chaos tests.

The modes: `plain`; `deaf` (what the worker sends does not arrive) and `dumb` (what the head sends does not), as TCP sees the loss of a
direction: bytes are late, never missing; `slices` (one byte a packet); `frozen` (nothing moves, new connections hang). `reset()` ends
every connection with a RST; `half_open()` ends the head's side alone, and the worker goes on talking to nobody."""
import contextlib
import selectors
import socket
import struct
import threading

CHUNK = 65536
BACKLOG_MAX = 1 << 20  # held for a slow side; then the other side is not read


class Side:
    """One direction: read from `source`, written to `sink`."""

    def __init__(self, source, sink, from_worker):
        self.source, self.sink, self.from_worker = source, sink, from_worker
        self.held = bytearray()
        self.pair = None  # the other direction


class Proxy:
    def __init__(self, target):
        self.target = target  # (host, port), looked up at each connect
        self.mode = "plain"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.sides = []
        self.forgotten = []  # the workers' ends of what is half-open
        self.lock = threading.Lock()
        self.is_closed = False
        threading.Thread(target=self._run, daemon=True).start()

    def set(self, mode):
        with self.lock:
            self.mode = mode

    def reset(self):
        with self.lock:
            for side in list(self.sides):
                self._end(side)
            self._forget()

    def half_open(self):
        with self.lock:
            for side in self.sides:
                (side.sink if side.from_worker else side.source).close()
                if side.from_worker:
                    self.forgotten.append(side.source)
            self.sides = []

    def _forget(self):
        for end in self.forgotten:
            end.close()
        self.forgotten = []

    def close(self):
        self.is_closed = True

    def _end(self, side):
        for end in (side.source, side.sink):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()
        self.sides = [s for s in self.sides if s is not side and s is not side.pair]

    def _accept(self):
        worker, _ = self.listener.accept()
        try:
            head = socket.create_connection(self.target, timeout=2)
        except OSError:
            worker.close()
            return
        for end in (worker, head):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setblocking(False)
        up, down = Side(worker, head, True), Side(head, worker, False)
        up.pair, down.pair = down, up
        self.sides += [up, down]

    def _read(self, side):
        try:
            data = side.source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end(side)
        else:
            side.held += data

    def _is_held(self, side):
        return self.mode == "frozen" or self.mode == ("deaf" if side.from_worker else "dumb")

    def _write(self, side):
        try:
            while side.held:
                n = side.sink.send(side.held[:1] if self.mode == "slices" else side.held)
                del side.held[:n]
        except BlockingIOError:
            pass
        except OSError:
            self._end(side)

    def _turn(self, watch):
        for side in list(self.sides):
            if side.held and not self._is_held(side):
                self._write(side)
        if self.mode == "frozen":
            return
        events = {}
        watch.register(self.listener, selectors.EVENT_READ)
        for side in self.sides:
            if len(side.held) < BACKLOG_MAX:
                events[side.source] = events.get(side.source, 0) | selectors.EVENT_READ
            if side.held and not self._is_held(side):
                events[side.sink] = events.get(side.sink, 0) | selectors.EVENT_WRITE
        for end, event in events.items():
            watch.register(end, event)
        by_source = {side.source: side for side in self.sides}
        self.lock.release()
        try:
            ready = watch.select(0.05)
        finally:
            self.lock.acquire()
        for key, event in ready:
            if key.fileobj is self.listener:
                self._accept()
            elif event & selectors.EVENT_READ and by_source.get(key.fileobj) in self.sides:
                self._read(by_source[key.fileobj])

    def _run(self):
        pause = threading.Event()
        while not self.is_closed:
            with self.lock:
                with selectors.DefaultSelector() as watch:
                    self._turn(watch)
                is_frozen = self.mode == "frozen"
            if is_frozen:
                pause.wait(0.05)
        self.listener.close()
        self.reset()
