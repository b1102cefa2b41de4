"""A link that is slow or loses packets, where the kernel has no netem: a program carries every frame between two cards.

usage: wire.py PID CARD CARD DELAY_MS LOSS_PERCENT     (in the network of process PID; ends with its parent)"""
import heapq
import random
import select
import socket
import sys
import time

import kernel

ALL_FRAMES, OUTGOING = 3, 4
BUFFER_BYTES = 4 << 20
HELD_MAX = 20000  # frames on the way; more are lost, as in any queue


def card(name):
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(ALL_FRAMES))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    made.bind((name, 0))
    return made


def main():
    pid, left, right, delay_ms, loss_percent = int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5])
    kernel.die_with_parent()
    with kernel.inside_network(pid):
        ends = {card(left): card(right)}
    ends.update({there: here for here, there in ends.items()})
    draw, held, number = random.Random(1), [], 0
    print("ready", flush=True)
    while True:
        now = time.monotonic()
        while held and held[0][0] <= now:
            _, _, there, frame = heapq.heappop(held)
            try:
                there.send(frame)
            except OSError:
                pass  # the card is down or its queue full: the frame is lost
        wait = max(0.0, held[0][0] - time.monotonic()) if held else None
        for here in select.select(list(ends), [], [], wait)[0]:
            for _ in range(64):
                try:
                    frame, source = here.recvfrom(65536)
                except OSError:
                    break
                if source[2] != OUTGOING and draw.random() * 100 >= loss_percent and len(held) < HELD_MAX:
                    number += 1
                    heapq.heappush(held, (time.monotonic() + delay_ms / 1000, number, ends[here], frame))


if __name__ == "__main__":
    main()
