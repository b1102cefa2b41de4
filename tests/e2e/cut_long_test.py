#!/usr/bin/env python3
"""The network cut for 200 s, as cut_test.py cuts it for 40. A program of its own, which waits for four minutes while others work."""
from cluster import run
from cut_test import cut_and_check


def test_cut_of_200_s_counts_once(_cluster):
    cut_and_check(200)


if __name__ == "__main__":
    run(globals())
