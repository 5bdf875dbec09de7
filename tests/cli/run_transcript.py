#!/usr/bin/env python3
"""Runs a transcript: commands with the output, errors and exit codes they must have.

    run_transcript.py --program build/dev/separatrix tests/cli/errors.test
    run_transcript.py --program ... --update tests/cli/errors.test     writes what it got
    run_transcript.py --self-test

Three kinds of file are read. `*.test` and `*.test_slow` look like this:

    # name: unknown task
    # description: a misspelt task is answered with the nearest name
    # needs: tmpfs                  (optional: skip, exit code 77, where `tmpfs` cannot be had)

    $ separatrix bound index-lokup --length 20
    what stdout must hold, line by line
    ! separatrix: error: unknown task 'index-lokup'
    ? 2

A line `! text` belongs to stderr, `? 2` is the exit code (0 where absent), `> text` continues a
command, `# text` is a comment, `\\` protects a first character that would mean one of these.
`*.md` files are read for their ```console blocks: `$ command` (continued by `\\` or `> `), and what the reader
sees next. There,
stdout alone is compared (stdout and stderr when the command fails), and figures that only the clock
decides (`12.3 s`, `850 steps/s`) are not; after a line `<!-- figures may vary -->` no figure is, as
what training reaches may differ from one instruction set to another.

In every kind `[..]` stands for any text within a line and a line `...` for any lines.
Commands run by bash, one after the other, in one fresh folder with nothing on stdin; `separatrix` is
the program under test, $SOURCE the source folder.
"""

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77  # ctest: SKIP_RETURN_CODE
SECONDS_PER_COMMAND = 600


class Case:
    """One command and what it must do. `begin`, `end`: its expectation's lines in the file."""

    def __init__(self, command, line, kind=None):
        self.command, self.line, self.kind = command, line, kind  # kind: None, 'clock', 'figures'
        self.out, self.err, self.code = [], [], 0
        self.begin = self.end = line


class FormatError(Exception):
    pass


# ---------------------------------------------------------------------------------------- reading

def read_transcript(lines):
    """-> ({"name": ..., ...}, [Case]) of a .test file."""
    header, cases = {}, []
    in_command = False
    for number, line in enumerate(lines):
        if line.startswith('$ '):
            cases.append(Case(line[2:], number + 1))
            cases[-1].begin = cases[-1].end = number + 1
            in_command = True
        elif in_command and line.startswith('> '):
            cases[-1].command += '\n' + line[2:]
            cases[-1].begin = cases[-1].end = number + 1
        elif line.startswith('#'):
            match = re.match(r'# (name|description|needs): (.+)', line)
            if match and not cases:
                header[match[1]] = match[2]
            in_command = False
            if cases:
                cases.append(None)  # a comment ends the expectation before it
        elif not line.strip() and (not cases or cases[-1] is None):
            continue
        elif not cases or cases[-1] is None:
            raise FormatError(f'line {number + 1}: output before any command: {line}')
        else:
            in_command = False
            case = cases[-1]
            if line.startswith('! ') or line == '!':
                case.err.append(line[2:])
            elif line.startswith('? '):
                case.code = int(line[2:])
            else:
                case.out.append(line[1:] if line.startswith('\\') else line)
            if line.strip():
                case.end = number + 1
    cases = [case for case in cases if case is not None]
    for key in ('name', 'description'):
        if key not in header:
            raise FormatError(f'the file does not say its `# {key}:`')
    if not cases:
        raise FormatError('no command')
    for case in cases:
        case.out = strip_blank_end(case.out)
    return header, cases


def read_markdown(lines):
    """-> ({}, [Case]) of the ```console blocks of a .md file."""
    cases, inside, kind = [], False, 'clock'
    for number, line in enumerate(lines):
        if not inside:
            inside = line.strip() == '```console'
            if inside:
                cases.append(None)
                kind = 'figures' if '<!-- figures may vary -->' in lines[max(number - 1, 0)] else 'clock'
        elif line.strip() == '```':
            inside = False
        elif line.startswith('$ '):
            cases.append(Case(line[2:], number + 1, kind))
            cases[-1].begin = cases[-1].end = number + 1
        elif cases[-1] is None:
            raise FormatError(f'line {number + 1}: a console block must begin with `$ command`')
        elif cases[-1].begin == number and cases[-1].command.endswith('\\'):
            cases[-1].command += '\n' + line
            cases[-1].begin = cases[-1].end = number + 1
        elif cases[-1].begin == number and line.startswith('> '):
            cases[-1].command += '\n' + line[2:]
            cases[-1].begin = cases[-1].end = number + 1
        else:
            cases[-1].out.append(line)
            cases[-1].end = number + 1
    cases = [case for case in cases if case is not None]
    if not cases:
        raise FormatError('no ```console block')
    for case in cases:
        case.out = strip_blank_end(case.out)
    return {}, cases


