"""A worker that lies, as hpccd sees it: stands where hpcc-remote is, runs the real one, and changes what it answers.

All that hpccd learns of a worker comes through hpcc-remote, so what is refused here is refused whoever lied on the way.
Shares the signature code of the standalone verifier, none of hpcc's.
"""
import base64
import hashlib
import importlib.util
import json
import os
import socket
import struct
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("audit_verify", os.path.join(HERE, "../../tools/audit-verify.py"))
verifier = importlib.util.module_from_spec(spec)
sys.dont_write_bytecode = True
spec.loader.exec_module(verifier)

SUBMIT, BLOB, RESULT, MAGIC = 1, 16, 17, 0x52435048
SKIP_CACHE = 1
GRANT_TYPE = b"application/vnd.hpcc.grant.v1"
STRANGER = b"\7" * 32


# --- Ed25519 signing (RFC 8032, 5.1.6) ---
def encode_point(p):
    z = pow(p[2], verifier.P - 2, verifier.P)
    x, y = p[0] * z % verifier.P, p[1] * z % verifier.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def secret_of(seed):
    h = hashlib.sha512(seed).digest()
    a = int.from_bytes(h[:32], "little") & (1 << 254) - 8 | 1 << 254
    return a, h[32:], encode_point(verifier.multiply(a, verifier.BASE))


def sign(seed, message):
    a, prefix, public = secret_of(seed)
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % verifier.L
    big_r = encode_point(verifier.multiply(r, verifier.BASE))
    h = int.from_bytes(hashlib.sha512(big_r + public + message).digest(), "little") % verifier.L
    return big_r + ((r + h * a) % verifier.L).to_bytes(32, "little")


def pae(kind, body):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def sign_row(columns, seed):
    body = b"\t".join(columns)
    return body + b"\t" + base64.b64encode(sign(seed, pae(verifier.ROW_TYPE, body)))


def sign_note(origin, size, root, seed):
    note = b"%s\n%d\n%s\n" % (origin, size, base64.b64encode(root))
    key_id = hashlib.sha256(origin + b"\n\1" + secret_of(seed)[2]).digest()[:4]
    return note + b"\n\xe2\x80\x94 " + origin + b" " + base64.b64encode(key_id + sign(seed, note)) + b"\n"


# --- frames ---
class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, kind):
        return struct.unpack("<" + kind, self.take(struct.calcsize(kind)))[0]

    def text(self, kind="I"):
        return self.take(self.number(kind))


def text(data, kind="I"):
    return struct.pack("<" + kind, len(data)) + data


PROOF = ["row", "checkpoint", "probes", "grant", "worker"]


def decode_result(payload):
    r = Reader(payload)
    out = {"head": r.take(9), "message": r.text(), "sent": r.take(8), "timing": r.text(),
           "exit": r.number("i"), "stdout": r.text(), "stderr": r.text()}
    out["outputs"] = [[r.text("H"), r.take(32), r.number("Q"), r.take(1)] for _ in range(r.number("I"))]
    out.update({name: r.text() for name in PROOF})
    out["leaf"] = r.number("Q")
    out["inclusion"] = [r.text() for _ in range(r.number("I"))]
    out["consistency"] = [[r.number("Q"), [r.text() for _ in range(r.number("I"))]] for _ in range(r.number("I"))]
    return out


def encode_result(o):
    out = o["head"] + text(o["message"]) + o["sent"] + text(o["timing"]) + struct.pack("<i", o["exit"])
    out += text(o["stdout"]) + text(o["stderr"])
    out += struct.pack("<I", len(o["outputs"]))
    for path, digest, size, executable in o["outputs"]:
        out += text(path, "H") + digest + struct.pack("<Q", size) + executable
    out += b"".join(text(o[name]) for name in PROOF) + struct.pack("<Q", o["leaf"])
    out += struct.pack("<I", len(o["inclusion"])) + b"".join(map(text, o["inclusion"]))
    out += struct.pack("<I", len(o["consistency"]))
    return out + b"".join(struct.pack("<QI", size, len(steps)) + b"".join(map(text, steps)) for size, steps in o["consistency"])


def change_grant(grant, seed, **changes):
    r = Reader(grant[:-64])
    version = r.take(1)
    names = ["id", "tenant", "image", "client", "worker"]
    fields = {name: r.text("H") for name in names}
    fields.update(key=r.take(32), begin=r.number("Q"), end=r.number("Q"))
    fields.update(changes)
    body = version + b"".join(text(fields[n], "H") for n in names) + fields["key"] + struct.pack("<QQ", fields["begin"], fields["end"])
    return body + sign(seed, pae(GRANT_TYPE, body))


# --- the lies: each gets the result and what the test knows ---
OTHER = b"not what the compiler wrote\n"


def backdoor(o, _):
    """Another object, under its own digest."""
    o["outputs"][0][1:3] = [hashlib.sha256(OTHER).digest(), len(OTHER)]


def columns_for(o):
    """The row's columns as they would be for the outputs in the result (which lie in the root here)."""
    columns = o["row"].split(b"\t")[:-1]
    lines = [b"%s %s %s\n" % (digest.hex().encode(), b"x" if executable == b"\1" else b"-", path)
             for path, digest, _, executable in sorted(o["outputs"])]
    columns[3] = hashlib.sha256(b"".join(lines)).hexdigest().encode()
    columns[21] = o["outputs"][0][1].hex().encode()
    return columns


