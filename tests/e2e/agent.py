"""An agent as an enemy would write one: it enrols with the join key, says what it likes, and reads only if it wants to. ZeroMQ is
the library that muster itself uses, without a binding: a few of its functions are all that is needed."""
import base64
import ctypes
import ctypes.util
import os
import struct

from cluster import Skip
from remote import join_key

ENROL, BLOB_GET, WELCOME = 1, 4, 16
DEALER, REP, ROUTER, DONTWAIT = 5, 4, 6, 1
LINGER, ROUTING_ID, RCVHWM, RCVBUF, RCVTIMEO, CURVE_PUBLIC, CURVE_SECRET, CURVE_SERVER_KEY = 17, 5, 24, 12, 27, 48, 49, 50
LAST_ENDPOINT, RCVMORE, CURVE_SERVER, ZAP_DOMAIN = 32, 13, 47, 55


def pack(value):
    """msgpack, as much of it as the messages here need: the longest form of each kind."""
    if isinstance(value, dict):
        return struct.pack(">BI", 0xdf, len(value)) + b"".join(pack(k) + pack(v) for k, v in value.items())
    if isinstance(value, int):
        return struct.pack("B", value) if value < 128 else struct.pack(">BQ", 0xcf, value)
    data = value.encode()
    return struct.pack(">BI", 0xdb, len(data)) + data


class Peer:
    """libzmq, a socket of it, and a CURVE key pair."""

    def __init__(self, kind):
        name_of = ctypes.util.find_library("zmq") or "libzmq.so.5"
        try:
            self.zmq = ctypes.CDLL(name_of)
        except OSError:
            raise Skip("no libzmq to load")
        self.zmq.zmq_ctx_new.restype = self.zmq.zmq_socket.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.zmq.zmq_ctx_new())
        self.socket = self.make(kind)
        self.public, self.private = ctypes.create_string_buffer(41), ctypes.create_string_buffer(41)
        if self.zmq.zmq_curve_keypair(self.public, self.private) != 0:
            raise Skip("libzmq without CURVE")

    def make(self, kind):
        return ctypes.c_void_p(self.zmq.zmq_socket(self.context, kind))

    def option(self, option, data, socket=None):
        if self.zmq.zmq_setsockopt(socket or self.socket, option, data, len(data)) != 0:
            raise AssertionError(f"option {option}")

    def close(self):
        self.zmq.zmq_close(self.socket)
        self.zmq.zmq_ctx_term(self.context)


class Door(Peer):
    """A head's door at which nobody gets in: it proves who knocks (ZeroMQ RFC 27) and says no."""

    def __init__(self):
        super().__init__(ROUTER)
        self.judge = self.make(REP)
        for socket in (self.judge, self.socket):
            self.option(LINGER, struct.pack("i", 0), socket)
        self.option(RCVTIMEO, struct.pack("i", 10000), self.judge)
        self.option(CURVE_SERVER, struct.pack("i", 1))
        self.option(CURVE_SECRET, self.private.value)
        self.option(ZAP_DOMAIN, b"door")
        if self.zmq.zmq_bind(self.judge, b"inproc://zeromq.zap.01") != 0 or self.zmq.zmq_bind(self.socket, b"tcp://127.0.0.1:*") != 0:
            raise AssertionError("it cannot listen")
        name, size = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
        self.zmq.zmq_getsockopt(self.socket, LAST_ENDPOINT, name, ctypes.byref(size))
        self.endpoint = name.value.decode()
        raw = ctypes.create_string_buffer(32)
        self.zmq.zmq_z85_decode(raw, self.public)
        self.join_key = ".".join(["mj1", *(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (raw.raw, os.urandom(32)))])

    def knock(self):
        """The public key of the next who knocks; libzmq has seen that the secret half is theirs."""
        parts, more, size = [], ctypes.c_int(1), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
        while more.value:
            room = ctypes.create_string_buffer(256)
            length = self.zmq.zmq_recv(self.judge, room, len(room), 0)
            if length < 0:
                raise AssertionError("nobody knocks")
            parts.append(room.raw[:length])
            self.zmq.zmq_getsockopt(self.judge, RCVMORE, ctypes.byref(more), ctypes.byref(size))
        assert len(parts) == 7 and parts[2] == b"door" and parts[5] == b"CURVE" and len(parts[6]) == 32, parts
        answer = [parts[0], parts[1], b"400", b"no", b"", b""]
        for at, part in enumerate(answer):
            self.zmq.zmq_send(self.judge, part, len(part), 2 if at + 1 < len(answer) else 0)
        return parts[6]

    def close(self):
        self.zmq.zmq_close(self.judge)
        super().close()


class Agent(Peer):
    """One connection. Fields of messages go by their numbers (lib/schema/messages.c)."""

    def __init__(self, state, endpoint, name, receive_frames=1):
        super().__init__(DEALER)
        _, head, self.secret = join_key(state).split(".")  # both 32 bytes as base64
        self.name, self.incarnation = name, int.from_bytes(os.urandom(7), "big")
        self.option(ROUTING_ID, f"{name}/{self.incarnation:016x}/00000001/{1:016x}".encode())
        self.option(CURVE_SERVER_KEY, base64.urlsafe_b64decode(head + "="))
        self.option(CURVE_PUBLIC, self.public.value)
        self.option(CURVE_SECRET, self.private.value)
        for option, number in ((LINGER, 0), (RCVHWM, receive_frames), (RCVBUF, 65536), (RCVTIMEO, 10000)):
            self.option(option, struct.pack("i", number))
        if self.zmq.zmq_connect(self.socket, endpoint.encode()) != 0:
            raise AssertionError("it cannot connect")

    def say(self, kind, fields):
        """False: its own queue is full."""
        frame = bytes([ord("m"), ord("u"), 1, kind]) + pack(fields)
        return self.zmq.zmq_send(self.socket, frame, len(frame), DONTWAIT) == len(frame)

    def hear(self):
        """The type of the next frame."""
        room = ctypes.create_string_buffer(4096)
        if self.zmq.zmq_recv(self.socket, room, len(room), 0) < 4:
            raise AssertionError("nothing is heard of the head")
        return room.raw[3]

    def enrol(self):
        self.say(ENROL, {1: 1, 2: 1, 3: self.secret, 4: self.name, 5: self.incarnation, 6: "elsewhere", 7: 1, 8: "0", 9: 10000, 10: 1 << 30, 16: 1})
        if self.hear() != WELCOME:
            raise AssertionError("it was not welcomed")
