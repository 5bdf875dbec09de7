#!/usr/bin/env python3
"""Recounts what `separatrix bound --json` prints, knowing only the tasks' definitions.

Shares nothing with the program: the tasks are written out here again from docs/tasks.md, the counts
of states at every cut are found by writing out all rows, and every witness is carried out. Usage:
recount.py PROGRAM. Prints what it compared; the exit code is 1 when anything differs.
"""
import itertools
import json
import random
import subprocess
import sys
import tempfile

IGNORE = -1


# --- The tasks: every instance of a length, and the targets of one. -------------------------------
def index_lookup(alphabet, query):
    def instances(n):
        for symbols in itertools.product(range(alphabet), repeat=n):
            for p in range(n):
                yield (alphabet + p,) + symbols if query == "first" else symbols + (alphabet + p,)

    def label(tokens):
        if query == "first":
            return [IGNORE] * (len(tokens) - 1) + [tokens[1 + tokens[0] - alphabet]]
        return [IGNORE] * (len(tokens) - 1) + [tokens[tokens[-1] - alphabet]]

    return instances, label


def pairs(alphabet, layout, clash):
    def instances(n):
        for symbols in itertools.product(range(alphabet), repeat=n):
            yield symbols + (alphabet,)

    def label(tokens):
        s = tokens[:-1]
        n = len(s) // 2
        both = zip(s[::2], s[1::2]) if layout == "interleaved" else zip(s[:n], s[n:])
        return [IGNORE] * len(s) + [0 if any(clash(x, y) for x, y in both) else 1]

    return instances, label


def dyck(types, depth):
    def instances(n):
        for word in itertools.product(range(2 * types), repeat=n):
            yield (2 * types,) + word + (2 * types + 1,)

    def label(tokens):
        stack, good = [], True
        for b in tokens[1:-1]:
            if b < types:
                stack.append(b)
                good = good and len(stack) <= depth
            else:
                good = good and bool(stack) and stack.pop() == b - types
            if not good:
                break
        return [IGNORE] * (len(tokens) - 1) + [1 if good and not stack else 0]

    return instances, label


def automaton(next_state, output, positions):
    def instances(n):
        return itertools.product(range(len(next_state[0])), repeat=n)

    def label(tokens):
        state, targets = 0, []
        for token in tokens:
            state = next_state[state][token]
            targets.append(output[state])
        return targets if positions == "all" else [IGNORE] * (len(tokens) - 1) + targets[-1:]

    return instances, label


def truth_table(answers):
    return (lambda n: iter(sorted(answers))), lambda t: [IGNORE] * (len(t) - 1) + [answers[t]]


# --- Counting and checking. -----------------------------------------------------------------------
def rows_at(instances, label, n, cut):
    """prefix -> {suffix: targets from the last token of the prefix on}."""
    rows = {}
    for tokens in instances(n):
        rows.setdefault(tokens[:cut], {})[tokens[cut:]] = tuple(label(tokens)[max(cut - 1, 0):])
    return rows


def differ(a, b):
    """Whether two rows force two states: a common suffix, both asked, other answers."""
    return any(x != y and x != IGNORE and y != IGNORE
               for w in a.keys() & b.keys() for x, y in zip(a[w], b[w]))


def is_total(rows):
    shapes = {frozenset((w, tuple(t == IGNORE for t in row[w])) for w in row)
              for row in rows.values()}
    return len(shapes) == 1


