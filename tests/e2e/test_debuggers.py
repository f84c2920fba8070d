"""A project with a .hpcc file: its objects are the same in every checkout, and debuggers find the sources by the setting
that `hpcc doctor` prints."""
import os
import re
import shutil

from harness import Skip, check, test

MAIN = "int twice(int n) {\n  int doubled = n * 2;\n  return doubled;\n}\nint main(void) { return twice(21) - 42; }\n"


def build(t, compiler, cwd):
    t.hpcc([compiler, "-g", "-O0", "-c", "sub/main.c", "-o", "main.o"], cwd=cwd)
    t.run([compiler, "main.o", "-o", "main"], cwd=cwd)


def setting(t, debugger, cwd):
    text = t.hpcc(["doctor"], cwd=cwd).stdout.decode()
    found = re.search(rf"{debugger}: +(.*)", text)
    check(found, "doctor prints no setting:", text)
    return found.group(1)


def project(t):
    for name in ("one", "other-and-longer"):
        t.write(f"{name}/.hpcc", "")
        t.write(f"{name}/sub/main.c", MAIN)
    t.settle()
    return os.path.join(t.dir, "one"), os.path.join(t.dir, "other-and-longer")


def crossing(t, compiler):
    one, other = project(t)
    build(t, compiler, one)
    before = t.hits()
    build(t, compiler, other)
    check(t.hits() == before + 1, "the second checkout did not hit", t.counters())
    check(b"/hpcc/w" in t.read("other-and-longer/main.o") and b"/one" not in t.read("other-and-longer/main.o"))
    return other


@test
def debug_information_crosses_checkouts_with_gcc(t):
    crossing(t, "gcc")


@test
def gdb_stops_at_file_and_line_in_another_checkout(t):
    if not shutil.which("gdb"):
        raise Skip("gdb is not installed")
    other = crossing(t, "gcc")
    done = t.run(["gdb", "-nx", "-batch", "-ex", setting(t, "gdb", other), "-ex", "break main.c:3", "-ex", "run", "-ex", "list 3,3",
                  "-ex", "info locals", "./main"], cwd=other, ok=False)
    check(b"return doubled;" in done.stdout and b"doubled = 42" in done.stdout, done.stdout, done.stderr)


@test
def lldb_stops_at_file_and_line_in_another_checkout(t):
    if not shutil.which("lldb"):
        raise Skip("lldb is not installed")
    other = crossing(t, "clang")
    done = t.run(["lldb", "--no-lldbinit", "--batch", "-o", setting(t, "lldb", other), "-o",
                  f"breakpoint set --file {other}/sub/main.c --line 3", "-o", "run", "-o", "frame variable", "./main"], cwd=other,
                 ok=False, timeout=180)
    check(b"return doubled;" in done.stdout and b"doubled = 42" in done.stdout, done.stdout, done.stderr)
