#!/usr/bin/env python3
import json
import sys

for line in sys.stdin:
    tokens = json.loads(line)["tokens"]
    answer = 1 if 2 * sum(tokens) > len(tokens) else 0
    print(json.dumps({"answer": answer}), flush=True)
