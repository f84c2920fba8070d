#!/usr/bin/env python3
"""Runs the end-to-end tests.  run.py [--slow] [--filter TEXT]... [--list] [--jobs N] [--seed N]

--slow runs the long ones too, and the full counts of those that CI runs short.
"""
import argparse
import concurrent.futures
import os
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import test_attacks, test_audit, test_daemon, test_debuggers, test_disk, test_faults  # noqa: E402,E401,F401
import test_hostile_sources, test_image_mode, test_races, test_real_projects, test_remote  # noqa: E402,E401,F401
import test_remote_projects, test_scan_traps, test_verify, test_ways_in  # noqa: E402,E401,F401


def title(fn):
    return fn.__name__.replace("_", " ")


def run_one(fn, options):
    started = time.time()
    sandbox = harness.Sandbox(options)
    try:
        note = fn(sandbox)
        word = "ok"
    except harness.Skip as e:
        word, note = "skip", str(e)
    except Exception as e:
        word, note = "FAIL", str(e) if isinstance(e, AssertionError) else traceback.format_exc(limit=-3)
    finally:
        sandbox.close()
    return word, note, time.time() - started


def main():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored, and so its children
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--filter", action="append", default=[])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chosen = [fn for fn in harness.TESTS if (options.slow or not fn.slow)
              and (not options.filter or any(f in title(fn) for f in options.filter))]
    if options.list:
        for fn in chosen:
            print(title(fn) + (" (slow)" if fn.slow else ""))
        return 0
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = [(fn, pool.submit(run_one, fn, options)) for fn in chosen]
        for fn, future in futures:
            word, note, seconds = future.result()
            counts[word] += 1
            print(f"{word:4} {title(fn)} ({seconds:.1f} s)" + (f"  {note}" if note else ""), flush=True)
    print(f"{counts['ok']} passed, {counts['FAIL']} failed" + (f", {counts['skip']} skipped" if counts["skip"] else ""))
    return 1 if counts["FAIL"] or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
