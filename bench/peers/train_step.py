#!/usr/bin/python3
"""One training step of the same model on the same data: Separatrix against PyTorch, on this CPU.

    bench/peers/train_step.py --program build/release/separatrix
    bench/peers/train_step.py --program ... --model lstm --json
    bench/peers/train_step.py --program ... --table docs/performance.md

--table times every row of the list below and writes them between two marks of that file, and between two
more what fraction of the machine's peak each family reaches (--limits: only that).

Both sides first compute the logits of the same weights on the same inputs; they must agree. Then
they are timed in turns, in random order, each at its best number of threads: forward, loss,
backward, AdamW. Reported are the median over the rounds and the spread between its quartiles.

PyTorch runs in several ways: `usual`, as people write it (every position computed, then the loss where it is
asked), and `trimmed`, with the work removed whose result nobody reads (last query, last MLP row). Other
models than transformer and lstm are the modules of tools/torch_blocks, which loop over time, and
where people know a faster form (torch_variants.py), that, too.
Needs python3-torch, python3-numpy and libopenblas0-pthread (tools/install-deps all).
"""

import argparse
import itertools
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import numpy
import torch
from torch.nn import functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'tools'))
from load_in_torch import load  # noqa: E402
from torch_models import Lstm, Transformer  # noqa: E402
from torch_variants import VARIANTS  # noqa: E402

# What --table measures: model, layers, width, length, positions that are read, and the ratios to
# PyTorch as usually written (in its ways) that are the aim.
ROWS = [
    ('transformer', 1, 64, 20, 'last', {'usual': 15, 'trimmed': 4}),
    ('transformer', 1, 64, 100, 'last', {'usual': 30, 'trimmed': 6}),
    ('transformer', 1, 64, 200, 'last', {'usual': 30, 'trimmed': 6}),
    ('transformer', 1, 64, 400, 'last', {'usual': 30, 'trimmed': 6}),
    ('transformer', 2, 64, 100, 'all', {'usual': 3.5}),
    ('transformer', 2, 256, 200, 'all', {'usual': 3}),
    ('lstm', 1, 64, 100, 'last', {'usual': 3}),
    ('lstm', 1, 256, 100, 'last', {'usual': 2.5}),
    ('mamba', 1, 64, 100, 'last', {'loop': 30, 'cumulative': 5}),
    ('retnet', 1, 64, 100, 'last', {'parallel': 5}),
    ('rwkv', 1, 64, 100, 'last', {'loop': 5}),
    ('s4d', 1, 64, 100, 'last', {'fft': 5}),
    ('gated-delta-net', 1, 64, 100, 'last', {'loop': 5}),
]
# Of which models the second table says how far they are from the machine's limit.
FAMILIES = ['transformer', 'lstm', 'gru', 'rnn', 'mamba', 's4d', 'dss', 'retnet', 'rwkv', 'linear-attention',
            'delta-net', 'gated-delta-net', 'aaren']
BEGIN, END = '<!-- begin: train_step.py --table, {} -->', '<!-- end -->'

ALPHABET = 64  # index lookup: `length` symbols of it, then a position


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--program', required=True, help='separatrix, release build')
    parser.add_argument('--model', default='transformer', help='one of `separatrix list models`')
    parser.add_argument('--layers', type=int, default=1)
    parser.add_argument('--d-model', type=int, default=64)
    parser.add_argument('--heads', type=int, default=1)
    parser.add_argument('--length', type=int, default=100)
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--steps', type=int, default=20, help='steps per contender and round')
    parser.add_argument('--allow-slow-blas', action='store_true')
    parser.add_argument('--live', choices=['all', 'last'], nargs='+', default=['all', 'last'])
    parser.add_argument('--table', metavar='FILE', help='time every row and write them into FILE')
    parser.add_argument('--limits', metavar='FILE', help='only the second table: our fraction of the peak')
    parser.add_argument('--json', action='store_true')
    return parser.parse_args()


def blas_of_torch():
    """The library that PyTorch multiplies with: the reference BLAS would be no opponent."""
    torch.ones(8, 8) @ torch.ones(8, 8)
    with open('/proc/self/maps', encoding='utf-8') as maps:
        paths = {line.split()[-1] for line in maps if 'blas' in line.rsplit('/', 1)[-1]}
    return ', '.join(sorted(os.path.basename(os.path.realpath(path)) for path in paths))


