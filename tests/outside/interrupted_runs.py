#!/usr/bin/env python3
"""Runs an experiment undisturbed, then disturbed in the worst ways, and compares the stores.

    interrupted_runs.py PROGRAM kills   twenty SIGKILLs at random moments, then once to the end
    interrupted_runs.py PROGRAM four    four processes on one store: no trial is run twice
    interrupted_runs.py PROGRAM copy    a store copied while it is written to; a store without a table
    interrupted_runs.py PROGRAM mpi     four ranks of mpirun; then with one of them killed

Equal means: the same trials in the same order with the same status, results, curves and weights files,
byte for byte, but for the two figures that only the clock decides. Shares no code with the program.
"""
import hashlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
EXPERIMENT = """\
name: disturbed
task: index-lookup
task_config: {alphabet: 8}
length: [6, 10]
model:
  - {family: transformer, d_model: 16}
  - {family: lstm, d_model: 96}
train: {steps: 300, lr: {best_of: [1e-3, 3e-3]}, batch_size: 32, eval_every: 20, eval_examples: 64, final_examples: 256}
seed: [0, 1]
"""
TRIALS = 16


def contents(path):
    """Everything that a store holds of its trials, but the clock's figures."""
    db = sqlite3.connect(path)
    rows = db.execute("""SELECT t.id, t.spec, t.status, t.result, t.error, t.cost FROM members m
                         JOIN trials t ON t.id = m.trial JOIN experiments e ON e.id = m.experiment
                         WHERE e.name = 'disturbed' ORDER BY m.position""").fetchall()
    trials = []
    for name, spec, status, result, error, cost in rows:
        result = json.loads(result)
        assert status != 'done' or result.pop('seconds') >= 0 and result.pop('tokens_per_second') > 0
        curve = db.execute('SELECT step, point FROM points WHERE trial = ? ORDER BY step', (name,)).fetchall()
        weights = f'{path}.d/{name}/model.safetensors'
        with open(weights, 'rb') as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        left = [f for f in os.listdir(f'{path}.d/{name}') if f != 'model.safetensors']
        assert not left, f'{name} left {left}'
        trials.append((name, spec, status, result, error, cost, curve, digest))
    db.close()
    return trials


def compare(path, expected, how):
    got = contents(path)
    assert len(got) == TRIALS, f'{how}: {len(got)} trials instead of {TRIALS}'
    for a, b in zip(expected, got):
        assert a == b, f'{how}: a trial differs\n{a}\n{b}'
    print(f'{how}: {len(got)} trials, equal bit for bit')


def log_claims(path):
    """Makes the store note every claim and every end of a trial."""
    db = sqlite3.connect(path, timeout=60)
    db.executescript("""
        CREATE TABLE claims (trial, worker);
        CREATE TRIGGER note_claim AFTER UPDATE ON trials WHEN new.status = 'running' AND
            (old.status <> 'running' OR old.worker <> new.worker)
          BEGIN INSERT INTO claims VALUES (new.id, new.worker); END;""")
    db.close()


def claims(path):
    db = sqlite3.connect(path)
    rows = db.execute('SELECT trial, worker FROM claims').fetchall()
    db.close()
    return rows


class Disturbance:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.file = os.path.join(folder, 'disturbed.yaml')
        with open(self.file, 'w') as file:
            file.write(EXPERIMENT)
        self.environment = dict(os.environ, SEPARATRIX_SCRATCH=os.path.join(folder, 'scratch'))

    def store(self, name):
        return os.path.join(self.folder, name + '.db')

    def start(self, store, *more):
        return subprocess.Popen([self.program, 'run', self.file, '--store', store, '--quiet', *more],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.environment)

    def to_the_end(self, store, *more):
        process = self.start(store, *more)
        out, err = process.communicate()
        assert process.returncode == 0, f'exit code {process.returncode}: {err}'
        return out

    def undisturbed(self):
        began = time.monotonic()
        table = self.to_the_end(self.store('undisturbed'))
        return contents(self.store('undisturbed')), table, time.monotonic() - began

    def empty_store(self, name):
        """A store with its tables and no trial of the experiment."""
        path = self.store(name)
        other = os.path.join(self.folder, 'other.yaml')
        with open(other, 'w') as file:
            file.write('{task: index-lookup, task_config: {alphabet: 4}, length: 2, '
                       'model: {family: lstm, d_model: 4}, train: {steps: 2, final_examples: 8}}\n')
        subprocess.run([self.program, 'run', other, '--store', path, '--quiet'], check=True,
                       stdout=subprocess.DEVNULL)
        return path


