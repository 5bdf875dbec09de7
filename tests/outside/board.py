#!/usr/bin/env python3
"""What `separatrix run` draws on a terminal, says into a pipe, and leaves out with --quiet.

board.py PROGRAM. The terminal is a pseudo-terminal whose size is changed while the program draws.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

EXPERIMENT = """\
task: index-lookup
task_config: {alphabet: 8}
length: 16
model: {family: transformer, d_model: 32}
train: {steps: STEPS, lr: [1e-3, 3e-3], eval_every: 20, eval_examples: 64, final_examples: 64, target_accuracy: 0}
seed: [0, 1, 2]
"""


def run_on_terminal(command, sizes):
    """-> exit code, and what was drawn at each (rows, columns). The run is stopped by Ctrl-C after that."""
    master, slave = pty.openpty()
    drawn, seen = [], 0

    def resize(rows, columns):
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    resize(*sizes[0])
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=slave)
    data, stopped = b'', False
    while process.poll() is None:
        if select.select([master], [], [], 0.05)[0]:
            data += os.read(master, 65536)
        if data.count(b'trials') < 4 or (seen == 0 and b'steps/s' not in data):
            continue
        if seen + 1 == len(sizes):
            if not stopped:  # a second Ctrl-C would end it at once
                process.send_signal(signal.SIGINT)
            stopped = True
        else:
            drawn.append(data)
            data, seen = b'', seen + 1
            resize(*sizes[seen])
            time.sleep(0.3)
            while select.select([master], [], [], 0)[0]:  # drawn before the size changed, or as it did
                os.read(master, 65536)
    while select.select([master], [], [], 0.1)[0]:
        data += os.read(master, 65536)
    drawn.append(data)
    return process.returncode, [part.decode() for part in drawn]


def frames(text):
    """The groups of lines between two cursor movements."""
    for frame in re.split(r'\r\x1b\[\d+A', text):
        yield [re.sub(r'\x1b\[\w+', '', line).rstrip('\r') for line in frame.split('\n') if '\x1b[2K' in line]


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix='separatrix-board-') as folder:
        os.chdir(folder)
        for name, steps in (('endless', 10**7), ('short', 200)):  # endless: on any machine until Ctrl-C
            with open(f'{name}.yaml', 'w') as file:
                file.write(EXPERIMENT.replace('STEPS', str(steps)))
        sizes = [(24, 120), (5, 60), (24, 30)]
        command = [program, 'run', 'endless.yaml', '--threads', '6', '--store']
        code, drawn = run_on_terminal(command + ['terminal.db'], sizes)
        assert code == 130, (code, drawn)
        assert len(drawn) == len(sizes), f'ended after {len(drawn)} sizes'
        for (rows, columns), text in zip(sizes, drawn):
            shown = [frame for frame in frames(text) if frame]
            assert shown, f'nothing at {rows} x {columns}'
            for frame in shown:
                assert len(frame) < rows, frame
                assert all(len(line) < columns for line in frame), frame
                assert '%' in frame[-1], frame
        wide, low, narrow = drawn
        assert re.search(r'attention.*width 32.*seed \d: step \d+/10000000, loss \d\.\d+', wide), wide
        assert re.search(r'steps/s, [^\n]* left', wide), wide
        assert re.search(r'\[[#.]+\] +\d+ %, \d of 6 trials', wide), wide
        assert re.search(r'\.\.\. and \d more trials at work', low), low
        assert 'goes on' in narrow.split('\x1b[J')[-1], 'the board was left on the screen: ' + narrow[-200:]

        command[2] = 'short.yaml'

        piped = subprocess.run(command + ['piped.db'], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert b'\x1b' not in piped.stderr and b'\r' not in piped.stderr, piped.stderr
        assert piped.returncode == 0
        quiet = subprocess.run(command + ['quiet.db', '--quiet'], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert quiet.returncode == 0 and quiet.stderr == b'', quiet.stderr
    print('drawn within every size, cleared at the end; plain in a pipe; silent with --quiet')


main()
