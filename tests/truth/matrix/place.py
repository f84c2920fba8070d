"""A fresh tree for one scenario, what a command leaves in it, and how two such results are compared."""
import dataclasses
import fnmatch
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
import time

SETTLE_S = 0.025  # a cache rightly refuses inputs younger than the file system's timestamp tick


@dataclasses.dataclass
class Outcome:
    code: int
    out: bytes
    err: bytes
    files: dict      # path below the tree -> entry, of everything made or changed
    removed: tuple


class Place:
    def __init__(self, compiler, trees=None):
        self.compiler = compiler
        self.cc = {"gcc": "gcc", "clang": "clang"}[compiler]
        self.cxx = {"gcc": "g++", "clang": "clang++"}[compiler]
        self.top = os.path.realpath(tempfile.mkdtemp(prefix="hpcc-truth-", dir=trees))
        self.tree = os.path.join(self.top, "t")       # compared
        self.private = os.path.join(self.top, "p")    # caches, HOME, TMPDIR: not compared
        for d in ("w-one", "home", "tmp"):
            os.makedirs(os.path.join(self.tree if d.startswith("w") else self.private, d))

    def close(self):
        subprocess.run(["chmod", "-R", "u+rwX", self.top], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.top, ignore_errors=True)

    def expand(self, text):
        return (text.replace("@W@", self.tree + "/w-one").replace("@X@", self.tree + "/w-two")
                .replace("@L@", self.tree + "/w-another").replace("@T@", self.tree)
                .replace("@CC@", self.cc).replace("@CXX@", self.cxx))

    def path(self, path):
        return os.path.join(self.tree, "w-one", self.expand(path))

    def write(self, path, text):
        full = self.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(text if isinstance(text, bytes) else self.expand(text).encode())
        if not isinstance(text, bytes) and text.startswith("#!"):
            os.chmod(full, 0o755)

    def argv(self, cmd):
        words = shlex.split(self.expand(cmd))
        if words and words[0] in ("CC", "CXX"):
            words[0] = self.cc if words[0] == "CC" else self.cxx
        return words

    def base_env(self):
        return {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": self.private + "/home",
                "TMPDIR": self.private + "/tmp", "LC_ALL": "C.UTF-8"}

    def env(self, extra, cwd):
        env = {**self.base_env(), "PWD": cwd}
        for name, value in extra.items():
            if value is None:
                env.pop(name, None)
            else:
                env[name] = self.expand(value)
        return env

    # --- running and comparing ---

    def snapshot(self):
        seen = {}
        for base, dirs, files in os.walk(self.tree):
            for name in dirs + files:
                full = os.path.join(base, name)
                seen[os.path.relpath(full, self.tree)] = _entry(full)
        return seen

    def run(self, argv, env, cwd, umask):
        """Runs one command and says what it did to the tree."""
        before = self.snapshot()
        start_ns = time.time_ns()
        try:
            done = subprocess.run(argv, cwd=cwd, env=env, umask=umask, stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=60)
            code, out, err = done.returncode, done.stdout, done.stderr
        except FileNotFoundError as e:
            code, out, err = 127, b"", str(e).encode()
        except subprocess.TimeoutExpired as e:
            code, out, err = 124, e.stdout or b"", b"TIMED OUT " + (e.stderr or b"")
        after = self.snapshot()
        changed = {p: e for p, e in after.items() if before.get(p) != e and not (e[0] == "dir" and p in before)}
        removed = tuple(sorted(p for p in before if p not in after))
        stale = [p for p, e in changed.items() if e[0] == "file" and e[3] < start_ns - 50_000_000]
        result = Outcome(code, out, err, changed, removed)
        if stale and code == 0:
            result.stale = stale
        return result, before

    def undo(self, before):
        """Puts the tree back, so that the next command meets the same state."""
        after = self.snapshot()
        for path in sorted(after, reverse=True):
            if path in before and before[path][0] == after[path][0]:
                continue
            full = os.path.join(self.tree, path)
            if after[path][0] == "dir":
                shutil.rmtree(full, ignore_errors=True)
            else:
                os.unlink(full)
        for path, entry in sorted(before.items()):
            full = os.path.join(self.tree, path)
            if os.path.lexists(full) and after.get(path) == entry:
                continue
            if entry[0] == "dir":
                os.makedirs(full, exist_ok=True)
                os.chmod(full, entry[1])
            elif entry[0] == "link":
                if os.path.lexists(full):
                    os.unlink(full)
                os.symlink(entry[2], full)
            elif entry[0] == "file":
                with open(full, "wb") as f:
                    f.write(entry[2])
                os.chmod(full, entry[1])
                os.utime(full, ns=(entry[3], entry[3]))


def _entry(full):
    st = os.lstat(full)
    mode = stat.S_IMODE(st.st_mode)
    if stat.S_ISDIR(st.st_mode):
        return ("dir", mode)
    if stat.S_ISLNK(st.st_mode):
        return ("link", 0, os.readlink(full))
    if stat.S_ISREG(st.st_mode):
        try:
            with open(full, "rb") as f:
                data = f.read()
        except PermissionError:
            data = b""
        return ("file", mode, data, st.st_mtime_ns)
    return ("special", mode, st.st_rdev)


def differences(tool, plain, nondet=(), any_stderr=False):
    """What the tool did otherwise than the compiler, as short texts; [] when nothing."""
    found = []
    if tool.code != plain.code:
        found.append(f"exit {tool.code}, compiler {plain.code} ({tool.err[-200:].decode(errors='replace')!r})")
    for label, a, b in (("stdout", tool.out, plain.out), ("stderr", tool.err, plain.err)):
        if a != b and not any_stderr:
            found.append(f"{label} {_short(a, b)}")
    for path in sorted({*tool.files, *plain.files}):
        a, b = tool.files.get(path), plain.files.get(path)
        if b is None:
            found.append(f"{path}: made by the tool only")
        elif a is None:
            found.append(f"{path}: not made")
        elif a[0] != b[0]:
            found.append(f"{path}: {a[0]}, compiler {b[0]}")
        elif a[1] != b[1]:
            found.append(f"{path}: mode {a[1]:o}, compiler {b[1]:o}")
        elif a[0] != "dir" and a[2] != b[2] and not any(fnmatch.fnmatch(path, g) for g in nondet):
            if a[0] == "file" and (b"\n" in a[2][:500] and b"\0" not in a[2][:500]):
                found.append(f"{path}: {_short(a[2], b[2])}")
            else:
                found.append(f"{path}: content differs")
    if tool.removed != plain.removed:
        found.append(f"removed {tool.removed}, compiler {plain.removed}")
    for path in getattr(tool, "stale", ()):
        if path not in getattr(plain, "stale", ()):
            found.append(f"{path}: older than the command that made it")
    return found


def same_result(a, b):
    strip = lambda o: {p: e[:3] for p, e in o.files.items()}
    return (a.code, a.out, a.err, strip(a), a.removed) == (b.code, b.out, b.err, strip(b), b.removed)


def _short(a, b):
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    low = max(0, at - 30)
    return f"{a[low:at + 50]!r}, compiler {b[low:at + 50]!r}"