class Checker:
    def __init__(self, program):
        self.program = program
        self.compared = {"cuts": 0, "pairs": 0, "entries": 0, "ranks": 0}
        self.wrong = []

    def ask(self, arguments):
        run = subprocess.run([self.program, "bound", *arguments, "--json", "--check"],
                             capture_output=True, text=True, check=False)
        if run.returncode != 0:
            self.wrong.append(f"{arguments}: exit code {run.returncode}: {run.stderr}")
            return []
        return json.loads(run.stdout)["bounds"]

    def task(self, arguments, instances, label, n):
        arguments = arguments + ["--length", str(n)]
        rows = {}

        def at(cut):
            if cut not in rows:
                rows[cut] = rows_at(instances, label, n, cut)
            return rows[cut]

        bounds = self.ask(arguments)
        if not bounds:
            self.wrong.append(f"{arguments}: no bound")
        for bound in bounds:
            what = f"{arguments} {bound['method']}"
            if bound["resource"] == "recurrent_state_bits":
                if "scope" not in bound:
                    for cut in bound["cuts"]:
                        self.cut(what, at(cut["split"]), cut)
                self.state_witness(what, bound, at)
            else:
                self.division(what, bound, instances, label, n)

    def cut(self, what, rows, cut):
        self.compared["cuts"] += 1
        distinct = len({tuple(sorted(row.items())) for row in rows.values()})
        total = is_total(rows)
        if cut["exact"] != total and cut["exact"]:
            self.wrong.append(f"{what}: cut {cut['split']} is called exact, the problem is partial")
        if int(cut["count"]) > distinct or (cut["exact"] and int(cut["count"]) != distinct):
            self.wrong.append(f"{what}: cut {cut['split']} has {distinct} rows, not {cut['count']}")

    def state_witness(self, what, bound, at):
        witness = bound["witness"]
        if witness["kind"] != "prefixes and suffixes" or "scope" in bound:
            return
        rows = at(bound["split"])
        prefixes = [tuple(p) for p in witness["prefixes"]]
        suffixes = [tuple(s) for s in witness["suffixes"]]
        if len(prefixes) != int(bound["count"]):
            return  # a part of a large count: --check recounts it
        for i, a in enumerate(prefixes):
            for b in prefixes[:i]:
                self.compared["pairs"] += 1
                apart = any(
                    x != y and IGNORE not in (x, y)
                    for s in suffixes
                    for w in rows[a].keys() & rows[b].keys() if w[:len(s)] == s
                    for x, y in zip(rows[a][w][:len(s) + 1], rows[b][w][:len(s) + 1]))
                if not apart:
                    self.wrong.append(f"{what}: {a} and {b} are not told apart")

    def division(self, what, bound, instances, label, n):
        witness = bound["witness"]
        if witness["kind"] == "rule":
            return
        alice, asked = witness["alice"], witness["asked"]
        if isinstance(alice, dict):
            alice = [alice["first"] + i * alice["step"] for i in range(alice["count"])]
        answers = {}
        for tokens in instances(n):
            if tokens[asked] == witness["last"]:
                a = tuple(tokens[t] for t in alice)
                b = tuple(tokens[t] for t in range(asked) if t not in alice)
                answers[a, b] = label(tokens)[asked]
        if witness["kind"] == "rows":
            rows = [tuple(r) for r in witness["rows"]]
            width = asked - len(alice)
            columns = [tuple(c) + tuple(witness.get("pad", []) * width)[:width - len(c)]
                       for c in witness["columns"]]
            if int(bound["count"]) != len(rows):
                self.wrong.append(f"{what}: {len(rows)} rows, count {bound['count']}")
            for i, a in enumerate(rows):
                for b in rows[:i]:
                    self.compared["entries"] += 1
                    if not any(answers.get((a, c), IGNORE) != answers.get((b, c), IGNORE)
                               and IGNORE not in (answers.get((a, c), IGNORE),
                                                  answers.get((b, c), IGNORE)) for c in columns):
                        self.wrong.append(f"{what}: rows {a} and {b} are alike")
        elif witness["kind"] == "fooling set":
            v, chosen = witness["answer"], [(tuple(a), tuple(b)) for a, b in witness["pairs"]]
            for i, (a, b) in enumerate(chosen):
                if answers.get((a, b)) != v:
                    self.wrong.append(f"{what}: a pair of the fooling set is not answered {v}")
                for c, d in chosen[:i]:
                    self.compared["entries"] += 1
                    if answers.get((a, d)) == v and answers.get((c, b)) == v:
                        self.wrong.append(f"{what}: two pairs of the fooling set fit one rectangle")
        elif witness["kind"] == "rank":
            total = 0
            for part in witness["values"]:
                matrix = [[int(answers[tuple(r), tuple(c)] == part["answer"])
                           for c in part["columns"]] for r in part["rows"]]
                total += len(matrix)
                self.compared["ranks"] += 1
                if not nonsingular(matrix, 1_000_003):
                    self.wrong.append(f"{what}: the pivots of answer {part['answer']} are singular")
            if int(bound["count"]) > total:
                self.wrong.append(f"{what}: {total} pivots, count {bound['count']}")
        else:
            self.wrong.append(f"{what}: unknown witness {witness['kind']}")


def nonsingular(matrix, prime):
    m = [row[:] for row in matrix]
    for i in range(len(m)):
        pivot = next((r for r in range(i, len(m)) if m[r][i] % prime), None)
        if pivot is None:
            return False
        m[i], m[pivot] = m[pivot], m[i]
        inverse = pow(m[i][i], -1, prime)
        for r in range(i + 1, len(m)):
            factor = m[r][i] * inverse % prime
            if factor:
                m[r] = [(x - factor * y) % prime for x, y in zip(m[r], m[i])]
    return True


