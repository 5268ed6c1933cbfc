"""Entries into new PID namespaces on a busy machine: does a shell ever lose its terminal?"""

import argparse
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from runtime.lab.terminal import WindowError, write_start_files
from runtime.lab.window import Window

ENTER = "unshare --ipc --pid --fork --mount-proc /bin/bash"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=20_000, help="entries (default: %(default)s)")
    parser.add_argument(
        "--busy", type=int, default=8, help="processes that do nothing but compute (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    load = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(options.busy)]
    try:
        return _enter(options.count)
    finally:
        for process in load:
            process.kill()
            process.wait()


def _enter(count: int) -> int:
    given_back, failures = Counter[str](), Counter[str]()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        write_start_files(home)
        window = None
        for number in range(count):
            if window is None:
                window = Window("first", home, lambda *event, **fields: None)
                _count_given_back(window, given_back)
            try:
                window.enter(ENTER)
                if (shell := window.run("echo $$")) != "1":
                    failures[f"typed to the shell {shell}"] += 1
                window.exit()
            except WindowError as error:
                failures[str(error).partition(";")[0]] += 1
                print(f"entry {number}: {error}", flush=True)
                window.close()
                window = None
            if number % 1000 == 999:
                seconds, back = time.monotonic() - began, given_back.total()
                print(f"{number + 1} entries, {seconds:.0f} s, {back} given back, {dict(failures)}", flush=True)
        if window:
            window.close()
    return 1 if failures else 0


def _count_given_back(window: Window, given_back: Counter[str]) -> None:
    terminal = window._terminal
    hide = terminal.hide_until_prompt

    def counted() -> None:
        given_back["terminals given back"] += 1
        hide()

    terminal.hide_until_prompt = counted  # type: ignore[method-assign]
