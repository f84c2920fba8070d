"""A scenario of the truth matrix: files and a command (state A), one change (state B), and what a cache must do at B.

Text in files, commands, environment and directories may hold
    @W@  the tree's root; the default working directory
    @X@  another root whose path has the same length          (a second checkout)
    @L@  another root whose path has another length
    @T@  the directory above all three
and a command's first word CC or CXX (or @CC@, @CXX@ anywhere) is the compiler.

Expectations for hpcc's answer at B (`populate`: at A), one word, or one for each compiler:
    hit
    miss               compiled and stored; the same command again is a hit; `explain` names the change
    fails              the compile fails
    bypass:REASON      run as if hpcc were not there
    not stored:REASON  compiled under the tracer, and not stored
    either             only the result counts; `reason` says what makes it change from run to run
Whatever is expected, the result at B must be what the compiler itself gives: that is the test. Another cache may do at B
what it likes as long as the result is right; only where `hit` stands it is told that it lost one.
"""
import dataclasses
import os
import shlex
import shutil

HIT, MISS, FAILS, EITHER, ANY = "hit", "miss", "fails", "either", "any"


@dataclasses.dataclass
class Scenario:
    name: str
    files: dict
    cmd: str = "CC -c a.c -o a.o"
    change: tuple = ()            # functions of Place, applied between A and B
    expect: object = HIT          # a word, or a word for each compiler
    cmd_b: str = None             # None: as A
    env: dict = dataclasses.field(default_factory=dict)
    env_b: dict = None
    cwd: str = "@W@"
    cwd_b: str = None
    umask: int = 0o022
    umask_b: int = None
    wrap: str = ""                # words put before tool and compiler (setarch, unshare ...)
    wrap_b: str = None
    compilers: tuple = ("gcc", "clang")
    explain: object = None        # text, or texts of which one must occur; None: derived from the change; "" not asked
    source: str = None            # what `explain` is asked for; None: first .c/.cc/... word of cmd_b
    populate: object = MISS       # what hpcc must do at A; any: whatever it does
    again: bool = None            # B once more must hit; None: when expect is miss
    keep: bool = False            # the outputs of A stay in place for B
    nondet: tuple = ()            # globs of outputs whose content differs from run to run
    any_stderr: bool = False      # messages (on either stream) differ from run to run
    needs: object = None          # function giving the reason to skip, or None
    align: bool = False           # start B early in a second (the output holds the time)
    lost: str = ""                # A and B give equal results and are compiled all the same: why, as docs/truth.md lists it
    reason: str = ""              # of an `either`
    setup: tuple = ()             # functions of Place, applied after the files of A are written
    via: tuple = ()               # changes made and compiled (with A's command) between A and B
    plain_extra: str = ""         # options the plain compile gets first (a .hpcc root's prefix map)
    plain_extra_b: str = None
    theme: str = ""

    @property
    def title(self):
        return f"{self.theme}: {self.name}"

    def expected(self, compiler):
        return self.expect[compiler] if isinstance(self.expect, dict) else self.expect

    def populated(self, compiler):
        return self.populate[compiler] if isinstance(self.populate, dict) else self.populate

    def expect_text(self):
        if not isinstance(self.expect, dict):
            return self.expect
        words = {c: self.expect[c] for c in self.compilers}
        return next(iter(words.values())) if len(set(words.values())) == 1 else ", ".join(f"{c} {w}" for c, w in words.items())


REGISTRY = []


def scenarios(theme):
    def add(name, files, cmd="CC -c a.c -o a.o", change=(), expect=HIT, **more):
        if callable(change):
            change = (change,)
        for field in ("setup", "via"):
            if callable(more.get(field)):
                more[field] = (more[field],)
        if expect == EITHER and not more.get("reason"):
            raise ValueError(f"{name}: either without a reason")
        one = Scenario(name, files, cmd, tuple(change), expect, theme=theme, **more)
        if any(s.title == one.title for s in REGISTRY):
            raise ValueError(f"two scenarios named {one.title}")
        REGISTRY.append(one)
        return one
    return add


GCC, CLANG = ("gcc",), ("clang",)


