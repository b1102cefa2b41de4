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
DEALER, DONTWAIT = 5, 1
LINGER, ROUTING_ID, RCVHWM, RCVBUF, RCVTIMEO, CURVE_PUBLIC, CURVE_SECRET, CURVE_SERVER_KEY = 17, 5, 24, 12, 27, 48, 49, 50


def pack(value):
    """msgpack, as much of it as the messages here need: the longest form of each kind."""
    if isinstance(value, dict):
        return struct.pack(">BI", 0xdf, len(value)) + b"".join(pack(k) + pack(v) for k, v in value.items())
    if isinstance(value, int):
        return struct.pack("B", value) if value < 128 else struct.pack(">BQ", 0xcf, value)
    data = value.encode()
    return struct.pack(">BI", 0xdb, len(data)) + data


class Agent:
    """One connection. Fields of messages go by their numbers (lib/schema/messages.c)."""

    def __init__(self, state, endpoint, name, receive_frames=1):
        name_of = ctypes.util.find_library("zmq") or "libzmq.so.5"
        try:
            self.zmq = ctypes.CDLL(name_of)
        except OSError:
            raise Skip("no libzmq to load")
        self.zmq.zmq_ctx_new.restype = self.zmq.zmq_socket.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.zmq.zmq_ctx_new())
        self.socket = ctypes.c_void_p(self.zmq.zmq_socket(self.context, DEALER))
        _, head, self.secret = join_key(state).split(".")  # both 32 bytes as base64
        public, secret = ctypes.create_string_buffer(41), ctypes.create_string_buffer(41)
        if self.zmq.zmq_curve_keypair(public, secret) != 0:
            raise Skip("libzmq without CURVE")
        self.name, self.incarnation = name, int.from_bytes(os.urandom(7), "big")
        self.option(ROUTING_ID, f"{name}/{self.incarnation:016x}/00000001/{1:016x}".encode())
        self.option(CURVE_SERVER_KEY, base64.urlsafe_b64decode(head + "="))
        self.option(CURVE_PUBLIC, public.value)
        self.option(CURVE_SECRET, secret.value)
        for option, number in ((LINGER, 0), (RCVHWM, receive_frames), (RCVBUF, 65536), (RCVTIMEO, 10000)):
            self.option(option, struct.pack("i", number))
        if self.zmq.zmq_connect(self.socket, endpoint.encode()) != 0:
            raise AssertionError("it cannot connect")

    def option(self, option, data):
        if self.zmq.zmq_setsockopt(self.socket, option, data, len(data)) != 0:
            raise AssertionError(f"option {option}")

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

    def close(self):
        self.zmq.zmq_close(self.socket)
        self.zmq.zmq_ctx_term(self.context)
