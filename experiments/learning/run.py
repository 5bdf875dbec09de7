#!/usr/bin/env python3
"""Trains the files of this folder over learning rates and seeds, and prints a Markdown table.

    experiments/learning/run.py --program build/release/separatrix [--jobs 2] [FILE.yaml ...]

A row says what was tried and what came out: how many seeds solved the task at the best learning
rate, after how many steps, and all final accuracies. A first line "# evaluate at N" in a file adds
the accuracy at another length.
"""

import argparse
import concurrent.futures
import json
import pathlib
import re
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def output_of(command):
    """JSON on stdout; exit code 1 says that the task was not solved, which is a result."""
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE)
    if done.returncode not in (0, 1):
        raise SystemExit(f'{" ".join(map(str, command))} ended with {done.returncode}')
    return json.loads(done.stdout)


def train(program, path, lr, seed, folder):
    """-> the report of `train --json`, and the accuracy at the other length, if asked."""
    text = path.read_text()
    text = re.sub(r'\blr: [^,}\s]+', f'lr: {lr}', text)
    text = re.sub(r'(?m)^seed: .*$', f'seed: {seed}', text)
    config, model = folder / f'{path.stem}-{lr}-{seed}.yaml', folder / f'{path.stem}-{lr}-{seed}.safetensors'
    config.write_text(text)
    command = [program, 'train', '--config', config, '--json', '--quiet', '--threads', '1', '-o', model]
    report = output_of(command)
    other = re.search(r'(?m)^# evaluate at (\d+)', text)
    if other:
        task = re.search(r'(?m)^task: (\S+)', text).group(1)
        command = [program, 'evaluate', model, task, '--length', other.group(1), '--json']
        report['at'] = int(other.group(1))
        report['there'] = output_of(command)
    return report


def row(path, lrs, seeds, reports):
    """reports[lr, seed]. The best learning rate has most seeds solved, then the best accuracy."""
    mean = lambda lr: sum(reports[lr, s]['token_accuracy'] for s in seeds) / len(seeds)
    solved = lambda lr: [s for s in seeds if reports[lr, s]['solved']]
    best = max(lrs, key=lambda lr: (len(solved(lr)), mean(lr)))
    steps = ', '.join(str(reports[best, s]['step']) if reports[best, s]['solved'] else '-' for s in seeds)
    accuracy = '; '.join(f'{lr}: ' + ', '.join(f'{100 * reports[lr, s]["token_accuracy"]:.1f}' for s in seeds) for lr in lrs)
    there = ''
    if 'there' in reports[best, seeds[0]]:
        there = f'{reports[best, seeds[0]]["at"]}: ' + ', '.join(
            f'{100 * reports[best, s]["there"]["token_accuracy"]:.1f}' for s in seeds)
    bits = reports[best, seeds[0]].get('state_bits')
    return (f'| {path.stem} | {bits or "-"} | {best} | {len(solved(best))} of {len(seeds)} | {steps} | '
            f'{accuracy} | {there or "-"} |')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('files', nargs='*', type=pathlib.Path)
    parser.add_argument('--program', required=True)
    parser.add_argument('--lrs', default='0.001,0.003')
    parser.add_argument('--seeds', default='0,1')
    parser.add_argument('--jobs', type=int, default=2, help='trainings at once, one thread each')
    options = parser.parse_args()
    lrs, seeds = options.lrs.split(','), [int(s) for s in options.seeds.split(',')]
    print('| experiment | state bits | best lr | solved | steps | final token accuracy, % | at another length, % |')
    print('|---|---|---|---|---|---|---|')
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for path in options.files or sorted(HERE.glob('*.yaml')):
            grid = {(lr, s): pool.submit(train, options.program, path, lr, s, pathlib.Path(folder))
                    for lr in lrs for s in seeds}
            print(row(path, lrs, seeds, {key: future.result() for key, future in grid.items()}), flush=True)


if __name__ == '__main__':
    main()
