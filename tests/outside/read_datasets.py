#!/usr/bin/env python3
"""Reads what `separatrix sample --format ... -o PATH` writes, as its users will.

    read_datasets.py build/dev/separatrix

The loaders are those of docs/data.md, taken from that page and run. jsonl is the yardstick: the same
seed gives the same instances in every format."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

try:
    import numpy as np
    import torch
except ImportError as error:
    debian = '/usr/bin/python3'  # has Debian's packages, whichever python3 comes first in PATH
    if sys.executable != debian and os.path.exists(debian):
        os.execv(debian, [debian, *sys.argv])
    print(f'skipped: {error} (tools/install-deps torch installs it)')
    sys.exit(77)

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(sys.argv[1])


def sample(*arguments):
    return subprocess.run([PROGRAM, 'sample', *map(str, arguments)], check=True,
                          capture_output=True, text=True).stdout


def drawn(*arguments):
    """(inputs, targets) by the jsonl format; -100 where nothing is asked."""
    lines = [json.loads(line) for line in sample(*arguments, '--format', 'jsonl').splitlines()]
    targets = np.array([line['targets'] for line in lines])
    return np.array([line['tokens'] for line in lines]), np.where(targets < 0, -100, targets)


def snippets():
    """{heading: python} of docs/data.md: the blocks under each heading, joined."""
    found, heading = {}, None
    text = (SOURCE / 'docs' / 'data.md').read_text()
    for part in re.finditer(r'^#+ ([^\n]+)$|^```python\n(.*?)^```$', text, re.M | re.S):
        if part[1]:
            heading = part[1]
        else:
            found[heading] = found.get(heading, '') + part[2]
    return found


def test_npz():
    task = ('mqar', '--length', 64, '--count', 300, '--seed', 5)
    sample(*task, '--format', 'npz', '-o', 'train.npz')
    inputs, targets = drawn(*task)
    with zipfile.ZipFile('train.npz') as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ['inputs.npy', 'targets.npy', 'lengths.npy', 'spec.npy']
    with np.load('train.npz') as data:  # allow_pickle is off
        assert data['inputs'].dtype == data['targets'].dtype == np.int64
        assert (data['inputs'] == inputs).all() and (data['targets'] == targets).all()
        assert (data['lengths'] == np.full(300, 64)).all()
        spec = json.loads(str(data['spec']))
    assert spec['task'] == 'mqar' and spec['seed'] == 5 and spec['task_config']['pairs'] == 4, spec
    first = pathlib.Path('train.npz').read_bytes()
    sample(*task, '--format', 'npz', '-o', 'train.npz')
    assert first == pathlib.Path('train.npz').read_bytes(), 'the same bytes every time'
    # More than one buffer of 1 MiB, and rows that do not divide it.
    sample('index-lookup', '--length', 36, '--count', 5000, '--format', 'npz', '-o', 'large.npz')
    with np.load('large.npz') as data:
        inputs, targets = drawn('index-lookup', '--length', 36, '--count', 5000)
        assert (data['inputs'] == inputs).all() and (data['targets'] == targets).all()


def test_every_task():
    listed = json.loads(subprocess.run([PROGRAM, 'list', 'tasks', '--json'], check=True,
                                       capture_output=True, text=True).stdout)
    lengths = {'mqar': 16}
    needs_files = {'table', 'program', 'sparse-features'}
    for name in (task['name'] for task in listed):
        if name in needs_files:
            continue
        task = (name, '--length', lengths.get(name, 8), '--count', 20)
        sample(*task, '--format', 'npz', '-o', 'a.npz')
        with np.load('a.npz') as data:
            inputs, targets = drawn(*task)
            assert (data['inputs'] == inputs).all() and (data['targets'] == targets).all(), name


def test_split():
    task = ('string-equality', '--length', 10, '--count', 600, '--holdout', 4, '--seed', 3)
    parts = {split: {tuple(row) for row in drawn(*task, '--split', split)[0]}
             for split in ('train', 'test')}
    assert len(parts['train']) > 100 and len(parts['test']) > 30
    assert not parts['train'] & parts['test'], 'no input is of both'
    every = {tuple(row) for row in drawn(*task, '--split', 'any')[0]}
    assert every & parts['train'] and every & parts['test']


def test_loaders():
    """The code of docs/data.md, on files as the page makes them."""
    code = snippets()
    sample('mqar', '--length', 64, '--count', 200, '--split', 'train', '--format', 'npz', '-o', 'train.npz')
    names = {}
    exec(code['npz: NumPy, PyTorch, JAX'], names)
    loss, batch = names['loss'], next(iter(names['loader']))
    assert batch[0].shape == (64, 64) and batch[0].dtype == torch.int64
    assert abs(float(loss.detach()) - np.log(8192)) < 1, float(loss)

    sample('mqar', '--length', 64, '--count', 200, '--split', 'train', '--format', 'zoology', '-o', 'train.pt')
    stand_in_for_zoology()
    exec(code['zoology: the DataSegment of Zoology'], names)
    segment = names['segment']
    inputs, targets = drawn('mqar', '--length', 64, '--count', 200, '--split', 'train')
    assert (segment.inputs.numpy() == inputs).all() and (segment.labels.numpy() == targets).all()
    assert segment.slices == {'input_seq_len': 64, 'num_kv_pairs': 4, 'vocab_size': 8192}
    assert segment.inputs.is_contiguous() and segment.inputs.dtype == torch.int64
    safe = torch.load('train.pt', weights_only=True)
    assert torch.equal(safe['inputs'], segment.inputs)

    sample('bounded-dyck', '--length', 12, '--count', 50, '--format', 'flare', '-o', 'dyck')
    exec(code['flare: strings, membership, next symbols'], names)
    check_flare(names['strings'], names['labels'], names['following'])

    sample('index-lookup', '--length', 8, '--count', 50, '--format', 'jsonl', '-o', 'data.jsonl')
    exec(code['jsonl: one object per line'], names)
    assert (names['tokens'].numpy() == drawn('index-lookup', '--length', 8, '--count', 50)[0]).all()


def stand_in_for_zoology():
    """The two classes of Zoology that the loader on the page names, as far as it uses them."""
    import dataclasses
    import types

    @dataclasses.dataclass
    class DataSegment:
        inputs: torch.Tensor
        labels: torch.Tensor
        slices: dict = None

    class DataSegmentConfig:
        def __init__(self, **fields):
            vars(self).update(fields)

    for name, members in (('zoology', {}), ('zoology.config', {'DataSegmentConfig': DataSegmentConfig}),
                          ('zoology.data', {}), ('zoology.data.utils', {'DataSegment': DataSegment})):
        module = types.ModuleType(name)
        vars(module).update(members)
        sys.modules[name] = module


def follow(prefix, types=2, depth=2):
    """(symbols, may end) after a prefix of Dyck-(types, depth); None when there is no such word."""
    stack = []
    for symbol in prefix:
        if symbol[0] == '(':
            stack.append(symbol[1])
        elif not stack or stack.pop() != symbol[1]:
            return None
        if len(stack) > depth:
            return None
    symbols = {f'({t}' for t in range(types)} if len(stack) < depth else set()
    return symbols | ({')' + stack[-1]} if stack else set()), not stack


def check_flare(strings, labels, following):
    assert len(strings) == len(labels) == 50 and len(following) == sum(labels)
    assert 10 < sum(labels) < 40
    following = iter(following)
    for string, label in zip(strings, labels):
        assert len(string) == 12
        after = follow(string)
        assert label == (after is not None and after[1]), string
        if label:
            positions = next(following)
            assert positions == [follow(string[:t]) for t in range(13)], string


def test_flare_of_automata():
    """Dead ends are no next symbols: an automaton for words without 11 that end in 0."""
    pathlib.Path('dfa.yaml').write_text(
        'states: [even, one, dead]\nalphabet: [0, 1]\nstart: even\n'
        'transitions: {even: {0: even, 1: one}, one: {0: even, 1: dead}, dead: {0: dead, 1: dead}}\n'
        'outputs: {even: yes it is, one: no, dead: no}\n')
    sample('regular', '--dfa', 'dfa.yaml', '--length', 5, '--count', 60, '--format', 'flare', '-o', 'regular')
    lines = [pathlib.Path('regular', name).read_text().splitlines()
             for name in ('main.tok', 'labels.txt', 'next-symbols.jsonl')]
    # The second output named in the file is what counts as a member.
    members = [string for string, label in zip(*lines[:2]) if label == '1']
    for string in lines[0]:
        word = string.replace(' ', '')
        assert (string in members) == (word.endswith('1') or '11' in word), string
    assert 5 < len(members) < 55 and len(lines[2]) == len(members)
    for string, line in zip(members, lines[2]):
        assert [p['s'] for p in json.loads(line)] == ['0 1'] * 6
    sample('bounded-dyck', '--mode', 'next-token', '--length', 12, '--count', 9, '--format', 'flare', '-o', 'words')
    assert pathlib.Path('words', 'labels.txt').read_text() == '1\n' * 9
    strings = [line.split() for line in pathlib.Path('words', 'main.tok').read_text().splitlines()]
    for string, line in zip(strings, pathlib.Path('words', 'next-symbols.jsonl').read_text().splitlines()):
        assert [(set(p['s'].split()), p['e']) for p in json.loads(line)] == \
            [follow(string[:t]) for t in range(13)]
    for task in ('string-equality', 'set-disjointness'):
        sample(task, '--length', 6, '--count', 40, '--format', 'flare', '-o', task)
        assert not pathlib.Path(task, 'next-symbols.jsonl').exists()
        for line, label in zip(*(pathlib.Path(task, name).read_text().splitlines()
                                 for name in ('main.tok', 'labels.txt'))):
            word = line.split()
            left, right = word[:3], word[3:]
            member = left == right if task == 'string-equality' else ('1', '1') not in zip(left, right)
            assert label == str(int(member)), line


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, test in list(globals().items()):
            if name.startswith('test_'):
                test()
                print(name, 'passed')
        assert not [f for f in os.listdir('.') if '.tmp' in f], 'no temporary is left'
        os.chdir('/')
    return 0


if __name__ == '__main__':
    sys.exit(main())