def random_automaton(rng, states, symbols, classes):
    following = [[rng.randrange(states) for _ in range(symbols)] for _ in range(states)]
    output = [rng.randrange(classes) for _ in range(states)]
    names = list(dict.fromkeys(output))  # classes are numbered in the order of their first use
    text = json.dumps({
        "states": [f"s{i}" for i in range(states)],
        "alphabet": [f"a{i}" for i in range(symbols)],
        "start": "s0",
        "transitions": {f"s{i}": {f"a{a}": f"s{j}" for a, j in enumerate(row)}
                        for i, row in enumerate(following)},
        "outputs": {f"s{i}": f"c{o}" for i, o in enumerate(output)},
    })
    return text, following, [names.index(o) for o in output]


def moore_states(following, output):
    """Reachable states that some nonempty word tells apart or at which the output differs, of which
    the start only counts by itself when no state reached by a nonempty word goes on like it."""
    reached, queue = set(), [following[0][a] for a in range(len(following[0]))]
    while queue:
        s = queue.pop()
        if s not in reached:
            reached.add(s)
            queue.extend(following[s])
    everyone = reached | {0}
    block = {s: output[s] for s in everyone}
    while True:
        finer = {s: (block[s], tuple(block[t] for t in following[s])) for s in everyone}
        names = {key: i for i, key in enumerate(dict.fromkeys(finer.values()))}
        merged = {s: names[finer[s]] for s in everyone}
        if len(set(merged.values())) == len(set(block.values())):
            break
        block = merged
    count = len({block[s] for s in reached})
    onward = {tuple(block[t] for t in following[s]) for s in reached}
    return count + (tuple(block[t] for t in following[0]) not in onward)


def main():
    checker = Checker(sys.argv[1])
    for q, query, lengths in ((2, "last", (1, 3, 5)), (3, "last", (2, 3)), (2, "first", (1, 4)),
                              (3, "first", (3,))):
        for n in lengths:
            checker.task(["index-lookup", "--alphabet", str(q), "--query", query],
                         *index_lookup(q, query), n)
    for layout in ("halves", "interleaved"):
        for q, lengths in ((2, (2, 6)), (3, (4,))):
            for n in lengths:
                checker.task(["string-equality", "--alphabet", str(q), "--layout", layout],
                             *pairs(q, layout, lambda x, y: x != y), n)
        checker.task(["set-disjointness", "--layout", layout],
                     *pairs(2, layout, lambda x, y: x == y == 1), 6)
    for types, depth, n in ((1, 1, 4), (1, 3, 8), (2, 2, 4), (2, 3, 6)):
        checker.task(["bounded-dyck", "--types", str(types), "--depth", str(depth)],
                     *dyck(types, depth), n)
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    for _ in range(12):
        states, symbols = rng.randrange(1, 8), rng.randrange(1, 4)
        text, following, output = random_automaton(rng, states, symbols, rng.randrange(1, 4))
        for positions in ("all", "last"):
            arguments = ["regular", "--dfa", text, "--positions", positions]
            checker.task(arguments, *automaton(following, output, positions), 5)
        for bound in checker.ask(["regular", "--dfa", text, "--length", "5", "--method",
                                  "dfa-minimisation"]):
            if "scope" in bound and int(bound["count"]) != moore_states(following, output):
                checker.wrong.append(f"{text}: {moore_states(following, output)} states, "
                                     f"not {bound['count']}")
    for draw in range(8):
        n, q, partial = rng.randrange(2, 7), rng.randrange(2, 4), draw % 2 == 1
        n = min(n, 5) if q == 3 else n
        answers = {t: rng.randrange(rng.randrange(1, 4)) for t in
                   itertools.product(range(q), repeat=n) if not partial or rng.random() < 0.7}
        answers[(q - 1,) * n] = 0  # so that the largest symbol occurs
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            for tokens, answer in answers.items():
                file.write(json.dumps({"tokens": tokens, "answer": answer}) + "\n")
            file.flush()
            checker.task(["table", "--table", file.name], *truth_table(answers), n)
    print(", ".join(f"{n} {what}" for what, n in checker.compared.items()), "compared")
    for line in checker.wrong[:20]:
        print("WRONG", line)
    return 1 if checker.wrong or not all(checker.compared.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