def strip_blank_end(lines):
    lines = list(lines)
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


# --------------------------------------------------------------------------------------- matching

FIGURE = r'\d[\d,.]*(?:e[-+]?\d+)?(?:\.\.[\d.]+(?:e[-+]?\d+)?)?'
CLOCK = re.compile(FIGURE + r'(?=\s?(?:ms|s|min|steps/s|tokens/s|GFLOP/s)\b)')
ANY_FIGURE = re.compile(FIGURE + r'|(?<=\S) +(?=\S)')  # and the columns that its width moves


def line_matches(pattern, line, kind=None):
    if kind:
        masked = CLOCK if kind == 'clock' else ANY_FIGURE
        pattern, line = masked.sub('#', pattern), masked.sub('#', line)
    parts = [re.escape(part) for part in pattern.rstrip().split('[..]')]
    return re.fullmatch('.*'.join(parts), line.rstrip()) is not None


def matches(pattern, lines, kind=None):
    """Whether `lines` are what `pattern` says; `...` stands for any number of lines."""
    reachable = {0}  # how many of the lines the pattern so far may have used
    for part in pattern:
        if part.strip() == '...':
            reachable = set(range(min(reachable), len(lines) + 1)) if reachable else set()
        else:
            reachable = {n + 1 for n in reachable
                         if n < len(lines) and line_matches(part, lines[n], kind)}
    return len(lines) in reachable


def keep_placeholders(pattern, lines):
    """`lines`, each written as the pattern line that it matches, where there is one."""
    return [next((p for p in pattern if '[..]' in p and line_matches(p, line)), line)
            for line in lines]


# ---------------------------------------------------------------------------------------- running

class Result:
    def __init__(self, out, err, code):
        self.out, self.err, self.code = strip_blank_end(out), strip_blank_end(err), code


def run_command(command, folder, environment):
    try:
        done = subprocess.run(['bash', '-c', command], cwd=folder, env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=SECONDS_PER_COMMAND)
    except subprocess.TimeoutExpired:
        return Result([], [f'(no end after {SECONDS_PER_COMMAND} s)'], -1)
    return Result(done.stdout.decode(errors='replace').splitlines(),
                  done.stderr.decode(errors='replace').splitlines(), done.returncode)


def difference(title, pattern, lines):
    return [f'  {title}:'] + ['    ' + line for line in difflib.unified_diff(
        pattern, lines, 'expected', 'got', lineterm='', n=2)][:60]


def complaints(case, got):
    """What is wrong, as lines of text; empty when all is as it must be."""
    if case.kind:
        seen = got.out + (got.err if got.code else [])
        return [] if matches(case.out, seen, case.kind) else difference('output', case.out, seen)
    text = []
    if not matches(case.out, got.out):
        text += difference('stdout', case.out, got.out)
    if not matches(case.err, got.err):
        text += difference('stderr', case.err, got.err)
    if case.code != got.code:
        text += [f'  exit code: expected {case.code}, got {got.code}']
    return text


def expectation(case, got):
    """The lines to write for what was got, keeping the placeholders that still fit."""
    if case.kind:
        return keep_placeholders(case.out, got.out + (got.err if got.code else []))
    out = case.out if matches(case.out, got.out) else keep_placeholders(case.out, got.out)
    err = case.err if matches(case.err, got.err) else keep_placeholders(case.err, got.err)
    special = ('$ ', '! ', '? ', '#', '\\')
    lines = ['\\' + line if line.startswith(special) else line for line in out]
    lines += [('! ' + line).rstrip() for line in err]
    return lines + ([f'? {got.code}'] if got.code else [])


