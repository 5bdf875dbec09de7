#!/usr/bin/env python3
"""MQAR as Zoology draws it, written anew with numpy, against `separatrix sample mqar`.

    zoology_mqar.py build/dev/separatrix

What Zoology's generator does (HazyResearch/zoology, data/multiquery_ar.py, one pass): keys are drawn
from 1 .. V/2-1 and values from V/2 .. V-1, each without replacement; an instance begins with the k
pairs; slot i (from 0) of the rest has weight (i+1)^(power_a-1), each key in turn gets a slot not yet
taken, and stands at twice its slot; its value is the label at that very token. The other tokens are 0,
or, with random_non_queries, uniform on the vocabulary.

One difference is meant and tested as such: a random filler here is never one of the instance's keys.
In Zoology it may be, and is then a key that stands there without a label.

Every comparison is a test of two samples (or of one sample against a formula) at kLevel with fixed
seeds, so it passes or fails for good. The comparison is itself tested: with another power_a, with
keys from a smaller range, with values tied to keys, with shifted queries it has to object.
"""

import io
import math
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    debian = '/usr/bin/python3'  # has Debian's packages, whichever python3 comes first in PATH
    if sys.executable != debian and os.path.exists(debian):
        os.execv(debian, [debian, *sys.argv])
    print('skipped: numpy is missing (tools/install-deps torch installs it)')
    sys.exit(77)

LEVEL = 1e-5  # of each test; there are 177, so a sound generator fails at one seed in 550
FEWEST = 12  # cells of a table are merged until each is expected to hold so many


class Setting:
    def __init__(self, vocabulary, length, pairs, power_a, random_fillers, count):
        self.vocabulary, self.length, self.pairs = vocabulary, length, pairs
        self.power_a, self.random_fillers, self.count = power_a, random_fillers, count

    def changed(self, **fields):
        return Setting(**{**vars(self), **fields})

    def __str__(self):
        return (f'V={self.vocabulary} N={self.length} k={self.pairs} a={self.power_a} '
                f'{"random" if self.random_fillers else "blank"} fillers')


SETTINGS = [
    Setting(8192, 64, 4, 0.01, False, 20000),  # Zoology, figure 2, the shortest
    Setting(8192, 128, 8, 0.01, False, 3000),
    Setting(128, 64, 8, 1.0, False, 3000),
    Setting(128, 48, 4, 0.3, True, 6000),
]


# ------------------------------------------------------------------------------------- two samples

def weights(setting):
    slots = (setting.length - 2 * setting.pairs) // 2
    weight = np.arange(1, slots + 1, dtype=float) ** (setting.power_a - 1)
    return weight / weight.sum()


def draw_rows(rng, rows, low, high, k, p=None):
    """[rows, k]: in each row k different numbers of low .. high-1, one after the other."""
    return low + np.stack([rng.choice(high - low, k, replace=False, p=p) for _ in range(rows)])


def draw_reference(setting, seed, key_end=None):
    """(inputs, targets), both [count, N], as Zoology would (but for key_end: keys below it only)."""
    rng = np.random.default_rng(seed)
    n, k, half = setting.count, setting.pairs, setting.vocabulary // 2
    keys = draw_rows(rng, n, 1, key_end or half, k)
    values = draw_rows(rng, n, half, setting.vocabulary, k)
    p = weights(setting)
    slots = draw_rows(rng, n, 0, len(p), k, p)
    inputs = np.zeros((n, setting.length), dtype=np.int64)
    if setting.random_fillers:
        inputs = rng.integers(0, setting.vocabulary, inputs.shape)
    targets = np.full_like(inputs, -100)
    inputs[:, 0:2 * k:2], inputs[:, 1:2 * k:2] = keys, values
    at = 2 * k + 2 * slots
    np.put_along_axis(inputs, at, keys, axis=1)
    np.put_along_axis(targets, at, values, axis=1)
    return inputs, targets


def draw_ours(program, setting, seed):
    with tempfile.NamedTemporaryFile(suffix='.npz') as file:
        subprocess.run([program, 'sample', 'mqar', '--vocab-size', str(setting.vocabulary),
                        '--length', str(setting.length), '--pairs', str(setting.pairs),
                        '--power-a', str(setting.power_a), '--random-non-queries',
                        str(setting.random_fillers).lower(), '--count', str(setting.count),
                        '--seed', str(seed), '--format', 'npz', '--output', file.name, '--quiet'],
                       check=True, stdout=subprocess.DEVNULL)
        with np.load(io.BytesIO(open(file.name, 'rb').read())) as data:
            return data['inputs'], data['targets']


# -------------------------------------------------------------------------------------- statistics

def normal_tail(z):
    return 0.5 * math.erfc(z / math.sqrt(2))


