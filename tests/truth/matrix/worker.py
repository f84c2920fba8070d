"""The third mode: every scenario as a project whose .hpcc names an image, compiled by a worker of `hpcc up`.

One farm (scheduler, worker, driver `namespace`) serves the whole run; each scenario has a client state of its own. The truth
is the image's compiler run directly, in a chroot of the image with the project at /hpcc/w and the same hermetic options.
At B the command runs three times: as the scenario says; again, served by the local store; and with that emptied, served by
the worker. All three are compared with the truth, and so is A.

What the scenarios expect of a plain compile is translated; where an image makes a difference, the file worker_rows says so,
and why; it also says what has no meaning here.
"""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../e2e"))
import harness  # noqa: E402
import image  # noqa: E402
import place as place_module  # noqa: E402
import scenario as dsl  # noqa: E402
import tools  # noqa: E402

LOGICAL = "/hpcc/w"
TRIES = 20  # a busy machine's worker may not answer in time: the image's compiler here does it then, which is no answer to judge
PINNED = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/tmp"}
PASSED_ON = ("CPATH", "CPLUS_INCLUDE_PATH", "C_INCLUDE_PATH", "SOURCE_DATE_EPOCH")
# And to a command that runs as it was given.
GIVEN = ("COLUMNS", "COMPILER_PATH", "GCC_COLORS", "LD_RUN_PATH", "LIBRARY_PATH", "OBJCPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH",
         "AS_SECURE_LOG_FILE", "DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES", "EXPERIMENTAL_SARIF_SOCKET", "FORCE_CLANG_DIAGNOSTICS_CRASH",
         "GCC_COMPARE_DEBUG", "GCC_DIAGNOSTICS_LOG", "QA_OVERRIDE_GCC3_OPTIONS")
GIVEN_HEADS = ("CCC_", "CC_LOG_", "CC_PRINT_", "GCC_ANALYZER", "RC_DEBUG_")
SOURCES = (".c", ".cc", ".cpp", ".cxx", ".C", ".i", ".ii", ".s", ".S", ".sx")


def read_rows():
    """{(title, compiler or ""): (answer, why)} of worker_rows, whose titles must be those of scenarios."""
    rows, head = {}, None
    titles = {one.title for one in dsl.REGISTRY}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker_rows"), encoding="utf-8") as f:
        for line in filter(None, (line.rstrip("\n") for line in f)):
            if line.startswith("= "):
                answer, _, why = line[2:].partition(": ")
                head = (answer, why)
            elif not line.startswith("#"):
                title, _, compiler = line.partition(" [gcc]") if line.endswith(" [gcc]") else line.partition(" [clang]")
                compiler = {" [gcc]": "gcc", " [clang]": "clang"}.get(line[len(title):], "")
                if title not in titles:
                    raise RuntimeError(f"worker_rows: no scenario {title!r}")
                rows[title, compiler] = head
    return rows


class Busy(Exception):
    """The clock shows in the result, and no two compiles fell into one second."""