def can_have(need, folder):
    if need == 'tmpfs':
        probe = subprocess.run(['unshare', '--mount', 'mount', '-t', 'tmpfs', 'tmpfs', folder],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return probe.returncode == 0
    return shutil.which(need) is not None


def run_file(path, program, update):
    read = read_markdown if path.endswith('.md') else read_transcript
    with open(path, encoding='utf-8') as file:
        lines = file.read().splitlines()
    header, cases = read(lines)
    with tempfile.TemporaryDirectory(prefix='separatrix-cli-') as top:
        tools, folder = os.path.join(top, 'bin'), os.path.join(top, 'work')
        os.mkdir(tools), os.mkdir(folder)
        if 'needs' in header and not can_have(header['needs'], folder):
            print(f'{path}: skipped, needs {header["needs"]}')
            return SKIPPED
        os.symlink(os.path.abspath(program), os.path.join(tools, 'separatrix'))
        source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        environment = {'PATH': tools + ':' + os.environ['PATH'], 'HOME': folder, 'SOURCE': source,
                       'LC_ALL': 'C.UTF-8', 'TERM': 'dumb'}
        failed, written, copied = 0, [], 0
        for case in cases:
            if update and case.kind:
                case.kind = 'clock'  # show what it prints today
            got = run_command(case.command, folder, environment)
            text = complaints(case, got)
            if text:
                failed += 1
                print(f'{path}:{case.line}: $ {case.command}', *text, sep='\n')
            written += lines[copied:case.begin]
            written += expectation(case, got) if text else lines[case.begin:case.end]
            copied = case.end
        written += lines[copied:]
    if update and failed:
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join(written) + '\n')
        print(f'{path}: rewritten ({failed} changed)')
        return 0
    print(f'{path}: {len(cases)} commands, {failed} not as expected')
    return 1 if failed else 0


# -------------------------------------------------------------------------------------- self-test

def self_test():
    assert matches(['a', '...', 'c'], ['a', 'c']) and matches(['a', '...', 'c'], ['a', 'b', 'b', 'c'])
    assert not matches(['a', '...', 'c'], ['a', 'b']) and not matches([], ['a'])
    assert matches(['x=[..]s', '...'], ['x=12.5s']) and not matches(['x=[..]s'], ['x=12.5'])
    assert not matches(['a.b'], ['axb']), 'only [..] is special'
    assert line_matches('3.5 s', '12 s', 'clock') and not line_matches('3 bits', '4 bits', 'clock')
    assert line_matches('a 3   lr 1e-3..3e-3 s2', 'a 12 lr 1e-3 s0', 'figures')
    assert not line_matches('solved 3', 'not solved 3', 'figures')
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, 'program')
        with open(program, 'w') as file:
            file.write('#!/bin/bash\necho "hello $1"; echo "$RANDOM ! $ # x"; echo; echo "# end"\n'
                       'echo "bad $1" >&2; exit 3\n')
        os.chmod(program, 0o755)
        path = os.path.join(folder, 'a.test')
        head = '# name: n\n# description: d\n\n'
        good = (head + '$ separatrix you\nhello you\n[..] ! $ # x\n\n\\# end\n! bad [..]\n? 3\n\n'
                '# a remark\n$ echo "$HOME" > x && ls\nx\n')
        for text, code in ((good, 0), (good.replace('? 3', '? 2'), 1), (good.replace('! bad', '! wrong'), 1),
                           (good.replace('hello', 'hullo'), 1), (good.replace('\nx\n', '\n'), 1)):
            with open(path, 'w') as file:
                file.write(text)
            assert run_file(path, program, False) == code, text
        assert run_file(path, program, True) == 0 and run_file(path, program, False) == 0
        with open(path) as file:
            assert file.read() == good, 'update restores what was lost and keeps placeholders'
        path = os.path.join(folder, 'a.md')
        block = 'Text.\n\n```console\n$ separatrix \\\n    me\nhello me\n...\nbad me\n$ echo took 3.2 s\ntook 7 s\n```\n'
        for text, code in ((block, 0), (block.replace('hello', 'hi'), 1)):
            with open(path, 'w') as file:
                file.write(text)
            assert run_file(path, program, False) == code, text
        for bad in ('$ true\n', '# name: n\n# description: d\n', head + 'text\n$ true\n'):
            try:
                read_transcript(bad.splitlines())
                assert False, bad
            except FormatError:
                pass
    print('self-test passed')
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--program', help='the separatrix to test')
    parser.add_argument('--update', action='store_true', help='write what the commands printed')
    parser.add_argument('--self-test', action='store_true', help='test this script')
    parser.add_argument('file', nargs='*')
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if not options.program or not options.file:
        parser.error('--program and a file are needed')
    if not os.access(options.program, os.X_OK):
        parser.error(f'{options.program} is no program')
    codes = []
    for path in options.file:
        try:
            codes.append(run_file(path, options.program, options.update))
        except FormatError as error:
            print(f'{path}: {error}')
            codes.append(2)
    return max(codes)


if __name__ == '__main__':
    sys.exit(main())