def kills(at):
    """Half of the kills follow a SIGTERM closely: then the process is writing its checkpoints."""
    expected, table, seconds = at.undisturbed()
    random_ = random.Random(20)
    hits = torn = rounds = 0
    while hits < 20:
        store = at.store(f'killed{rounds}')
        rounds += 1
        while hits < 20:
            process = at.start(store)
            try:
                process.wait(random_.uniform(0, seconds / 12))
                assert process.returncode == 0, process.stderr.read()
                break  # it ended before the kill: another store for the rest
            except subprocess.TimeoutExpired:
                pass
            if hits % 2 == 1:
                process.send_signal(signal.SIGTERM)
                time.sleep(random_.uniform(0, 0.03))
            process.kill()
            process.communicate()
            hits += process.returncode == -signal.SIGKILL
            torn += len([f for _, _, files in os.walk(store + '.d') for f in files if '.tmp' in f])
        assert at.to_the_end(store) == table
        compare(store, expected, f'store {rounds}, {hits} kills')
    print(f'temporaries that kills left behind, in all looks: {torn}')


def four(at):
    expected, table, _ = at.undisturbed()
    store = at.empty_store('four')
    log_claims(store)
    processes = [at.start(store, '--threads', '1') for _ in range(4)]
    for process in processes:
        _, err = process.communicate()
        assert process.returncode == 0, err
    claimed = claims(store)
    assert len(claimed) == len({trial for trial, _ in claimed}) == TRIALS, claimed
    workers = {worker for _, worker in claimed}
    assert len(workers) > 1, workers
    costs = {trial[0]: trial[5] for trial in expected}
    order = [costs[trial] for trial, _ in claimed]
    assert order == sorted(order, reverse=True) and order[0] > order[-1], 'not the longest first'
    print(f'{len(claimed)} claims by {len(workers)} processes, none twice, the longest first')
    compare(store, expected, 'four processes')
    sharded = at.empty_store('sharded')
    log_claims(sharded)
    for shard in (2, 1, 3):
        at.to_the_end(sharded, '--shard', f'{shard}/3')
        part = {trial for trial, _ in claims(sharded)[-len(expected[shard - 1::3]):]}
        assert part == {trial[0] for trial in expected[shard - 1::3]}, f'shard {shard}'
    compare(sharded, expected, 'three shards')


def copy(at):
    expected, table, seconds = at.undisturbed()
    store, copied, backed = at.store('original'), at.store('copied'), at.store('backed')
    process = at.start(store)
    while process.poll() is None:
        time.sleep(seconds / 40)
        try:
            db = sqlite3.connect(store, timeout=60)
            if db.execute("SELECT count(*) FROM trials WHERE status = 'done'").fetchone()[0] < 2:
                continue
            db.execute('VACUUM INTO ?', (copied,))
            target = sqlite3.connect(backed)
            db.backup(target)
            target.close()
            break
        except sqlite3.OperationalError as error:  # not made yet
            assert 'no such table' in str(error), error
        finally:
            db.close()
    assert process.poll() is None, 'ended before it could be copied'
    for path in (copied, backed):
        report = subprocess.run([at.program, 'report', '--store', path, '-o', path + '.report'],
                                capture_output=True, text=True)
        assert report.returncode == 0, report.stderr
    # The original is still at work: what it had running when it was copied is not running in the copies.
    for path in (copied, backed):
        done = [t[0] for t in sqlite3.connect(path).execute("SELECT id FROM trials WHERE status = 'done'")]
        assert 2 <= len(done) < TRIALS, done
        assert at.to_the_end(path) == table
        for name in done:  # their weights were not copied
            shutil.copytree(f'{at.store("undisturbed")}.d/{name}', f'{path}.d/{name}')
        compare(path, expected, os.path.basename(path))
    _, err = process.communicate()
    assert process.returncode == 0, err
    compare(store, expected, 'the original')
    for damage in ('DROP TABLE points', 'DROP TABLE members', 'ALTER TABLE findings DROP COLUMN finding'):
        broken = at.store(re.sub(r'\W', '-', damage))
        shutil.copy(backed, broken)
        db = sqlite3.connect(broken)
        db.execute(damage)
        db.close()
        ended = subprocess.run([at.program, 'run', at.file, '--store', broken, '--quiet'],
                               capture_output=True, text=True)
        assert ended.returncode == 3 and 'the store is incomplete' in ended.stderr, ended
        assert broken in ended.stderr and 'hint: ' in ended.stderr, ended
        print(damage + ': ' + ended.stderr.splitlines()[0])