# --------------------------------------------------------------------------- the same function

def draw_batch(options):
    """Tokens [batch, length + 1], the class asked at the last one, and classes for every one."""
    generator = torch.Generator().manual_seed(1)
    draw = lambda high, *shape: torch.randint(high, shape, generator=generator)
    symbols = draw(ALPHABET, options.batch, options.length)
    place = draw(options.length, options.batch, 1)
    tokens = torch.cat([symbols, place + ALPHABET], dim=1)
    return tokens, symbols.gather(1, place)[:, 0], draw(ALPHABET, options.batch, options.length + 1)


class Loaded:
    """A model file of Separatrix as PyTorch module, its blocks written in one of several ways."""

    def __init__(self, path, way):
        self.path, self.module = path, load(path)
        for layer in self.module.layers:
            forward = VARIANTS.get(layer.block, {}).get(way)
            if forward is not None:
                block = getattr(layer, layer.block)
                block.forward = forward.__get__(block)

    def __call__(self, tokens, only_last=False):
        return self.module(tokens)

    def parameters(self):
        return [p for p in self.module.parameters() if p.requires_grad]


def ways_of(options):
    """How PyTorch is written."""
    if options.model in ('transformer', 'lstm'):
        return ['usual', 'trimmed']
    with tempfile.TemporaryDirectory() as folder:
        blocks = {layer.block for layer in load(trained_file(options, folder)).layers}
    return ['loop'] + [way for block in sorted(blocks) for way in VARIANTS.get(block, {})]


def trained_file(options, folder):
    path = os.path.join(folder, 'model.safetensors')
    command = [options.program, 'train', 'index-lookup', '--length', str(options.length), '--alphabet', str(ALPHABET),
               '--model', options.model, '--layers', str(options.layers), '--d-model', str(options.d_model),
               '--steps', '20', '--quiet', '-o', path]
    done = subprocess.run(command, stdout=subprocess.DEVNULL)
    if done.returncode not in (0, 1):  # 1: the task is not solved, of course
        sys.exit(f'{" ".join(command)} ended with {done.returncode}')
    return path


def make_torch(options, way='usual'):
    if options.model not in ('transformer', 'lstm'):
        with tempfile.TemporaryDirectory() as folder:
            return Loaded(trained_file(options, folder), way)
    torch.manual_seed(0)
    family = {'transformer': Transformer, 'lstm': Lstm}[options.model]
    return family(vocab=ALPHABET + options.length, classes=ALPHABET, width=options.d_model,
                  layers=options.layers, heads=options.heads, length=options.length + 1)


