#!/usr/bin/env python3
"""Reads what `separatrix export` writes, with the standard library only, and compares the formats.

    read_exports.py build/dev/separatrix

The event files are read as TensorBoard's own reader does: records framed by masked CRC-32C, in them
protocol buffers. The CRC is computed bit by bit, against the check value of its catalogue. The snippets
of docs/data.md are run.
"""

import csv
import json
import math
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(sys.argv[1])


def run(*arguments, code=0):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, (arguments, done.returncode, done.stderr)
    return done.stdout


# ------------------------------------------------------------------------------------- event files

def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


def records(data):
    at = 0
    while at < len(data):
        header = data[at:at + 8]
        length, = struct.unpack('<Q', header)
        check, = struct.unpack_from('<I', data, at + 8)
        assert check == masked(header), 'CRC of the length'
        body = data[at + 12:at + 12 + length]
        check, = struct.unpack_from('<I', data, at + 12 + length)
        assert check == masked(body), 'CRC of the record'
        yield body
        at += 16 + length
    assert at == len(data)


def fields(message):
    """[(number, value)] of a protocol buffer; bytes stay bytes."""
    at, found = 0, []

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        wire = key & 7
        if wire == 0:
            value = varint()
        elif wire == 2:
            size = varint()
            value, at = message[at:at + size], at + size
            assert len(value) == size
        else:
            size, kind = {1: (8, '<d'), 5: (4, '<f')}[wire]
            value, = struct.unpack_from(kind, message, at)
            at += size
        found.append((key >> 3, value))
    return found


def read_events(path):
    """[{'step': ..., 'time': ..., tag: value}] after the version's record."""
    bodies = list(records(path.read_bytes()))
    assert (3, b'brain.Event:2') in fields(bodies[0])
    events = []
    for body in bodies[1:]:
        event = dict(fields(body))
        point = {'time': event[1], 'step': event[2]}
        for number, value in fields(event[5]):
            assert number == 1
            scalar = dict(fields(value))
            point[scalar[1].decode()] = scalar[2]
        events.append(point)
    return events


# ------------------------------------------------------------------------------------------- tests

def same(text, value):
    if value is None:
        return text == ''
    return math.isclose(float(text), value, rel_tol=1e-12, abs_tol=1e-300)


def check_tables(trials, results, lengths):
    assert len(results) == len(trials)
    judged = iter(lengths)
    for line, trial in zip(results, trials):
        spec, result = trial['spec'], trial['result']
        assert None not in line and None not in line.values(), 'as many fields as columns'
        assert (line['trial'], line['experiment'], line['status']) == \
            (trial['trial'], trial['experiment'], trial['status'])
        assert line['task'] == spec['task'] and json.loads(line['task_config']) == spec['task_config']
        assert same(line['lr'], spec['train']['lr']) and int(line['seed']) == spec['seed']
        assert int(line['width']) == spec['model']['d_model']
        assert line['error'] == trial.get('error', '')
        if trial['status'] != 'done':
            assert trial['status'] == 'failed' and line['error'] and line['chance'] == ''
            continue
        metrics = result['metrics'][0]
        for name in ('chance', 'scaled_accuracy', 'cross_entropy', 'bits_recalled', 'state_efficiency',
                     'token_accuracy', 'sequence_accuracy'):
            assert same(line[name], metrics[name]), (name, line[name], metrics[name])
        assert int(line['parameters']) == result['parameters']
        for entry in result['metrics']:
            row = next(judged)
            assert row.pop('trial') == trial['trial'] and row.pop('experiment') == trial['experiment']
            for name, text in row.items():
                assert same(text, entry[name]), (name, text, entry[name])
    assert next(judged, None) is None