def forged_digest(o, _):
    """A row that names the other object, with the signature of the honest one."""
    backdoor(o, _)
    o["row"] = b"\t".join(columns_for(o) + [o["row"].split(b"\t")[-1]])


def strangers_key(o, _):
    """Everything consistent, log included, but signed by a key of somebody else."""
    backdoor(o, _)
    o["row"] = sign_row(columns_for(o), STRANGER)
    o["checkpoint"] = sign_note(o["checkpoint"].split(b"\n")[0], 1, hashlib.sha256(b"\0" + o["row"]).digest(), STRANGER)
    o["leaf"], o["inclusion"] = 0, []


def strangers_grant(o, _):
    """That, and a grant that names the stranger's key."""
    strangers_key(o, _)
    o["grant"] = change_grant(o["grant"], STRANGER, key=secret_of(STRANGER)[2])


def expired_grant(o, known):
    now = int(time.time())
    o["grant"] = change_grant(o["grant"], bytes.fromhex(known["scheduler"]), begin=now - 4000, end=now - 3400)


def grant_of_another_tenant(o, known):
    o["grant"] = change_grant(o["grant"], bytes.fromhex(known["scheduler"]), tenant=b"zeta")


def grant_of_another_worker(o, known):
    o["grant"] = change_grant(o["grant"], bytes.fromhex(known["scheduler"]), worker=b"elsewhere")


def another_actions_row(o, known):
    o["row"] = known["row"].encode()


def no_receipt(o, _):
    o["row"] = o["checkpoint"] = b""
    o["inclusion"] = []


def hidden_probes(o, _):
    o["probes"] = b""


def another_exit_code(o, _):
    o["exit"] = 1


def invented_message(o, _):
    o["stderr"] = b"a.c:1: error: nothing is wrong\n"


def row_outside_of_the_log(o, _):
    o["inclusion"] = o["inclusion"][1:] + [b"\0" * 32]


def another_history(o, known):
    """The worker's own key, and a log that holds the row, but does not begin as the one the client saw."""
    leaf, left = hashlib.sha256(b"\0" + o["row"]).digest(), b"\7" * 32
    origin = o["checkpoint"].split(b"\n")[0]
    o["checkpoint"] = sign_note(origin, (1 << 20) + 1, hashlib.sha256(b"\1" + left + leaf).digest(), bytes.fromhex(known["worker"]))
    o["leaf"], o["inclusion"] = 1 << 20, [left]
    assert o["consistency"] and o["consistency"][0][1]  # the honest proof, as it was asked for


def another_history_without_proof(o, known):
    another_history(o, known)
    o["consistency"] = []


def side_log(o, known):
    """The worker's own key, another object, and a second log that has only this row: nobody else gets to see it."""
    backdoor(o, known)
    seed = bytes.fromhex(known["worker"])
    o["row"] = sign_row(columns_for(o), seed)
    o["checkpoint"] = sign_note(o["checkpoint"].split(b"\n")[0], 1, hashlib.sha256(b"\0" + o["row"]).digest(), seed)
    o["leaf"], o["inclusion"], o["consistency"] = 0, [], []


LIES = [backdoor, forged_digest, strangers_key, strangers_grant, expired_grant, grant_of_another_tenant, grant_of_another_worker,
        another_actions_row, no_receipt, hidden_probes, another_exit_code, invented_message, row_outside_of_the_log,
        another_history, another_history_without_proof, side_log]


# --- in the place of hpcc-remote ---
def receive(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            sys.exit(0)
        data += part
    return data


def proxy(real, control):
    outer = socket.socket(fileno=3)
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        os.dup2(theirs.fileno(), 3)
        os.execv(real, [real, *sys.argv[1:]])
    theirs.close()

    def towards_worker():
        try:
            while True:
                _, kind, size = struct.unpack("<III", receive(outer, 12))
                payload = receive(outer, size)
                with open(control) as f:
                    if kind == SUBMIT and json.load(f)["lie"] == "answers_from_its_cache":
                        payload = payload[:8] + bytes([payload[8] & ~SKIP_CACHE]) + payload[9:]
                ours.sendall(struct.pack("<III", MAGIC, kind, len(payload)) + payload)
        finally:
            os._exit(0)

    threading.Thread(target=towards_worker, daemon=True).start()
    lie = known = None
    while True:
        _, kind, size = struct.unpack("<III", receive(ours, 12))
        payload = receive(ours, size)
        with open(control) as f:
            known = json.load(f)
        lie = known["lie"]
        if kind == BLOB and lie in ("backdoor", "forged_digest", "strangers_key", "strangers_grant", "side_log"):
            payload = payload[:8] + hashlib.sha256(OTHER).digest() + struct.pack("<Q", len(OTHER)) + text(OTHER)
        if kind == BLOB and lie == "damaged_blob":
            payload = payload[:52] + bytes(b ^ 1 for b in payload[52:])
        function = {f.__name__: f for f in LIES}.get(lie)
        if kind == RESULT and payload[8] == 0 and function:
            result = decode_result(payload)
            assert encode_result(result) == payload
            function(result, known)
            payload = encode_result(result)
        outer.sendall(struct.pack("<III", MAGIC, kind, len(payload)) + payload)