def ranks_of(job):
    """Rank -> process, of a running mpirun."""
    ranks = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/stat') as stat:
                parent = int(stat.read().rpartition(')')[2].split()[1])
            with open(f'/proc/{pid}/environ') as environ:
                match = re.search(r'OMPI_COMM_WORLD_RANK=(\d+)', environ.read())
        except OSError:
            continue
        if parent == job.pid and match:
            ranks[int(match[1])] = int(pid)
    return ranks


def mpi(at):
    alone = subprocess.run([at.program, 'run', at.file, '--dry-run', '--store', at.store('none')],
                           capture_output=True, text=True, env=dict(os.environ, OMPI_COMM_WORLD_SIZE='4'))
    mpirun = shutil.which('mpirun')
    if alone.returncode != 0 or not mpirun:
        assert alone.returncode == 0 or 'was built without MPI' in alone.stderr, alone
        print('skipped: no mpirun here' if alone.returncode == 0 else alone.stderr)
        sys.exit(SKIPPED)
    expected, table, seconds = at.undisturbed()
    at.environment.update(OMPI_ALLOW_RUN_AS_ROOT='1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM='1',
                          OMPI_MCA_plm='isolated', OMPI_MCA_btl_vader_single_copy_mechanism='none')

    def start(store):
        return subprocess.Popen([mpirun, '--oversubscribe', '-n', '4', at.program, 'run', at.file,
                                 '--store', store, '--quiet'], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=at.environment)

    store = at.empty_store('ranks')
    log_claims(store)
    job = start(store)
    out, err = job.communicate()
    assert job.returncode == 0, err
    assert out == table, out
    claimed = claims(store)
    assert len(claimed) == len({trial for trial, _ in claimed}) == TRIALS, claimed
    names = {worker.partition('@')[0].rpartition('/')[2] for _, worker in claimed}  # '3.0': rank 3, its worker 0
    ranks = {name.partition('.')[0] for name in names if '.' in name}
    assert len(ranks) > 1, claimed
    print(f'{len(claimed)} trials, none twice, by rank 0 and ranks {sorted(ranks)}')
    compare(store, expected, 'four ranks')
    assert not os.path.isdir(at.environment['SEPARATRIX_SCRATCH']) or not os.listdir(at.environment['SEPARATRIX_SCRATCH'])

    store, scratch = at.store('noscratch'), at.environment['SEPARATRIX_SCRATCH']
    at.environment['SEPARATRIX_SCRATCH'] = at.file + '/below-a-file'
    job = start(store)
    out, err = job.communicate()
    assert job.returncode != 0 and out == table, (out, err)
    assert 'cannot create the folder' in err, err
    compare(store, expected, 'ranks without a disk of their own')
    at.environment['SEPARATRIX_SCRATCH'] = scratch

    random_ = random.Random(4)
    for victim in (2, 0):
        store = at.store(f'without{victim}')
        job = start(store)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:  # until some of the work is done
            time.sleep(0.05)
            try:
                db = sqlite3.connect(f'file:{store}?mode=ro', uri=True)
                if db.execute("SELECT count(*) FROM trials WHERE status = 'done'").fetchone()[0] >= 3:
                    break
            except sqlite3.OperationalError:
                pass
        time.sleep(random_.uniform(0, seconds / 8))
        os.kill(ranks_of(job)[victim], signal.SIGKILL)
        job.communicate()
        assert job.returncode != 0, 'a job with a killed rank must not look like a success'
        job = start(store)
        out, err = job.communicate()
        assert job.returncode == 0, err
        assert out == table, out
        compare(store, expected, f'rank {victim} killed, then once more')


def main():
    program, mode = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix='separatrix-disturbed-') as folder:
        {'kills': kills, 'four': four, 'copy': copy, 'mpi': mpi}[mode](Disturbance(os.path.abspath(program), folder))


main()