# --- changes. Each returns a function of Place; `.names` feeds the default of explain. ---

def _named(fn, *names):
    fn.names = tuple(names)
    return fn


def write(path, text):
    # A directory made on the way may be what is named.
    return _named(lambda p: p.write(path, text), *reversed(path.split("/")))


def write_same_stat(path, text):
    """New content, same size (checked) and the old mtime put back."""
    def fn(p):
        full = p.path(path)
        old = os.stat(full)
        data = p.expand(text).encode()
        assert len(data) == old.st_size, f"{path}: {len(data)} != {old.st_size}"
        with open(full, "r+b") as f:
            f.write(data)
        os.utime(full, ns=(old.st_atime_ns, old.st_mtime_ns))
    return _named(fn, os.path.basename(path))


def replace(path, text):
    """New content by rename, as editors do."""
    def fn(p):
        p.write(path + ".new", text)
        os.chmod(p.path(path + ".new"), os.stat(p.path(path)).st_mode & 0o7777)
        os.rename(p.path(path + ".new"), p.path(path))
    return _named(fn, os.path.basename(path))


def append(path, text):
    def fn(p):
        with open(p.path(path), "a") as f:
            f.write(p.expand(text))
    return _named(fn, os.path.basename(path))


def remove(path):
    def fn(p):
        full = p.path(path)
        if os.path.isdir(full) and not os.path.islink(full):
            shutil.rmtree(full)
        else:
            os.unlink(full)
    return _named(fn, os.path.basename(path))


def rename(old, new):
    return _named(lambda p: os.rename(p.path(old), p.path(new)), os.path.basename(old), os.path.basename(new))


def symlink(target, path):
    def fn(p):
        full = p.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if os.path.lexists(full):
            os.unlink(full)
        os.symlink(p.expand(target), full)
    return _named(fn, os.path.basename(path), os.path.basename(target))


def hardlink(target, path):
    def fn(p):
        full = p.path(path)
        if os.path.lexists(full):
            os.unlink(full)
        os.link(p.path(target), full)
    return _named(fn, os.path.basename(path), os.path.basename(target))


def copy(old, new):
    return _named(lambda p: shutil.copy2(p.path(old), p.path(new)), os.path.basename(new))


def copytree(old, new):
    """A second checkout: fresh mtimes, links kept."""
    def fn(p):
        shutil.copytree(p.path(old), p.path(new), symlinks=True, copy_function=shutil.copy, dirs_exist_ok=True)
    return _named(fn, "directory", "checkout")


def movetree(old, new):
    return _named(lambda p: os.rename(p.path(old), p.path(new)), "directory")


def mkdir(path):
    return _named(lambda p: os.makedirs(p.path(path)), os.path.basename(path))


def chmod(path, mode):
    return _named(lambda p: os.chmod(p.path(path), mode), os.path.basename(path))


def touch(path, seconds=None):
    """mtime to now, or to a fixed second."""
    def fn(p):
        os.utime(p.path(path), None if seconds is None else (seconds, seconds))
    return _named(fn, os.path.basename(path))


def wait(seconds):
    import time
    return _named(lambda p: time.sleep(seconds))


def sh(script, *names):
    """A few lines of shell in @W@, for set-up that has no word of its own here."""
    def fn(p):
        import subprocess
        subprocess.run(["sh", "-ec", p.expand(script)], cwd=p.path("@W@"), check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, env=p.base_env())
    return _named(fn, *names)


def hold(path):
    """The file stays open for writing, with a page of it already written through memory: a later write there moves no time."""
    def fn(p):
        import mmap
        with open(p.path(path), "r+b") as f:
            page = mmap.mmap(f.fileno(), 0)
        page[:] = bytes(page)
        p.held = page
    return _named(fn)


def poke(path, text):
    """Writes through the memory that `hold` has."""
    def fn(p):
        p.held[:] = text.encode()
    return _named(fn, os.path.basename(path))