def chi_square_tail(statistic, freedom):
    """P(chi-square > statistic), by Wilson and Hilferty's cube root."""
    if freedom == 0:
        return 1.0
    spread = 2 / (9 * freedom)
    return normal_tail(((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread))


def merged(first, second):
    """Neighbouring cells joined until both together hold 2 FEWEST."""
    cells, a, b = [], 0.0, 0.0
    for x, y in zip(first, second):
        a, b = a + x, b + y
        if a + b >= 2 * FEWEST:
            cells.append((a, b))
            a = b = 0.0
    if a + b and cells:
        cells[-1] = (cells[-1][0] + a, cells[-1][1] + b)
    return np.array(cells).reshape(-1, 2)


def same_counts(first, second):
    """p-value of: both tables of counts come from one distribution."""
    cells = merged(first.ravel().astype(float), second.ravel().astype(float))
    if len(cells) < 2:
        return 1.0
    share = cells.sum(axis=0) / cells.sum()
    expected = cells.sum(axis=1, keepdims=True) * share
    return chi_square_tail(((cells - expected) ** 2 / expected).sum(), len(cells) - 1)


def fits(counts, p):
    """p-value of: the counts come from the distribution p."""
    cells = merged(counts.astype(float), p * counts.sum())
    return chi_square_tail(((cells[:, 0] - cells[:, 1]) ** 2 / cells[:, 1]).sum(), len(cells) - 1)


def independent(x, y, bins):
    """p-value of: x and y, each cut into `bins` ranges of equal size, are independent."""
    def cut(v):
        return np.searchsorted(np.quantile(v, np.arange(1, bins) / bins), v, side='right')
    table = np.zeros((bins, bins))
    np.add.at(table, (cut(x), cut(y)), 1)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    return chi_square_tail(((table - expected) ** 2 / expected).sum(), freedom)


def kolmogorov_smirnov(x, y):
    """p-value of: both samples come from one distribution (of ties: at most that)."""
    points = np.union1d(x, y)
    distance = np.abs(np.searchsorted(np.sort(x), points, side='right') / len(x) -
                      np.searchsorted(np.sort(y), points, side='right') / len(y)).max()
    scaled = distance * math.sqrt(len(x) * len(y) / (len(x) + len(y)))
    if scaled < 0.3:
        return 1.0
    return 2 * sum((-1) ** (j - 1) * math.exp(-2 * j * j * scaled ** 2) for j in range(1, 100))


# -------------------------------------------------------------------------------------- comparison

class Parts:
    """What an instance is made of; `broken` says which rule it breaks, if any."""

    def __init__(self, setting, inputs, targets):
        k, half = setting.pairs, setting.vocabulary // 2
        self.inputs, self.broken = inputs, None
        self.keys, self.values = inputs[:, 0:2 * k:2], inputs[:, 1:2 * k:2]
        asked = targets != -100
        rules = {
            'the shape is [count, N]': inputs.shape == targets.shape == (setting.count, setting.length),
            'keys are of the lower half, without 0': ((1 <= self.keys) & (self.keys < half)).all(),
            'values are of the upper half': ((half <= self.values) & (self.values < 2 * half)).all(),
            'the keys of an instance differ': (np.diff(np.sort(self.keys)) > 0).all(),
            'its values differ': (np.diff(np.sort(self.values)) > 0).all(),
            'nothing is asked among the pairs': not asked[:, :2 * k].any(),
            'queries stand at even places': not asked[:, 1::2].any(),
            'each key is asked once': (asked.sum(axis=1) == k).all(),
        }
        if all(rules.values()):
            places = np.nonzero(asked)[1].reshape(-1, k)
            queries = np.take_along_axis(inputs, places, axis=1)
            which = (queries[:, :, None] == self.keys[:, None, :])  # [count, query, pair]
            rules['a query is a key'] = (which.sum(axis=2) == 1).all()
            pair = which.argmax(axis=2)
            rules['the label is the value'] = (np.take_along_axis(targets, places, axis=1) ==
                                               np.take_along_axis(self.values, pair, axis=1)).all()
            self.slots = np.zeros_like(places)  # by pair
            np.put_along_axis(self.slots, pair, (places - 2 * k) // 2, axis=1)
            self.filler = ~asked
            self.filler[:, :2 * k] = False
        self.broken = next((rule for rule, holds in rules.items() if not holds), None)


def histogram(x, low, high, bins):
    return np.histogram(x, bins=bins, range=(low, high))[0]


def tests(setting, ours, theirs):
    """Yields (name, p-value)."""
    k, half = setting.pairs, setting.vocabulary // 2
    p = weights(setting)
    bins = min(64, half - 1)
    for i in range(k):
        yield (f'key {i}', same_counts(histogram(ours.keys[:, i], 1, half, bins),
                                       histogram(theirs.keys[:, i], 1, half, bins)))
        yield (f'value {i}', same_counts(histogram(ours.values[:, i], half, 2 * half, bins),
                                         histogram(theirs.values[:, i], half, 2 * half, bins)))
        yield (f'slot {i}', same_counts(np.bincount(ours.slots[:, i], minlength=len(p)),
                                        np.bincount(theirs.slots[:, i], minlength=len(p))))
        yield f'slot {i}, KS', kolmogorov_smirnov(ours.slots[:, i], theirs.slots[:, i])
        yield f'key and value {i}', independent(ours.keys[:, i], ours.values[:, i], 8)
        yield f'key and slot {i}', independent(ours.keys[:, i], ours.slots[:, i], 8)
    yield 'first slot, formula', fits(np.bincount(ours.slots[:, 0], minlength=len(p)), p)
    for i, j in ((0, 1), (0, k - 1), (k - 2, k - 1)):
        pairs = [np.bincount(x.slots[:, i] * len(p) + x.slots[:, j], minlength=len(p) ** 2)
                 for x in (ours, theirs)]
        yield f'slots {i} and {j}', same_counts(*pairs)
        yield f'keys {i} and {j}, KS', kolmogorov_smirnov(ours.keys[:, i] - ours.keys[:, j],
                                                          theirs.keys[:, i] - theirs.keys[:, j])
    gaps = [(x.slots * 2 + 2 * k - 2 * np.arange(k)).ravel() for x in (ours, theirs)]
    yield 'gaps of all queries, KS', kolmogorov_smirnov(*gaps)
    if setting.random_fillers:
        free = [x.inputs[x.filler & ~(x.inputs[:, :, None] == x.keys[:, None, :]).any(axis=2)]
                for x in (ours, theirs)]
        counts = [np.bincount(x, minlength=setting.vocabulary) for x in free]
        yield 'fillers that are no key', same_counts(*counts)


def compare(setting, ours, theirs):
    """What differs, as lines; and how many tests were made."""
    a, b = Parts(setting, *ours), Parts(setting, *theirs)
    assert b.broken is None, f'the reference itself: {b.broken}'
    if a.broken:
        return [f'not so: {a.broken}'], 1
    fillers = a.inputs[a.filler]
    if not setting.random_fillers and fillers.any():
        return ['not so: fillers are 0'], 1
    if setting.random_fillers:  # the difference that is meant
        own_key = (a.inputs[:, :, None] == a.keys[:, None, :]).any(axis=2)
        if (own_key & a.filler).any():
            return ['not so: a filler is never a key of the instance'], 1
    results = list(tests(setting, a, b))
    return [f'{name}: p = {p:.1e}' for name, p in results if p < LEVEL], len(results)


# --------------------------------------------------------------------------------------- self-test

def mutants(program, setting, inputs, targets):
    """(what is wrong, inputs, targets)."""
    k, half = setting.pairs, setting.vocabulary // 2
    shifted = targets.copy()
    shifted[:, 1:] = targets[:, :-1]
    yield 'labels one token late', inputs, shifted
    wrong = setting.changed(power_a=setting.power_a + 0.15)
    yield f'power_a = {wrong.power_a:.2f}', *draw_ours(program, wrong, 5)
    yield 'keys below 97 % of their range', *draw_reference(setting, 5, key_end=half * 97 // 100)
    filled = inputs.copy()
    filled[7, 2 * k + np.nonzero(inputs[7, 2 * k:] == 0)[0][0]] = half
    yield 'one filler that is not blank', filled, targets
    tied_inputs, tied_targets = inputs.copy(), targets.copy()
    tied_inputs[np.argsort(inputs[:, 0]), 1] = np.sort(inputs[:, 1])
    clash = (tied_inputs[:, 3:2 * k:2] == tied_inputs[:, 1:2]).any(axis=1)
    tied_inputs[clash, 1] = inputs[clash, 1]
    label = targets == inputs[:, 1:2]
    tied_targets[label] = np.broadcast_to(tied_inputs[:, 1:2], targets.shape)[label]
    yield 'a first value that grows with its key', tied_inputs, tied_targets


def main():
    program = sys.argv[1]
    assert abs(chi_square_tail(124.342, 100) - 0.05) < 1e-3  # from a table
    assert abs(chi_square_tail(29.588, 10) - 0.001) < 2e-4
    assert abs(kolmogorov_smirnov(np.arange(100), np.arange(100) + 27) - 0.0013) < 3e-4
    failed = 0
    for seed, setting in enumerate(SETTINGS):
        theirs = draw_reference(setting, 1000 + seed)
        ours = draw_ours(program, setting, seed)
        different, made = compare(setting, ours, theirs)
        print(f'{setting}: {setting.count} instances of each, {made} tests, {len(different)} failed')
        for line in different:
            print('  ' + line)
        failed += len(different)
        if seed == 0:
            few = setting.changed(count=6000)
            sample = [x[:few.count] for x in theirs]
            for what, inputs, targets in mutants(program, few, *(x[:few.count] for x in ours)):
                found, _ = compare(few, (inputs, targets), sample)
                print(f'  with {what}: ' + (found[0] if found else 'NOT NOTICED'))
                failed += not found
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
