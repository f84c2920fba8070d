#!/usr/bin/env python3
"""A toolchain image for tests: made once on this machine by `hpcc image build debian-gcc`, then shared by all tests.
image.py makes it and prints where it is."""
import fcntl
import os
import re
import subprocess

from harness import Skip, bin_dir

HOME = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "hpcc-test-image")


def make():
    """Makes the image where it is not there yet. Returns its directory in the image store."""
    os.makedirs(HOME, exist_ok=True)
    with open(os.path.join(HOME, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([os.path.join(bin_dir(), "hpcc"), "image", "build", "debian-gcc"], env={**os.environ, "HPCC_DIR": HOME},
                              capture_output=True, text=True, timeout=1800)
    found = re.findall(r"^sha256:[0-9a-f]{64}$", done.stdout, re.M)
    if done.returncode or not found:
        raise AssertionError(f"hpcc image build debian-gcc: {done.returncode} {done.stderr[-500:]}")
    return os.path.join(HOME, "up/images", found[-1][len("sha256:"):])


def ready(t):
    """Puts the image into the test's state. Returns its digest."""
    if not os.path.exists("/usr/bin/bwrap"):
        raise Skip("bubblewrap is not installed")
    for program in ("hpcc-remote", "hpcc-worker", "hpcc-scheduler", "hpcc-agent"):
        if not os.path.exists(os.path.join(bin_dir(), program)):
            raise Skip(f"{program} is not built")
    made = make()
    os.makedirs(os.path.join(t.hpcc_dir, "up"), mode=0o700, exist_ok=True)
    os.symlink(os.path.dirname(made), os.path.join(t.hpcc_dir, "up/images"))
    t.tree = os.path.join(made, "tree")
    return "sha256:" + os.path.basename(made)


def in_chroot(t, argv, cwd=None):
    """A command in a chroot of the image with the project at /hpcc/w; `cwd` lies in the project."""
    words = ["bwrap", "--unshare-all", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--clearenv", "--setenv", "PATH",
             "/usr/local/bin:/usr/bin:/bin", "--setenv", "LC_ALL", "C"]
    for name in sorted(os.listdir(t.tree)):
        path = os.path.join(t.tree, name)
        if name in ("dev", "proc", "tmp", "hpcc"):
            continue
        words += ["--symlink", os.readlink(path), "/" + name] if os.path.islink(path) else ["--ro-bind", path, "/" + name]
    return t.run([*words, "--bind", t.dir, "/hpcc/w", "--chdir", "/hpcc/w" + (cwd or t.dir)[len(t.dir):], *argv])


if __name__ == "__main__":
    print(make())