def write_safetensors(path, tensors, metadata):
    header, blobs, at = {'__metadata__': metadata}, [], 0
    for name, array in tensors.items():
        blob = numpy.ascontiguousarray(array, dtype='<f4').tobytes()
        header[name] = {'dtype': 'F32', 'shape': list(array.shape),
                        'data_offsets': [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + b''.join(blobs))


def model_spec(options):
    spec = {'vocab_size': ALPHABET + options.length, 'n_classes': ALPHABET,
            'd_model': options.d_model, 'max_length': options.length + 1}
    if options.model == 'lstm':
        return spec | {'positions': 'none', 'norm': 'none',
                       'layers': [{'block': 'lstm', 'residual': False}] * options.layers}
    attention = {'block': 'attention', 'config': {'n_heads': options.heads, 'causal': True}}
    mlp = {'block': 'mlp', 'config': {'d_ff': 4 * options.d_model, 'activation': 'gelu'}}
    return spec | {'positions': 'learned', 'norm': 'layer', 'layers': [attention, mlp] * options.layers}


def predicted(options, path, tokens):
    lines = ''.join(json.dumps({'tokens': row}) + '\n' for row in tokens.tolist())
    done = subprocess.run([options.program, 'predict', path], input=lines, text=True,
                          stdout=subprocess.PIPE, check=True)
    return torch.tensor([json.loads(line)['logits'][-1] for line in done.stdout.splitlines()])


def compare(options, batch):
    """Largest difference of the logits at the last token over all ways, and the two losses."""
    tokens, asked, _ = batch
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        if options.model in ('transformer', 'lstm'):
            model = make_torch(options)
            path = os.path.join(folder, 'model.safetensors')
            write_safetensors(path, model.weights(), {
                'separatrix.spec': json.dumps(model_spec(options)), 'separatrix.format': '1',
                'separatrix.provenance': '{}'})
            outputs = [model(tokens)[:, -1], model(tokens, only_last=True)[:, -1]]
        else:
            path = trained_file(options, folder)
            outputs = [Loaded(path, way)(tokens)[:, -1] for way in ways_of(options)]
        logits = predicted(options, path, tokens)
    scale = max(outputs[0].abs().max().item(), 1)
    result = {'logits_difference': max((logits - each).abs().max().item() for each in outputs),
              'loss_torch': F.cross_entropy(outputs[0], asked).item(),
              'loss_separatrix': F.cross_entropy(logits, asked).item()}
    if not result['logits_difference'] <= 1e-4 * scale:
        sys.exit(f'the sides compute different functions: {result}')
    return result


# ---------------------------------------------------------------------------------------- timing

class TorchStep:
    """One way of writing the step, with its own copy of the model and optimiser."""

    def __init__(self, options, live, way, batch, threads, foreach):
        self.live, self.way, self.threads = live, way, threads
        self.model = make_torch(options, way)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=0.0,
                                           foreach=foreach)
        self.tokens, self.asked, self.everywhere = batch

    def loss(self):
        if self.live == 'all':
            return F.cross_entropy(self.model(self.tokens).flatten(0, 1), self.everywhere.flatten())
        if self.way != 'trimmed':
            return F.cross_entropy(self.model(self.tokens)[:, -1], self.asked)
        return F.cross_entropy(self.model(self.tokens, only_last=True)[:, -1], self.asked)

    def milliseconds(self, steps):
        torch.set_num_threads(self.threads)
        times = []
        for step in range(steps + 2):
            begin = time.perf_counter()
            self.optimizer.zero_grad(set_to_none=True)
            self.loss().backward()
            self.optimizer.step()
            if step >= 2:  # the first ones warm the caches
                times.append(1e3 * (time.perf_counter() - begin))
        return statistics.median(times)