def check_events(trials, folder):
    curves = {trial['trial']: trial for trial in trials if trial['curve']}
    assert len(os.listdir(folder)) == len(curves) > 0
    for trial in curves.values():
        path, = folder.glob('*-' + trial['trial'][:12])
        assert re.fullmatch(r'[\w.+-]+', path.name) and 'seed%d' % trial['spec']['seed'] in path.name
        file, = path.iterdir()
        assert 'tfevents' in file.name
        events = read_events(file)
        assert [event['step'] for event in events] == [point['step'] for point in trial['curve']]
        for event, point in zip(events, trial['curve']):
            for tag in ('train_loss', 'token_accuracy', 'sequence_accuracy', 'lr'):
                assert event[tag] == struct.unpack('<f', struct.pack('<f', point[tag]))[0], (tag, event)
        times = [event['time'] for event in events]
        assert times == sorted(times) and math.isclose(times[-1], trial['result']['seconds'])
    broken = bytearray(file.read_bytes())
    broken[-9] ^= 1
    file.write_bytes(broken)
    try:
        read_events(file)
    except AssertionError as error:
        assert 'CRC' in str(error)
    else:
        raise SystemExit('a flipped bit was not noticed: this test tests nothing')


def check_latex(text):
    """What LaTeX would stop at: braces, environments, columns, characters with a meaning."""
    depth, plain = 0, re.sub(r'\\[{}%&#$_]', '', re.sub(r'^%.*$', '', text, flags=re.M))
    for c in plain:
        depth += {'{': 1, '}': -1}.get(c, 0)
        assert depth >= 0
    assert depth == 0 and not re.search('[%#$_^~<>|"]', plain), plain
    stack = []
    for kind, name in re.findall(r'\\(begin|end)\{(\w+)\}', plain):
        if kind == 'begin':
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack
    tables = re.findall(r'\\begin\{tabular\}\{(\w+)\}\n(.*?)\\end\{tabular\}', plain, re.S)
    for columns, body in tables:
        for line in body.splitlines():
            if line.endswith(r'\\'):
                cells = line.count('&') + 1 + sum(int(n) - 1 for n in re.findall(r'multicolumn\{(\d+)\}', line))
                assert cells == len(columns), line
    return tables


def main():
    assert crc32c(b'123456789') == 0xe3069283
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        # Trials that are solved; and some that fail, as the task has too few inputs to hold any out.
        for length, alphabet in ((3, 4), (2, 2)):
            run('separate', 'index-lookup', '--length', length, '--alphabet', alphabet, '--models',
                'transformer', '--store', 's.db', '--quiet', '-o', 'page')
        run('export', '--store', 's.db', '--format', 'jsonl', '-o', 'results.jsonl')
        run('export', '--store', 's.db', '--format', 'csv', '-o', 'results')
        run('export', '--store', 's.db', '--format', 'tensorboard', '-o', 'runs')
        trials = [json.loads(line) for line in open('results.jsonl')]
        experiments = sorted({trial['experiment'] for trial in trials})
        assert len(experiments) == 2 and {trial['status'] for trial in trials} == {'done', 'failed'}
        check_tables(trials, *(list(csv.DictReader(open(f'results/{name}.csv')))
                               for name in ('results', 'lengths')))
        check_events(trials, pathlib.Path('runs'))

        assert run('export', '--store', 's.db') == open('results/results.csv').read()
        assert run('export', '--store', 's.db', '--format', 'jsonl') == open('results.jsonl').read()
        for name in experiments:
            one = run('export', '--store', 's.db', '--format', 'jsonl', '--experiment', name)
            assert [json.loads(line) for line in one.splitlines()] == \
                [trial for trial in trials if trial['experiment'] == name]
            run('report', '--store', 's.db', '--experiment', name, '-o', 'page', '--latex')
            tables = check_latex(open('page/tables.tex').read())
            assert len(tables) == 2, 'the three numbers, and model x (length, width)'

        for block in re.findall(r'^```python\n(.*?)^```$',
                                (SOURCE / 'docs/data.md').read_text().split('\n## Results\n')[1], re.M | re.S):
            names = {}
            exec(block, names)
            if 'best' in names:
                assert float(names['best']['token_accuracy']) > 0.9 and names['by_length']
            else:
                assert len(names['curves']) == len(trials)
        os.chdir('/')
    print(f'{len(trials)} trials, the same in every format')
    return 0


if __name__ == '__main__':
    sys.exit(main())
