#!/usr/bin/env python3
"""Sources of real projects for the tests. projects.py [PACKAGE...] fetches them (tools/fetch-source keeps them in
${XDG_CACHE_HOME:-~/.cache}/hpcc-test-sources; apt checks them against the archive's signed lists)."""
import os
import shutil
import subprocess
import sys

PACKAGES = ("libzstd", "leveldb", "fmtlib", "redis")
FETCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/fetch-source")


def tree(package):
    """The unpacked source, to be treated as read-only. RuntimeError when it cannot be had."""
    done = subprocess.run([FETCH, package], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"fetch-source {package}: {done.stderr[-300:]}")
    return done.stdout.strip().splitlines()[-1]


def copy(package, target):
    shutil.copytree(tree(package), target, symlinks=True)
    return target


if __name__ == "__main__":
    for wanted in sys.argv[1:] or PACKAGES:
        print(wanted, tree(wanted))