class SeparatrixStep:
    def __init__(self, options, live, threads):
        self.live, self.way, self.threads = live, 'separatrix', threads
        self.command = [options.program, 'bench', 'train-step', '--json']
        for name in ('model', 'layers', 'd_model', 'length', 'batch'):
            self.command += ['--' + name.replace('_', '-'), str(getattr(options, name))]
        if options.heads != 1:
            self.command += ['--heads', str(options.heads)]
        self.command += ['--live', live, '--threads', str(threads)]
        self.report = {}

    def milliseconds(self, steps):
        done = subprocess.run(self.command + ['--repetitions', str(max(1, steps // 2))], text=True, check=True,
                              stdout=subprocess.PIPE)
        self.report = json.loads(done.stdout)
        return self.report['ms_per_step']


def best(contenders):
    """The fastest of a few variants (threads, optimiser loops) by a short trial of each."""
    return min(contenders, key=lambda contender: contender.milliseconds(3))


def contenders_of(options, batch):
    cores = os.cpu_count() or 1
    threads = sorted({1, min(2, cores), cores})
    found = []
    for live in options.live:
        found.append(best([SeparatrixStep(options, live, n) for n in threads]))
        for way in ways_of(options):
            if live == 'all' and way == 'trimmed':
                continue
            found.append(best([TorchStep(options, live, way, batch, n, foreach)
                               for n, foreach in itertools.product(threads, (False, True))]))
    return found


def measure(options, contenders):
    samples = {contender: [] for contender in contenders}
    order = random.Random(0)
    for _ in range(options.rounds):
        for contender in order.sample(contenders, len(contenders)):
            samples[contender].append(contender.milliseconds(options.steps))
    rows = []
    for contender, values in samples.items():
        low, middle, high = statistics.quantiles(values, n=4)
        rows.append({'live': contender.live, 'way': contender.way, 'threads': contender.threads,
                     'ms_per_step': middle, 'quartiles': [low, high]})
    ours = {row['live']: row['ms_per_step'] for row in rows if row['way'] == 'separatrix'}
    for row in rows:
        row['ratio'] = row['ms_per_step'] / ours[row['live']]
    return rows


def run(options):
    """One model: agreement and rows."""
    batch = draw_batch(options)
    return compare(options, batch), measure(options, contenders_of(options, batch))


def shown(options, agreement, rows):
    lines = [f'{options.model}, {options.layers} layer(s), d_model {options.d_model}, length '
             f'{options.length}, batch {options.batch}',
             f'same function: logits differ by at most {agreement["logits_difference"]:.1e}; losses '
             f'{agreement["loss_torch"]:.6f} and {agreement["loss_separatrix"]:.6f}',
             f'{"live":6}{"side":20}{"threads":>8}{"ms/step":>10}{"quartiles":>16}{"ratio":>8}']
    for row in rows:
        side = row['way'] if row['way'] == 'separatrix' else 'PyTorch, ' + row['way']
        lines.append(f'{row["live"]:6}{side:20}{row["threads"]:8}{row["ms_per_step"]:10.2f}'
                     f'{row["quartiles"][0]:8.2f}{row["quartiles"][1]:8.2f}{row["ratio"]:8.1f}')
    return '\n'.join(lines)


def write_table(options, versions):
    """Every row of ROWS between MARKS of a Markdown file."""
    lines = ['| model | layers, width | N | read | ours, ms | PyTorch, ms | ratio | aim |',
             '|---|---|---|---|---|---|---|---|']
    spread = lambda row: f'{row["ms_per_step"]:.2f} ({row["quartiles"][0]:.2f} to {row["quartiles"][1]:.2f})'
    for model, layers, width, length, live, aims in ROWS:
        options.model, options.layers, options.d_model = model, layers, width
        options.length, options.live = length, [live]
        _, rows = run(options)
        ours = next(row for row in rows if row['way'] == 'separatrix')
        for row in rows:
            if row is not ours:
                lines.append(f'| {model} | {layers}, {width} | {length} | {live} | {spread(ours)} | '
                             f'{row["way"]}: {spread(row)} | {row["ratio"]:.1f} | {aims.get(row["way"], "-")} |')
                print(lines[-1], flush=True)
    lines.append(f'\nMedians and quartiles of {options.rounds} rounds; {versions}.')
    write_between(options.table, 'ratios', lines)


def write_limits(options, path):
    """Operations, the time they would take at the peak, and what a step takes."""
    threads = min(2, os.cpu_count() or 1)
    lines = ['| model | read | parameters | useful GFLOP | at the peak, ms | a step, ms | of the peak |',
             '|---|---|---|---|---|---|---|']
    for model, live in itertools.product(FAMILIES, ('last', 'all')):
        options.model = model
        command = [options.program, 'bench', 'train-step', '--json', '--model', model, '--live', live, '--length',
                   str(options.length), '--d-model', str(options.d_model), '--threads', str(threads)]
        report = json.loads(subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE).stdout)
        work = report['gflops'] * report['ms_per_step'] / 1e3
        lines.append(f'| {model} | {live} | {report["parameters"]} | {work:.2f} | {1e3 * work / report["peak_gflops"]:.2f} | '
                     f'{report["ms_per_step"]:.2f} | {100 * report["fraction_of_peak"]:.0f} % |')
        print(lines[-1], flush=True)
    lines.append(f'\nIndex lookup, N = {options.length}, batch 64, width {options.d_model}, {threads} threads.')
    write_between(path, 'limits', lines)


def write_between(path, what, lines):
    with open(path, encoding='utf-8') as file:
        before, rest = file.read().split(BEGIN.format(what))
    after = rest.split(END, 1)[1]
    with open(path, 'w', encoding='utf-8') as file:
        file.write(before + BEGIN.format(what) + '\n' + '\n'.join(lines) + '\n' + END + after)


def main():
    options = parse_options()
    if options.limits:
        return write_limits(options, options.limits)
    blas = blas_of_torch()
    if 'openblas' not in blas and not options.allow_slow_blas:
        sys.exit(f'PyTorch multiplies with {blas or "an unknown library"}, about ten times slower than '
                 'OpenBLAS: install libopenblas0-pthread, or pass --allow-slow-blas')
    versions = f'PyTorch {torch.__version__}, {blas}'
    if options.table:
        write_limits(options, options.table)
        return write_table(options, versions)
    agreement, rows = run(options)
    if options.json:
        print(json.dumps({'torch': torch.__version__, 'blas': blas, 'agreement': agreement,
                          'rounds': options.rounds, 'steps': options.steps, 'rows': rows}))
        return
    print(versions)
    print(shown(options, agreement, rows))


if __name__ == '__main__':
    main()
