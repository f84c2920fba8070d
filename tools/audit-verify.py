#!/usr/bin/env python3
"""Checks an hpcc audit log without any hpcc code: audit-verify.py AUDIT.tsv PUBLIC_KEY_HEX [CHECKPOINT...]

Every row's Ed25519 signature (RFC 8032, over DSSE's pre-authentication encoding of the columns before it), and that the
Merkle tree of RFC 6962 over the rows has the root which each CHECKPOINT (default: AUDIT.checkpoint) signs. Further
checkpoints are those that clients kept. Exit: 0 all holds, 1 something does not, 2 cannot be checked.
"""
import base64
import hashlib
import sys

ROW_TYPE = b"application/vnd.hpcc.audit-row.v1+tsv"
ROW_HEADER = b"#hpcc-audit-row v1\t"

# --- Ed25519 verification (RFC 8032, 5.1.7), in affine terms of extended coordinates ---
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x2 == 0:
        return None if sign else 0
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * ROOT % P
    if (x * x - x2) % P:
        return None
    return P - x if x & 1 != sign else x


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(n, point):
    out = (0, 1, 1, 0)
    while n:
        if n & 1:
            out = add(out, point)
        point = add(point, point)
        n >>= 1
    return out


def point_of(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (recover_x(BASE_Y, 0), BASE_Y, 1, recover_x(BASE_Y, 0) * BASE_Y % P)


def signature_ok(key, message, signature):
    a, r = point_of(key), point_of(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    p, q = multiply(s, BASE), add(r, multiply(h, a))
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


# --- the log ---
def root_of(leaves):
    """RFC 6962, 2.1, without recursion: complete subtrees on a stack, then folded from the right."""
    stack = []
    for n, leaf in enumerate(leaves, 1):
        stack.append(leaf)
        while n % 2 == 0:
            right, left = stack.pop(), stack.pop()
            stack.append(hashlib.sha256(b"\1" + left + right).digest())
            n //= 2
    if not stack:
        return hashlib.sha256(b"").digest()
    out = stack.pop()
    while stack:
        out = hashlib.sha256(b"\1" + stack.pop() + out).digest()
    return out


def check_rows(lines, key):
    for number, line in enumerate(lines, 1):
        body, _, signature = line.rpartition(b"\t")
        pae = b"DSSEv1 %d %s %d %s" % (len(ROW_TYPE), ROW_TYPE, len(body), body)
        try:
            good = signature_ok(key, pae, base64.b64decode(signature, validate=True))
        except ValueError:
            good = False
        if not good:
            yield f"row {number}: the signature does not hold"


def check_checkpoint(name, leaves, key):
    with open(name, "rb") as f:
        text, _, signatures = f.read(4096).partition(b"\n\n")
    origin, size, root = text.split(b"\n")
    key_id = hashlib.sha256(origin + b"\n\1" + key).digest()[:4]
    blobs = [base64.b64decode(s.rsplit(b" ", 1)[1]) for s in signatures.splitlines() if s]
    if not any(b[:4] == key_id and signature_ok(key, text + b"\n", b[4:]) for b in blobs):
        return f"{name}: not signed by this key"
    if int(size) > len(leaves):
        return f"{name}: signs {int(size)} rows, the log has {len(leaves)}"
    if root_of(leaves[:int(size)]) != base64.b64decode(root):
        return f"{name}: its {int(size)} rows are not these"
    print(f"{name}: {int(size)} of {len(leaves)} rows proved")
    return None


def main(log, key_hex, *checkpoints):
    key = bytes.fromhex(key_hex)
    with open(log, "rb") as f:
        header, *lines = f.read().split(b"\n")
    torn = lines.pop() if lines else b""
    leaves = [hashlib.sha256(b"\0" + line).digest() for line in lines]
    wrong = [] if header.startswith(ROW_HEADER) else ["the first line is not a header of version 1"]
    wrong += ["the last line is torn"] if torn else []
    wrong += check_rows(lines, key)
    for name in checkpoints or [log.removesuffix(".tsv") + ".checkpoint"]:
        wrong += filter(None, [check_checkpoint(name, leaves, key)])
    print("\n".join(wrong + [f"{len(lines)} rows: " + ("WRONG" if wrong else "all signatures and the tree hold")]))
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        sys.exit(main(*sys.argv[1:]))
    except (OSError, ValueError) as e:
        print(e, file=sys.stderr)
        sys.exit(2)