class Farm:
    """`hpcc up` once for the whole run."""
    lock = threading.Lock()
    one = None

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="hpcc-truth-farm-")
        self.hpcc_dir = os.path.join(self.dir, "state")
        self.hpcc_bin = os.path.join(harness.bin_dir(), "hpcc")
        self.env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": self.dir, "LC_ALL": "C.UTF-8",
                    "HPCC_DIR": self.hpcc_dir}

    def start(self):
        """The reason why not, or None."""
        try:
            self.digest = image.ready(self)
        except harness.Skip as reason:
            return str(reason)
        done = subprocess.run([self.hpcc_bin, "up", "--driver", "namespace"], env=self.env, capture_output=True, text=True, timeout=300,
                              stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"hpcc up: exit {done.returncode}: {done.stdout[-500:]} {done.stderr[-500:]}")
        return None

    def close(self):
        subprocess.run([self.hpcc_bin, "down"], env=self.env, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
        subprocess.run([self.hpcc_bin, "daemon", "stop"], env=self.env, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)


class HpccWorker(tools.Hpcc):
    name = "hpcc, worker"
    trees = "/var/tmp"  # the image's compiler on this machine sees /tmp: a path of the real tree must not lead anywhere

    @classmethod
    def missing(cls):
        with Farm.lock:
            reason = super().missing()
            if not reason and Farm.one is None:
                farm = Farm()
                Farm.one = farm
                reason = farm.start()
            return reason

    @classmethod
    def finish(cls):
        with Farm.lock:
            if Farm.one:
                Farm.one.close()
            Farm.one = None

    def start(self):
        up = os.path.join(self.env()["HPCC_DIR"], "up")
        theirs = os.path.join(Farm.one.hpcc_dir, "up")
        os.makedirs(up, mode=0o700)
        os.symlink(os.path.join(theirs, "images"), os.path.join(up, "images"))
        shutil.copytree(os.path.join(theirs, "client"), os.path.join(up, "client"))
        self.place.write("@W@/.hpcc", f'image = "{Farm.one.digest}"\n')

    def outcome(self, before, after):
        moved = {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}
        if moved.get("error"):
            return "error"
        reasons = " ".join(sorted(k[len("bypass:"):] for k in moved if k.startswith("bypass:")))
        kinds = {"local_hit": "hit", "remote_hit": "remote hit", "remote_compiled": "compiled", "fallback_image": f"here:{reasons}",
                 "fallback_host": f"host:{reasons}", "bypass": f"bypass:{reasons}"}
        told = [(k, w) for k, w in kinds.items() if moved.get(k)]
        if len(told) != 1 or moved[told[0][0]] != 1:
            return f"nothing counted {moved}" if not told else f"several {moved}"
        return told[0][1]


# --- the truth ---

class Direct:
    """The image's compiler, run in a chroot of the image with the project that `cwd` lies in at /hpcc/w; there and where it
    is, when its files are named so (`own_place`); or only where it is, with the user's own words and variables, when hpcc
    does not read the command (`as_given`)."""

    def __init__(self, place, cwd, as_given=False, own_place=False):
        self.place = place
        self.as_given = as_given
        self.own_place = own_place
        self.cwd = os.path.realpath(cwd)
        root = self.cwd
        while not os.path.lexists(os.path.join(root, ".hpcc")):
            if root == "/":
                raise RuntimeError(f"{cwd} lies in no project")
            root = os.path.dirname(root)
        self.root = root

    def logical(self, text):
        return re.sub(re.escape(self.root) + r"(?![\w.-])", LOGICAL, text)

    def real(self, data):
        return data if self.as_given else re.sub(rb"(?<![\w/])/hpcc/w(?!\w)", self.root.encode(), data)

    def words(self, argv):
        """The root is /hpcc/w where it stands in a path; the values of -D are the program's own."""
        out, value = [], False
        for word in argv:
            out.append(word if value or word.startswith("-D") else self.logical(word))
            value = word in ("-D", "-U")
        return out

    def expanded(self, argv):
        """Response files that hold the root: hpcc reads them, and sends words."""
        out = []
        for word in argv:
            path = os.path.join(self.cwd, word[1:])
            if word.startswith("@") and os.path.isfile(path):
                with open(path, encoding="utf-8") as f:
                    text = f.read()
                if self.root in text:
                    out += self.expanded(shlex.split(text))
                    continue
            out.append(word)
        return out

    def hermetic(self, argv, env, source):
        gcc = "clang" not in os.path.basename(argv[0])
        options = []
        if gcc and not any(w.startswith("-frandom-seed") for w in argv):
            options.append("-frandom-seed=" + os.path.relpath(os.path.join(self.cwd, source), self.root))
        if "SOURCE_DATE_EPOCH" not in env and os.path.splitext(source)[1] not in (".i", ".ii"):
            options.append("-Werror=date-time")
        return options

    def command_as_given(self, argv, env, compiles):
        root = f"-ffile-prefix-map={self.root}={LOGICAL}"
        argv = [os.path.basename(argv[0]), *([root] if compiles else []), *argv[1:]]
        given = {k: v for k, v in env.items() if k in PASSED_ON + GIVEN or k.startswith(GIVEN_HEADS)}
        return self.sandboxed(argv, self.cwd, self.root, given)

    def command(self, argv, env, source):
        argv = self.expanded(argv)
        options = self.hermetic(argv, env, source) if os.path.splitext(source)[1] != ".s" else []
        argv = self.words([os.path.basename(argv[0]), *options, *argv[1:]])
        if self.own_place:
            argv.insert(1, f"-ffile-prefix-map={self.root}={LOGICAL}")
        cwd = os.path.normpath(os.path.join(LOGICAL, os.path.relpath(self.cwd, self.root)))
        passed = {k: self.logical(v) for k, v in env.items() if k in PASSED_ON}
        return self.sandboxed(argv, cwd, LOGICAL, passed)

    def sandboxed(self, argv, cwd, root, variables):
        words = ["/usr/bin/bwrap", "--unshare-all", "--die-with-parent", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--clearenv"]
        places = [root, self.root] if self.own_place else [root]
        for name in sorted(os.listdir(Farm.one.tree)):
            path = os.path.join(Farm.one.tree, name)
            if name not in ("dev", "proc", "tmp", *(at.split("/")[1] for at in places)):  # no compiler asks for the image's own /var
                words += ["--symlink", os.readlink(path), "/" + name] if os.path.islink(path) else ["--ro-bind", path, "/" + name]
        for name, value in {**PINNED, "PWD": cwd, **variables}.items():
            words += ["--setenv", name, value]
        for at in places:
            words += ["--bind", self.root, at]
        return [*words, "--chdir", cwd, *argv]


def rule(data):
    """A dependency file as (targets and prerequisites) of each rule: how lines are wrapped depends on the paths' length."""
    text = data.replace(b"\\\n", b" ")
    return [(tuple(left.split()), tuple(right.split())) for left, _, right in (line.partition(b": ") if b": " in line else line.partition(b":")
            for line in text.split(b"\n") if line.strip())]


def like_rule(data):
    return b"\0" not in data and re.match(rb"[^\n]*[^\\]:( |\n|$)", data) is not None


def rendered(direct, plain, tool):
    """The truth as hpcc tells it: with the user's paths in messages and dependency files."""
    plain.out, plain.err = direct.real(plain.out), direct.real(plain.err)
    tool.err = b"".join(line for line in tool.err.splitlines(keepends=True) if not line.startswith(b"hpcc: "))
    for result in (plain, tool):  # temporary files have random names
        result.out, result.err = (re.sub(rb"/tmp/([\w-]*)cc\w{6}\b", rb"/tmp/\1ccXXXXXX", text) for text in (result.out, result.err))
    for path, entry in list(plain.files.items()):
        other = tool.files.get(path)
        if other is None or entry[0] != "file" or other[0] != "file" or entry[2] == other[2] or not like_rule(entry[2]):
            continue
        wanted = rule(direct.real(entry[2]))
        there = lambda name: os.path.exists(os.path.join(direct.cwd.encode(), name.replace(b"\\ ", b" ")))
        wanted = [(targets, tuple(p for p in needs if direct.as_given or there(p))) for targets, needs in wanted]
        if wanted == rule(other[2]):
            plain.files[path] = other
    return plain


# --- one scenario ---

UNREAD = ("unknown_option", "unsupported_option", "unsupported_language", "several_sources", "stdin", "bad_command", "output_stdout",
          "unsupported_environment")
QUERIES = ("link", "preprocess", "no_source")


ROWS = {}


def row_of(one, compiler):
    if not ROWS:
        ROWS.update(read_rows())
    return ROWS.get((one.title, compiler)) or ROWS.get((one.title, "")) or (None, None)


def left_out(one, compiler):
    """Why the scenario has no meaning here, or None."""
    answer, why = row_of(one, compiler)
    return why if answer == "out" else None


def expected(one, compiler):
    if row_of(one, compiler)[0]:
        return row_of(one, compiler)[0]
    word = one.expected(compiler)
    if word.startswith("bypass:"):
        return "here"
    return "not stored" if word.startswith("not stored:") else word


class Run:
    def __init__(self, one, place, tool):
        self.one, self.place, self.tool = one, place, tool

    def state(self, b):
        one, place = self.one, self.place
        pick = lambda first, second: second if b and second is not None else first
        self.cwd = place.path(pick(one.cwd, one.cwd_b))
        self.env = place.env(pick(one.env, one.env_b), self.cwd)
        self.argv = place.argv(pick(one.cmd, one.cmd_b))
        self.wrap = place.argv(pick(one.wrap, one.wrap_b)) if pick(one.wrap, one.wrap_b) else []
        self.umask = pick(one.umask, one.umask_b)

    def source(self):
        for word in self.argv[1:]:
            if word.endswith(SOURCES) and not word.startswith("-"):
                return word
        return "a.c"

    def direct(self, answer):
        reason = answer.rpartition(":")[2]
        direct = Direct(self.place, self.cwd, as_given=reason in UNREAD + QUERIES, own_place=reason == "absolute_include")
        if direct.as_given:
            compiles = reason not in QUERIES or (reason == "link" and any(word.endswith(SOURCES) for word in self.argv))
            command = direct.command_as_given(self.argv, self.env, compiles)
        else:
            command = direct.command(self.argv, self.env, self.source())
        result, before = self.place.run(self.wrap + command, self.place.base_env(), self.cwd, self.umask)
        return direct, result, before

    def through(self):
        counted = self.tool.counters()
        result, before = self.place.run(self.wrap + self.tool.prefix() + self.argv, {**self.env, **self.tool.env()}, self.cwd, self.umask)
        answer = ""
        for _ in range(40):
            answer = self.tool.outcome(counted, self.tool.counters())
            if not answer.startswith("nothing"):
                break
            time.sleep(0.05)
        return result, before, answer

    def compare(self, result, answer):
        """What differs from the truth, with the tree as it stands."""
        direct, plain, before = self.direct(answer)
        self.place.undo(before)
        self.code = plain.code
        return place_module.differences(result, rendered(direct, plain, result), self.one.nondet, self.one.any_stderr)

    def compile(self):
        """(answer, what differs, the tree with the outputs). The tree is put back."""
        for attempt in range(TRIES):
            if self.one.theme == "time":
                time.sleep(1.02 - time.time() % 1)
            second = int(time.time())
            result, before, answer = self.through()
            kept = self.place.snapshot()
            self.place.undo(before)
            found = self.compare(result, answer)
            self.retried = attempt > 0
            clock = found and self.one.theme == "time" and int(time.time()) != second
            if clock and attempt == TRIES - 1:
                raise Busy()
            if not clock and (found or answer != "here:no_worker"):
                break
            time.sleep(1)
        return answer, found, kept


def judge(one, place, tool, answers):
    """(word, note) as run.py has them."""
    run = Run(one, place, tool)
    for path, text in one.files.items():
        place.write(path, text)
    tool.start()
    for fn in one.setup:
        fn(place)
    time.sleep(place_module.SETTLE_S)

    run.state(b=False)
    answer, found, kept = run.compile()
    answers.append(answer)
    if found:
        return "WRONG", f"A, {answer}: " + "; ".join(found[:4])
    if one.keep:
        place.undo(kept)

    for fn in one.via:
        fn(place)
    if one.via:
        time.sleep(place_module.SETTLE_S)
        _, before, _ = run.through()
        place.undo(before)
    for fn in one.change:
        fn(place)
    time.sleep(place_module.SETTLE_S)

    run.state(b=True)
    answer, found, _ = run.compile()
    explained = tool.explain(dsl.asked_source(one, place), run.cwd, run.env)
    answers.append(answer)
    if found:
        return "WRONG", f"{answer}: " + "; ".join(found[:4])
    wanted = expected(one, place.compiler)
    kind = {"compiled": dsl.MISS, "remote hit": dsl.MISS}.get(answer, answer)
    if not fits(wanted, kind, run.code):
        return "FAIL", f"{answer}{' fails' if run.code else ''}, expected {wanted}; {explained.strip()[:300]!r}"
    if kind == wanted == dsl.MISS and not run.retried:
        names = dsl.expected_names(one, place) + told_names(one, place)
        if names and not any(dsl.says(explained, n) for n in names):
            return "explain", f"none of {names} in: {explained.strip()[-400:]!r}"

    # The same again: from the local store, and with that emptied from the worker.
    if run.code or kind not in (dsl.MISS, dsl.HIT) or wanted == "not stored":
        return "ok", ""
    for what, allowed in (("again", "hit"), ("emptied", "remote hit")):
        if what == "emptied":
            tool._run("-C")
        answer, found, _ = run.compile()
        answers.append(answer)
        if found:
            return "WRONG", f"B {what}, {answer}: " + "; ".join(found[:4])
        if answer != allowed:
            return "lost hit", f"B {what}: {answer}"
    return "ok", ""


def told_names(one, place):
    """The whole command is the key: `explain` tells its words."""
    if one.cmd_b is None:
        return ("file ",) if "order" in one.title else ()
    a, b = place.argv(one.cmd), place.argv(one.cmd_b)
    if sorted(a) == sorted(b):
        return ("order", "file ")
    return tuple({*a} ^ {*b})


def fits(wanted, kind, code):
    if wanted == dsl.EITHER:
        return True
    if wanted == "here":
        return kind.startswith(("here:", "bypass:"))
    if wanted == "not stored":
        return code or kind != dsl.HIT
    return bool(code) if wanted == dsl.FAILS else kind == wanted and not code
