"""The exchange between launcher and daemon, cut, stalled or spoilt at every frame boundary: the build succeeds each time.

A proxy stands in the daemon's place: the launcher's HPCC_DIR has the proxy's socket, a real daemon with another HPCC_DIR
answers behind it. Frames are {u32 magic, u32 type, u32 length, payload} (src/launcher/frame.h).
"""
import os
import signal
import socket
import struct
import threading

from harness import check, test

HEADER = 12
MAGIC = 0x43435048
UP, DOWN = "to the daemon", "to the launcher"


class Proxy:
    """Forwards each connection; `fault` = (direction, byte count, action) is done once that many bytes went that way."""

    def __init__(self, t):
        self.t = t
        self.back_dir = t.path("back")
        t.dirs.append(self.back_dir)
        t.hpcc("daemon start")
        self.path = t.daemon_socket()
        t.hpcc("daemon stop")
        self.start_daemon()
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.fault = None
        self.streams = []
        self.held = []
        self.serving = set()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        self.closing = False
        threading.Thread(target=self.accept, daemon=True).start()

    def start_daemon(self):
        self.t.hpcc("daemon start", env={"HPCC_DIR": self.back_dir})
        self.back = self.t.daemon_socket(self.back_dir)

    def in_place(self):
        """The launcher may have moved our socket away and started a daemon of its own: stand there again."""
        self.t.hpcc("daemon stop", ok=False, timeout=20) if not self.mine() else None
        if not self.mine():
            if os.path.lexists(self.path):
                os.unlink(self.path)
            self.listener.close()
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(self.path)
            self.listener.listen(64)
            self.inode = os.lstat(self.path).st_ino
            threading.Thread(target=self.accept, daemon=True).start()

    def mine(self):
        try:
            st = os.lstat(self.path)
        except OSError:
            return False
        if not hasattr(self, "inode"):
            self.inode = st.st_ino
        return st.st_ino == self.inode

    def accept(self):
        listener = self.listener
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = threading.Thread(target=self.serve, args=(client,), daemon=True)
            self.serving.add(server)
            server.start()

    def finish(self):
        """Waits for the ends of connections: a fault that strikes late would strike the next exchange."""
        self.t.until(lambda: not any(server.is_alive() for server in list(self.serving)), "connections go on")
        self.serving.clear()

    def serve(self, client):
        daemon = socket.socket(socket.AF_UNIX)
        try:
            daemon.connect(self.back)
        except OSError:
            client.close()
            return
        record = {UP: bytearray(), DOWN: bytearray()}
        self.streams.append(record)
        threads = [threading.Thread(target=self.pump, args=(client, daemon, UP, record[UP]), daemon=True),
                   threading.Thread(target=self.pump, args=(daemon, client, DOWN, record[DOWN]), daemon=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if (client, daemon) not in self.held:
            client.close()
            daemon.close()

    def pump(self, source, target, direction, record):
        while True:
            fault = self.fault if self.fault and self.fault[0] == direction else None
            if fault and len(record) >= fault[1]:
                return self.act(fault[2], source, target, direction)
            want = min(65536, fault[1] - len(record)) if fault else 65536
            try:
                data = source.recv(want)
                if data:
                    record += data
                    target.sendall(data)
            except OSError:
                data = b""
            if not data:
                try:
                    target.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                return

    def act(self, action, source, target, direction):
        client = source if direction == UP else target
        daemon = target if direction == UP else source
        if action == "kill":
            killed = self.t.daemons()
            for pid in killed:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            # Who asks for daemons afterwards must not meet one that is still dying.
            self.t.until(lambda: not set(killed) & set(self.t.daemons()), "not dead:", killed)
        if action == "spoil":
            try:
                target.sendall(b"\xff" * 64)
            except OSError:
                pass
        if action == "hang":
            self.held.append((client, daemon))
            return
        for s in (client, daemon):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def boundaries(stream):
    """Byte counts of interest: before, within and after each header, within and at the end of each payload."""
    counts, at = {0, 1}, 0
    while at + HEADER <= len(stream):
        magic, _, length = struct.unpack_from("<III", stream, at)
        check(magic == MAGIC, "the stream is not made of frames at", at)
        end = at + HEADER + length
        counts |= {at, at + 4, at + HEADER - 1, at + HEADER, at + HEADER + length // 2, end - 1, end}
        at = end
    return sorted(c for c in counts if 0 <= c <= len(stream))


def exchange(t, proxy, hit):
    """One compile through the proxy that is a hit or a miss; returns what went each way."""
    proxy.fault = None
    proxy.in_place()
    if not t.daemons():
        proxy.start_daemon()
    t.write("a.c", f"int f(int n) {{ return n + {exchange.serial}; }}\n")
    t.settle()
    if hit:
        t.hpcc("gcc -c a.c")
    else:
        exchange.serial += 1
    proxy.streams.clear()
    t.hpcc("gcc -c a.c")
    return {d: bytes(max((s[d] for s in proxy.streams), key=len)) for d in (UP, DOWN)}


exchange.serial = 1


def sweep(t, actions, every=1):
    proxy = Proxy(t)
    done = 0
    for hit in (False, True):
        seen = exchange(t, proxy, hit)
        check(seen[UP] and seen[DOWN], "nothing went through the proxy")
        for direction in (UP, DOWN):
            for count in boundaries(seen[direction])[::every]:
                for action in actions:
                    proxy.in_place()
                    proxy.fault = None
                    if action == "kill" and not t.daemons():
                        proxy.start_daemon()
                    exchange.serial += 1
                    t.write("a.c", f"int f(int n) {{ return n + {exchange.serial}; }}\n")
                    t.run("gcc -c a.c -o plain.o")
                    t.settle()
                    if hit:
                        t.hpcc("gcc -c a.c -o a.o")
                    if t.exists("a.o"):
                        os.unlink(t.path("src", "a.o"))
                    proxy.fault = (direction, count, action)
                    what = f"{action} after {count} bytes {direction} of a {'hit' if hit else 'miss'}"
                    result = t.hpcc("gcc -c a.c -o a.o", ok=False, timeout=90)
                    check(result.returncode == 0, what, "failed the build:", result.stderr)
                    check(result.stderr == b"" and result.stdout == b"", what, "printed", result.stdout, result.stderr)
                    check(t.exists("a.o"), what, "left no object")
                    check(t.read("a.o") == t.read("plain.o"), what, "gave another object")
                    if action != "hang":
                        proxy.finish()
                    # The next command, without fault, is right, too.
                    proxy.fault = None
                    t.hpcc("gcc -c a.c -o a.o", timeout=90)
                    check(t.read("a.o") == t.read("plain.o"), what, "spoilt the entry")
                    done += 1
    left = [f for f in os.listdir(t.dir) if f not in ("a.c", "a.o", "plain.o")]
    check(not left, "left behind:", left)
    return f"{done} cuts"


@test
def the_connection_is_cut_at_every_frame_boundary(t):
    return sweep(t, ["cut"])


@test
def the_daemon_is_killed_at_every_frame_boundary(t):
    return sweep(t, ["kill"])


@test
def garbage_comes_at_every_frame_boundary(t):
    return sweep(t, ["spoil"], every=1 if t.slow else 3)


@test(slow=True)
def the_daemon_hangs_at_every_frame_boundary(t):
    return sweep(t, ["hang"], every=2)


@test
def the_daemon_answers_a_foreign_protocol(t):
    t.write("a.c", "int x;\n")
    t.hpcc("daemon start")
    path = t.daemon_socket()
    t.hpcc("daemon stop")
    for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", struct.pack("<III", MAGIC, 99, 0), struct.pack("<III", MAGIC, 16, 0xFFFFFFF),
                   struct.pack("<III", MAGIC, 16, 4) + b"\0\0\0\0", struct.pack("<III", MAGIC, 17, 3) + b"abc", b""):
        if os.path.lexists(path):
            t.hpcc("daemon stop", ok=False, timeout=20)
            if os.path.lexists(path):
                os.unlink(path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(8)

        def serve(listener=listener, answer=answer):
            while True:
                try:
                    c, _ = listener.accept()
                    c.recv(65536)
                    c.sendall(answer)
                    c.close()
                except OSError:
                    return
        threading.Thread(target=serve, daemon=True).start()
        done = t.hpcc("gcc -c a.c", ok=False, timeout=60)
        check(done.returncode == 0 and done.stderr == b"" and t.exists("a.o"), answer, done)
        os.unlink(t.path("src", "a.o"))
        listener.close()
