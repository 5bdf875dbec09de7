#!/usr/bin/env -S python3 -IS
"""Answers the task `program`, rightly or in the way its argument names."""
import itertools
import json
import os
import signal
import sys
import time

how = sys.argv[1] if len(sys.argv) > 1 else "majority"
if how == "leave-at-once":
    sys.exit("nothing to do")
if how == "deaf":
    os.close(0)
    time.sleep(60)

asked = 0
for line in sys.stdin:
    tokens = json.loads(line)["tokens"]
    asked += 1
    majority = {"answer": int(2 * sum(tokens) > len(tokens))}
    running = {"targets": [total % 3 for total in itertools.accumulate(tokens)]}
    if how == "hang":
        time.sleep(60)
    elif how == "crash":
        print("warming up\n\n", file=sys.stderr)
        raise ValueError("no answer to " + str(len(tokens)))
    elif how == "signal":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "child":  # a wrapper whose child would outlive it
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
        with open(sys.argv[2], "w") as file:
            file.write(str(pid))
    answer = {
        "garbage": "the answer is \x1b[1m" + "1" * 200,
        "list": [1],
        "text": {"answer": "1"},
        "float": {"answer": 0.5},
        "large": {"answer": 10**30},
        "range": {"answer": 2},
        "nothing": {"answer": -1},
        "extra": {"answer": 1, "why": "none"},
        "coin": {"answer": asked % 2},
        "born": {"answer": os.getpid() % 2},
        "running": running,
        "first": {"targets": [tokens[0]] + [-1] * (len(tokens) - 1)},
        "little": {"targets": running["targets"][1:]},
        "silent": {"targets": [-1] * len(tokens)},
    }.get(how, majority)
    if how == "endless":
        while True:
            sys.stdout.write("1" * 65536)
    if how == "noisy":
        print("n" * 100000, file=sys.stderr)
    text = answer if how == "garbage" else json.dumps(answer)
    print(text + "\n" + text if how == "twice" else text, flush=True)
    if how == "three" and asked == 3:
        sys.exit(7)