def during(script):
    """Runs lines of shell in @W@ while the assembler of the next compile is at work; its input has come by then."""
    def fn(p):
        import subprocess
        import threading
        import time

        def compiled():
            for name in os.listdir(p.private + "/tmp"):
                with open(os.path.join(p.private, "tmp", name), "rb") as f:
                    if name.endswith(".s") and b".ident" in f.read():
                        return True
            return False

        def watch():
            end = time.time() + 30
            while time.time() < end:
                try:
                    if compiled():
                        subprocess.run(["sh", "-ec", p.expand(script)], cwd=p.path("@W@"), stdin=subprocess.DEVNULL)
                        return
                except OSError:
                    pass
                time.sleep(0.005)
        threading.Thread(target=watch, daemon=True).start()
    return _named(fn)


def serve(socket_name, path):
    """A server that nobody traces: who connects to the socket gets the file's content."""
    def fn(p):
        import socket
        import threading
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(p.path(socket_name))
        listener.listen(8)
        listener.settimeout(60)

        def answer():
            try:
                while True:
                    peer, _ = listener.accept()
                    with peer, open(p.path(path), "rb") as f:
                        peer.sendall(f.read())
            except OSError:
                listener.close()
        threading.Thread(target=answer, daemon=True).start()
    return _named(fn)


# --- reasons to skip ---

def need_coarse_stamps(place):
    """Linux 6.13 gives a file that was looked at a new time with each edit."""
    probe = os.path.join(place.private, "probe")
    with open(probe, "wb") as f:
        for _ in range(1000):
            times = set()
            for text in (b"1", b"2"):
                os.pwrite(f.fileno(), text, 0)
                times.add(os.fstat(f.fileno()).st_mtime_ns)
            if len(times) == 1:
                return None
    return "no two edits get the same time here"


def need_root(_place):
    return None if os.geteuid() == 0 else "needs root"


def need_unshare(_place):
    import subprocess
    if os.geteuid() != 0:
        return "needs root"
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True)
    return None if done.returncode == 0 else "no mount namespaces here"


def need_program(*names):
    def fn(_place):
        for name in names:
            if shutil.which(name) is None:
                return f"no {name}"
        return None
    return fn


def need_option(option, language="c"):
    """The compiler knows this option."""
    def fn(place):
        import subprocess
        done = subprocess.run([place.cc if language == "c" else place.cxx, *shlex.split(option), "-x", language, "-c",
                               "/dev/null", "-o", place.path("@T@/probe.o")], capture_output=True, cwd=place.top)
        return None if done.returncode == 0 else f"{place.compiler} lacks {option}"
    return fn


def asked_source(scenario, place):
    if scenario.source is not None:
        return place.expand(scenario.source)
    for word in place.argv(scenario.cmd_b or scenario.cmd):
        if word.endswith((".c", ".cc", ".cpp", ".cxx", ".C", ".i", ".ii", ".s", ".S", ".sx")):
            return word
    return "a.c"


def expected_names(scenario, place):
    """Texts of which `explain` must say at least one."""
    if scenario.explain is not None:
        given = (scenario.explain,) if isinstance(scenario.explain, str) else tuple(scenario.explain)
        given = [place.expand(g) for g in given if g]
        if os.path.basename(asked_source(scenario, place)) in given:
            given.append("source file changed")
        return tuple(given)
    names = []
    for change in scenario.change:
        names += getattr(change, "names", ())
    if scenario.cmd_b is not None:
        a, b = place.argv(scenario.cmd), place.argv(scenario.cmd_b)
        names += [w for w in a if w not in b] + [w for w in b if w not in a]
        if sorted(a) == sorted(b):
            names += ["order", *[x for x, y in zip(a, b) if x != y]]
    if scenario.env_b is not None:
        names += [k for k in {**scenario.env, **scenario.env_b} if scenario.env.get(k) != scenario.env_b.get(k)]
    if os.path.basename(asked_source(scenario, place)) in names:
        names.append("source file changed")
    if "PWD" in names:
        names += ["pwd", "directory"]
    if scenario.cwd_b is not None:
        names += ["directory", "cwd", "place", place.expand(scenario.cwd_b)]
    return tuple(n for n in names if n)


def says(text, name):
    """Options may be printed with a blank or nothing between them and their value."""
    bare = lambda s: s.replace(" ", "").replace("=", "")
    return name in text or bare(name) in bare(text)
