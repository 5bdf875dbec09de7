#!/usr/bin/python3
"""One training step of the same model on the same data: Separatrix against PyTorch, on this CPU.

    bench/peers/train_step.py --program build/release/separatrix
    bench/peers/train_step.py --program ... --model lstm --json

Both sides first compute the logits of the same weights on the same inputs; they must agree. Then
they are timed in turns, in random order, each at its best number of threads: forward, loss,
backward, AdamW. Reported are the median over the rounds and the spread between its quartiles.

PyTorch runs in two ways: `usual`, as people write it (every position computed, then the loss where it is
asked), and `trimmed`, with the work removed whose result nobody reads (last query, last MLP row).
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
from torch_models import Lstm, Transformer  # noqa: E402

ALPHABET = 64  # index lookup: `length` symbols of it, then a position


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--program', required=True, help='separatrix, release build')
    parser.add_argument('--model', choices=['transformer', 'lstm'], default='transformer')
    parser.add_argument('--layers', type=int, default=1)
    parser.add_argument('--d-model', type=int, default=64)
    parser.add_argument('--heads', type=int, default=1)
    parser.add_argument('--length', type=int, default=100)
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--steps', type=int, default=20, help='steps per contender and round')
    parser.add_argument('--allow-slow-blas', action='store_true')
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


def make_torch(options):
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


def compare(options, model, batch):
    """Largest difference of the logits at the last token, and the two losses."""
    tokens, asked, _ = batch
    with torch.no_grad():
        ours_reads = model(tokens)[:, -1]
        trimmed = model(tokens, only_last=True)[:, -1]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'model.safetensors')
        write_safetensors(path, model.weights(), {
            'separatrix.spec': json.dumps(model_spec(options)), 'separatrix.format': '1',
            'separatrix.provenance': '{}'})
        lines = ''.join(json.dumps({'tokens': row}) + '\n' for row in tokens.tolist())
        done = subprocess.run([options.program, 'predict', path], input=lines, text=True,
                              stdout=subprocess.PIPE, check=True)
    logits = torch.tensor([json.loads(line)['logits'][-1] for line in done.stdout.splitlines()])
    result = {'logits_difference': (logits - ours_reads).abs().max().item(),
              'trimmed_difference': (trimmed - ours_reads).abs().max().item(),
              'loss_torch': F.cross_entropy(ours_reads, asked).item(),
              'loss_separatrix': F.cross_entropy(logits, asked).item()}
    scale = ours_reads.abs().max().item()
    if max(result['logits_difference'], result['trimmed_difference']) > 1e-4 * max(scale, 1):
        sys.exit(f'the two sides compute different functions: {result}')
    return result


# ---------------------------------------------------------------------------------------- timing

class TorchStep:
    """One way of writing the step, with its own copy of the model and optimiser."""

    def __init__(self, options, live, way, batch, threads, foreach):
        self.live, self.way, self.threads = live, way, threads
        self.model = make_torch(options)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=0.0,
                                           foreach=foreach)
        self.tokens, self.asked, self.everywhere = batch

    def loss(self):
        if self.live == 'all':
            return F.cross_entropy(self.model(self.tokens).flatten(0, 1), self.everywhere.flatten())
        if self.way == 'usual':
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
        if options.model == 'transformer':
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
    return min(contenders, key=lambda contender: min(contender.milliseconds(5) for _ in range(2)))


def contenders_of(options, batch):
    cores = os.cpu_count() or 1
    threads = sorted({1, min(2, cores), cores})
    found = []
    for live in ('all', 'last'):
        found.append(best([SeparatrixStep(options, live, n) for n in threads]))
        for way in ('usual',) if live == 'all' else ('usual', 'trimmed'):
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


def main():
    options = parse_options()
    blas = blas_of_torch()
    if 'openblas' not in blas and not options.allow_slow_blas:
        sys.exit(f'PyTorch multiplies with {blas or "an unknown library"}, about ten times slower than '
                 'OpenBLAS: install libopenblas0-pthread, or pass --allow-slow-blas')
    batch = draw_batch(options)
    agreement = compare(options, make_torch(options), batch)
    rows = measure(options, contenders_of(options, batch))
    if options.json:
        print(json.dumps({'torch': torch.__version__, 'blas': blas, 'agreement': agreement,
                          'rounds': options.rounds, 'steps': options.steps, 'rows': rows}))
        return
    print(f'{options.model}, {options.layers} layer(s), d_model {options.d_model}, length '
          f'{options.length}, batch {options.batch}; PyTorch {torch.__version__}, {blas}')
    print(f'same function: logits differ by at most {agreement["logits_difference"]:.1e}; losses '
          f'{agreement["loss_torch"]:.6f} and {agreement["loss_separatrix"]:.6f}')
    print(f'{"live":6}{"side":20}{"threads":>8}{"ms/step":>10}{"quartiles":>16}{"ratio":>8}')
    for row in rows:
        side = row['way'] if row['way'] == 'separatrix' else 'PyTorch, ' + row['way']
        print(f'{row["live"]:6}{side:20}{row["threads"]:8}{row["ms_per_step"]:10.2f}'
              f'{row["quartiles"][0]:8.2f}{row["quartiles"][1]:8.2f}{row["ratio"]:8.1f}')


if __name__ == '__main__':
    main()
