"""The caches that the matrix can drive. Each says what it did from its own counters.

A way to run hpcc is a subclass of Hpcc: it sets variables, or starts in start() what the compiles need and ends it in
close(). Scenarios, expectations and comparison are the same for all.
"""
import glob
import json
import os
import shutil
import signal
import subprocess


class Plain:
    """No cache at all: shows that a scenario is deterministic and that its change shows."""
    name = "plain"
    trees = None  # where scenarios' trees are made; None: the usual place

    def __init__(self, place):
        self.place = place

    @staticmethod
    def missing():
        return None

    @staticmethod
    def version():
        return ""

    @classmethod
    def finish(cls):
        """Ends what the whole run shares."""

    def start(self):
        """Called once the tree of state A stands."""

    def prefix(self):
        return []

    def env(self):
        return {}

    def counters(self):
        return {}

    def outcome(self, before, after):
        return "miss"

    def explain(self, source, cwd, env):
        return ""

    def close(self):
        pass


class Hpcc(Plain):
    name = "hpcc"
    variables = {}

    @staticmethod
    def bin():
        here = os.path.dirname(os.path.abspath(__file__))
        return os.path.abspath(os.environ.get("HPCC_BIN") or os.path.join(here, "../../../build/release/bin"))

    @classmethod
    def missing(cls):
        return None if os.path.exists(os.path.join(cls.bin(), "hpcc")) else f"no hpcc in {cls.bin()}"

    @classmethod
    def version(cls):
        return subprocess.run([cls.bin() + "/hpcc", "--version"], capture_output=True, text=True).stdout.split("\n")[0]

    def prefix(self):
        return [self.bin() + "/hpcc"]

    def env(self):
        return {"HPCC_DIR": self.place.private + "/hpcc", **self.variables}

    def _run(self, *words, cwd=None, env=None):
        env = {**self.place.base_env(), **(env or {}), **self.env()}
        return subprocess.run([self.bin() + "/hpcc", *words], cwd=cwd or self.place.tree, env=env, capture_output=True,
                              text=True, timeout=60, stdin=subprocess.DEVNULL)

    def counters(self):
        done = self._run("stats", "--json")
        try:
            stats = json.loads(done.stdout)
        except ValueError:
            raise RuntimeError(f"hpcc stats --json: exit {done.returncode}, {done.stdout!r} {done.stderr!r}")
        flat = dict(stats["counters"])
        flat.update({"bypass:" + k: v for k, v in stats["bypass_reasons"].items()})
        return flat

    def outcome(self, before, after):
        moved = {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}
        if moved.get("local_hit", 0) == 1 and moved.get("local_compiled", 0) == 0:
            return "hit"
        if moved.get("error"):
            return "error"
        reasons = sorted(k[len("bypass:"):] for k in moved if k.startswith("bypass:"))
        if moved.get("bypass") or moved.get("not_stored"):
            return ("bypass:" if moved.get("bypass") else "not stored:") + " ".join(reasons)
        if moved.get("local_compiled", 0) == 1:
            return "miss"
        if moved.get("local_hit") or moved.get("local_compiled"):
            return "several"
        return f"nothing counted {moved}"

    def explain(self, source, cwd, env):
        done = self._run("explain", source, cwd=cwd, env=env)
        return done.stdout + done.stderr

    def close(self):
        self._run("daemon", "stop")
        # Daemons of another view (chroot, mount namespace) do not hear that; end those of this scenario by their pid.
        mark = ("HPCC_DIR=" + self.env()["HPCC_DIR"]).encode()
        for path in glob.glob("/proc/[0-9]*/environ"):
            try:
                with open(path, "rb") as f:
                    mine = mark in f.read().split(b"\0")
                if mine:
                    os.kill(int(path.split("/")[2]), signal.SIGTERM)
            except OSError:
                pass


class HpccInProcess(Hpcc):
    name = "hpcc, no daemon"
    variables = {"HPCC_DAEMON": "0"}


class HpccVerified(Hpcc):
    """Every hit is compiled again and compared by hpcc itself: the two judges must agree."""
    name = "hpcc, verified"
    variables = {"HPCC_VERIFY": "1"}

    def outcome(self, before, after):
        if after["verify_differed"] > before["verify_differed"]:
            return "differed"
        answer = super().outcome(before, after)
        return "unverified hit" if answer == "hit" and after["verified"] == before["verified"] else answer


class Ccache(Plain):
    name = "ccache"

    @classmethod
    def bin(cls):
        return os.environ.get("CCACHE_BIN") or shutil.which("ccache")

    @classmethod
    def missing(cls):
        return None if cls.bin() else "no ccache"

    @classmethod
    def version(cls):
        return subprocess.run([cls.bin(), "--version"], capture_output=True, text=True).stdout.split("\n")[0]

    def prefix(self):
        return [self.bin()]

    def env(self):
        return {"CCACHE_DIR": self.place.private + "/ccache"}

    def counters(self):
        done = subprocess.run([self.bin(), "--print-stats"], env={**self.place.base_env(), **self.env()}, capture_output=True,
                              text=True)
        return {k: int(v) for k, v in (line.split("\t") for line in done.stdout.splitlines())}

    def outcome(self, before, after):
        moved = {k: v - before.get(k, 0) for k, v in after.items() if v > before.get(k, 0)}
        if moved.get("direct_cache_hit") or moved.get("preprocessed_cache_hit"):
            return "hit"
        if moved.get("cache_miss"):
            return "miss"
        rest = [k for k in moved if not k.startswith(("stats_", "files_in", "cache_size", "local_storage", "primary_storage",
                                                      "direct_cache_miss", "preprocessed_cache_miss"))]
        return "bypass:" + (rest[0] if rest else "?")


class Sccache(Plain):
    name = "sccache"

    @classmethod
    def bin(cls):
        return os.environ.get("SCCACHE_BIN") or shutil.which("sccache")

    @classmethod
    def missing(cls):
        return None if cls.bin() else "no sccache"

    @classmethod
    def version(cls):
        return subprocess.run([cls.bin(), "--version"], capture_output=True, text=True).stdout.split("\n")[0]

    def prefix(self):
        return [self.bin()]

    def env(self):
        return {"SCCACHE_DIR": self.place.private + "/sccache", "SCCACHE_SERVER_UDS": self.place.private + "/sccache.sock",
                "SCCACHE_IDLE_TIMEOUT": "60"}

    def counters(self):
        done = subprocess.run([self.bin(), "--show-stats", "--stats-format=json"],
                              env={**self.place.base_env(), **self.env()}, capture_output=True, text=True)
        stats = json.loads(done.stdout)["stats"]
        total = lambda v: sum(v.get("counts", {}).values()) if isinstance(v, dict) else v
        return {k: total(stats[k]) for k in ("cache_hits", "cache_misses", "compile_requests")}

    def outcome(self, before, after):
        if after["cache_hits"] > before["cache_hits"]:
            return "hit"
        return "miss" if after["cache_misses"] > before["cache_misses"] else "bypass:not cacheable"

    def close(self):
        subprocess.run([self.bin(), "--stop-server"], env={**self.place.base_env(), **self.env()}, capture_output=True)


TOOLS = {"hpcc": Hpcc, "hpcc0": HpccInProcess, "hpccv": HpccVerified, "ccache": Ccache, "sccache": Sccache, "plain": Plain}
