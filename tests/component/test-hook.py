#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-hook.py - the promises of snaptree-hook, against a fake agent

The agent is a socket made here, in a temporary directory.  Each case gets its
own.  Every hook must leave stdout empty and end within a bound; run() checks
both, so no case can forget.  HOOK names the binary.
"""
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HOOK = os.path.abspath(os.environ.get("HOOK", "./snaptree-hook"))
UUID = "5f1c2b3a-0000-4abc-8def-0123456789ab"
XML = f"<domain type='kvm'>\n  <name>web</name>\n  <uuid>{UUID}</uuid>\n</domain>\n"
HOLD, PASS, BLOCK = 2, 3, 4
SLACK = 3.0  # a loaded machine, a sanitizer or valgrind; never a claim of speed
GATE = ("prepare", "begin")
TELLS = [("started", "begin"), ("stopped", "end"), ("release", "end"),
         ("reconnect", "begin"), ("migrate", "begin"), ("restore", "begin"),
         ("attach", "begin")]
CASES = []


def case(fn):
    CASES.append(fn)
    return fn


def frame(kind, payload=b""):
    return struct.pack(">IB", len(payload) + 1, kind) + payload


def now_ms():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000000


def recv_all(conn, n):
    data = b""
    while len(data) < n:
        part = conn.recv(n - len(data))
        if not part:
            raise EOFError(f"{len(data)} of {n} bytes")
        data += part
    return data


def recv_message(conn):
    """One HOOK frame, as its list of strings."""
    size, kind = struct.unpack(">IB", recv_all(conn, 5))
    payload = recv_all(conn, size - 1)
    assert kind == 1, kind
    assert payload.endswith(b"\0")
    fields = payload[:-1].split(b"\0")
    assert len(fields) == 7, fields
    return fields


def wait_gone(conn):
    """The hook went away: EOF, or a reset when it left our bytes unread."""
    try:
        assert conn.recv(1) == b""
    except ConnectionResetError:
        pass


class Result:
    def __init__(self, code, err, seconds):
        self.code, self.err, self.seconds = code, err, seconds


class World:
    """A run directory, a state directory and perhaps an agent."""

    def __init__(self, top):
        self.sock_path = os.path.join(top, "agent.sock")
        self.missed_path = os.path.join(top, "snaptree", "missed")
        os.mkdir(os.path.join(top, "snaptree"))
        self.env = dict(os.environ, SNAPTREE_SOCKET=self.sock_path,
                        SNAPTREE_STATEDIR=top)
        self.sock = self.thread = self.trouble = None

    def listen(self, backlog=64):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(self.sock_path)
        self.sock.listen(backlog)
        self.sock.settimeout(10)

    def agent(self, serve):
        """Listen, and call serve(conn, fields) for the first message."""
        self.listen()

        def loop():
            try:
                conn, _ = self.sock.accept()
                conn.settimeout(10)
                with conn:
                    serve(conn, recv_message(conn))
            except Exception:  # told by done()
                self.trouble = traceback.format_exc()

        self.thread = threading.Thread(target=loop, daemon=True)
        self.thread.start()

    def done(self):
        if self.thread:
            self.thread.join(15)
            assert not self.thread.is_alive(), "agent thread hangs"
        assert not self.trouble, self.trouble

    def start(self, *args, stdin=subprocess.PIPE):
        return subprocess.Popen([HOOK, *args], env=self.env, stdin=stdin,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, moment, domain="web", xml=XML, extra="-", bound=1.3,
            stdin=subprocess.PIPE):
        data = xml.encode() if isinstance(xml, str) else xml
        begin = time.monotonic()
        p = self.start(domain, *moment, extra, stdin=stdin)
        try:
            out, err = p.communicate(
                data if stdin == subprocess.PIPE else None, timeout=20)
        except subprocess.TimeoutExpired:
            p.kill()
            p.communicate()
            raise AssertionError("the hook hangs") from None
        seconds = time.monotonic() - begin
        self.done()
        assert out == b"", f"stdout: {out!r}"
        assert seconds < bound + SLACK, f"{seconds:.2f} s"
        return Result(p.returncode, err, seconds)

    def missed(self):
        try:
            with open(self.missed_path, "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def expect_missed(self, moment, why, domain=b"web", uuid=UUID):
        line = self.missed()
        at, rest = line.split(b"\t", 1)
        assert abs(int(at) - time.time() * 1000) < 60000, line
        want = b"\t".join([uuid.encode(), domain, *[m.encode() for m in moment],
                           why.encode()]) + b"\n"
        assert rest == want, (rest, want)


def quiet(w, r):
    """The hook let libvirt go on, and there was nothing to remember."""
    assert (r.code, r.err) == (0, b""), (r.code, r.err)
    assert w.missed() == b"", w.missed()


def passed(w, r, moment, why, **kw):
    """The hook let libvirt go on, and remembered the moment."""
    assert (r.code, r.err) == (0, b""), (r.code, r.err)
    w.expect_missed(moment, why, **kw)


@case
def tell_exact_bytes(w):
    """a tell is one frame, byte for byte, then EOF"""
    w.listen()
    quiet(w, w.run(("migrate", "begin"), extra="qemu+ssh://a/system"))
    conn, _ = w.sock.accept()
    payload = b"".join(s + b"\0" for s in [
        b"1", b"web", b"migrate", b"begin", b"qemu+ssh://a/system",
        XML.encode(), b"0"])
    data = b""
    while part := conn.recv(65536):
        data += part
    assert data == frame(1, payload), data


@case
def tell_all(w):
    """each tell is delivered, without an answer, to an agent that comes later"""
    w.listen()
    for moment in TELLS:
        quiet(w, w.run(moment))
    for moment in TELLS:
        conn, _ = w.sock.accept()
        f = recv_message(conn)
        assert f[2:4] == [m.encode() for m in moment], f
        assert f[6] == b"0" and conn.recv(1) == b""


@case
def not_ours(w):
    """other operations end at once: no connection, stdin not waited for"""
    w.listen()
    w.sock.settimeout(0.2)
    for moment in [("start", "begin"), ("started", "end"), ("prepare", "end"),
                   ("future", "begin"), ("", "")]:
        r, keep = os.pipe()
        quiet(w, w.run(moment, stdin=r, bound=0.1))
        os.close(r)
        os.close(keep)
    try:
        w.sock.accept()
        raise AssertionError("connected")
    except TimeoutError:
        pass


@case
def gate_pass(w):
    """PASS without HOLD lets the start go on; the deadline is ANSWER_MS ahead"""
    begin = now_ms()
    seen = []

    def serve(conn, fields):
        seen.append(int(fields[6]))
        conn.sendall(frame(PASS))
    w.agent(serve)
    quiet(w, w.run(GATE))
    assert begin + 1000 <= seen[0] <= now_ms() + 1000, (begin, seen)


@case
def gate_hold_pass(w):
    """HOLD gives more than ANSWER_MS; a PASS in that time counts"""
    def serve(conn, _):
        conn.sendall(frame(HOLD, b"8000"))
        time.sleep(1.5)
        conn.sendall(frame(PASS))
    w.agent(serve)
    r = w.run(GATE, bound=1.8)
    quiet(w, r)
    assert r.seconds >= 1.5


@case
def gate_hold_block_one_write(w):
    """HOLD and BLOCK that come in one piece: exit 1"""
    w.agent(lambda conn, _: conn.sendall(frame(HOLD, b"8000") +
                                         frame(BLOCK, b"no")))
    r = w.run(GATE)
    assert (r.code, r.err) == (1, b"snaptree: no\n"), (r.code, r.err)


@case
def gate_block_text(w):
    """BLOCK: exit 1 and its text on stderr, control characters replaced"""
    text = "snapshot of 'vda' failed:\x1b[2J \x9b1m\tdisk\nfull \u00e9\u4e2d\0\x7f."
    w.agent(lambda conn, _: conn.sendall(frame(BLOCK, text.encode())))
    r = w.run(GATE)
    want = "snaptree: snapshot of 'vda' failed:?[2J ??1m?disk?full \u00e9\u4e2d??.\n"
    assert (r.code, r.err) == (1, want.encode()), (r.code, r.err)
    assert w.missed() == b""


@case
def gate_block_longest(w):
    """a BLOCK of exactly 4096 bytes counts"""
    w.agent(lambda conn, _: conn.sendall(frame(BLOCK, b"x" * 4095)))
    r = w.run(GATE)
    assert r.code == 1 and r.err == b"snaptree: " + b"x" * 4095 + b"\n"


@case
def gate_overheld(w):
    """an agent that holds for longer than it asked is not waited for"""
    gone = []

    def serve(conn, _):
        conn.sendall(frame(HOLD, b"1500"))
        wait_gone(conn)
        gone.append(time.monotonic())
    w.agent(serve)
    r = w.run(GATE, bound=1.6)
    passed(w, r, GATE, "overheld")
    assert r.seconds >= 1.4 and gone


@case
def gate_hold_twice(w):
    """a second HOLD does not extend the first"""
    w.agent(lambda conn, _: (conn.sendall(frame(HOLD, b"9000") * 2),
                             wait_gone(conn)))
    passed(w, w.run(GATE), GATE, "garbage")


@case
def gate_slow_trickle(w):
    """bytes that trickle in do not move the deadline"""
    def serve(conn, _):
        try:
            for b in frame(BLOCK, b"y" * 100):
                conn.sendall(bytes([b]))
                time.sleep(0.1)
        except BrokenPipeError:
            pass
    w.agent(serve)
    passed(w, w.run(GATE), GATE, "unanswered")


@case
def gate_slow_pass(w):
    """an agent that answers late, but in time, is heard"""
    w.agent(lambda conn, _: (time.sleep(0.5), conn.sendall(frame(PASS))))
    quiet(w, w.run(GATE))


@case
def agent_absent(w):
    """no socket: the start goes on at once, the moment is kept"""
    passed(w, w.run(GATE, bound=0.1), GATE, "absent")
    assert os.stat(w.missed_path).st_mode & 0o7777 == 0o600


@case
def agent_absent_tell(w):
    """no socket: a tell is kept too"""
    passed(w, w.run(("stopped", "end"), bound=0.1), ("stopped", "end"),
           "absent")


@case
def agent_refused(w):
    """a socket that nobody listens on"""
    w.listen()
    w.sock.close()
    passed(w, w.run(GATE, bound=0.1), GATE, "refused")


@case
def agent_never_accepts(w):
    """an agent that hangs before accept"""
    w.listen()
    passed(w, w.run(GATE), GATE, "unanswered")


@case
def agent_never_answers(w):
    """an agent that reads and hangs"""
    w.agent(lambda conn, _: wait_gone(conn))
    passed(w, w.run(GATE), GATE, "unanswered")


@case
def agent_backlog_full(w):
    """a full backlog is waited for, but only for SEND_MS"""
    w.listen(0)
    hold = socket.socket(socket.AF_UNIX)
    hold.connect(w.sock_path)
    passed(w, w.run(("started", "begin"), bound=0.2), ("started", "begin"),
           "full")


@case
def agent_buffer_full(w):
    """an XML larger than the socket's buffer, which nobody reads"""
    w.listen()
    r = w.run(("started", "begin"), bound=0.3, xml=XML + " " * 900000)
    passed(w, r, ("started", "begin"), "unsent")


@case
def agent_closes(w):
    """an agent that hangs up without an answer"""
    w.agent(lambda conn, _: None)
    passed(w, w.run(GATE, bound=0.2), GATE, "closed")


@case
def agent_closes_after_hold(w):
    """an agent that dies while it holds the start"""
    w.agent(lambda conn, _: conn.sendall(frame(HOLD, b"60000")))
    passed(w, w.run(GATE, bound=0.2), GATE, "closed")


@case
def agent_closes_unread(w):
    """an agent that hangs up while we write: no SIGPIPE"""
    w.listen()

    def loop():
        conn, _ = w.sock.accept()
        conn.recv(1)
        conn.close()
    w.thread = threading.Thread(target=loop, daemon=True)
    w.thread.start()
    passed(w, w.run(GATE, xml=XML + " " * 900000), GATE, "closed")


def garbage(name, data):
    def fn(w):
        w.agent(lambda conn, _: (conn.sendall(data), wait_gone(conn)))
        passed(w, w.run(GATE, bound=0.2), GATE, "garbage")
    fn.__doc__ = f"garbage: {name}"
    fn.__name__ = "garbage"
    case(fn)


garbage("text", b"HTTP/1.1 400 Bad Request\r\n\r\n")
garbage("length 0", struct.pack(">IB", 0, PASS))
garbage("length 4097", frame(BLOCK, b"z" * 4096))
garbage("length 4 GiB", struct.pack(">IB", 0xffffffff, BLOCK))
garbage("unknown kind", frame(9))
garbage("kind 255", frame(255))
garbage("its own kind", frame(1))
garbage("PASS with a payload", frame(PASS, b"x"))
garbage("HOLD without a number", frame(HOLD))
garbage("HOLD with a sign", frame(HOLD, b"-1"))
garbage("HOLD with a NUL", frame(HOLD, b"10\0" + b"0"))
garbage("HOLD far too long", frame(HOLD, b"9" * 30))


@case
def garbage_cut(w):
    """a frame that ends in the middle"""
    w.agent(lambda conn, _: conn.sendall(frame(BLOCK, b"abc")[:-1]))
    passed(w, w.run(GATE, bound=0.2), GATE, "closed")


@case
def xml_huge(w):
    """2 MiB of XML: the message comes, with an empty XML"""
    seen = []
    w.agent(lambda conn, f: (seen.append(f[5]), conn.sendall(frame(PASS))))
    quiet(w, w.run(GATE, xml=XML + "x" * (2 << 20)))
    assert seen == [b""]


@case
def xml_huge_missed(w):
    """2 MiB of XML and no agent: the kept line still has the UUID"""
    passed(w, w.run(GATE, xml=XML + "x" * (2 << 20)), GATE, "absent")


@case
def xml_largest(w):
    """exactly 1 MiB is sent whole; one byte more is not"""
    for size, want in [(1 << 20, 1 << 20), ((1 << 20) + 1, 0)]:
        seen = []
        if w.sock:
            w.sock.close()
            os.unlink(w.sock_path)
        w.agent(lambda conn, f: (seen.append(f[5]), conn.sendall(frame(PASS))))
        quiet(w, w.run(GATE, xml="q" * size))
        assert [len(s) for s in seen] == [want]


@case
def xml_nul(w):
    """a NUL cannot shift the fields that follow"""
    seen = []
    w.agent(lambda conn, f: (seen.append(f), conn.sendall(frame(PASS))))
    quiet(w, w.run(GATE, xml=b"<a>\0evil\0" + b"9"))
    assert seen[0][5] == b"" and seen[0][6] != b"9"


@case
def stdin_never_closed(w):
    """stdin that stays open: bounded, message with an empty XML"""
    seen = []
    w.agent(lambda conn, f: (seen.append(f[5]), conn.sendall(frame(PASS))))
    r, keep = os.pipe()
    os.write(keep, XML.encode())
    quiet(w, w.run(GATE, stdin=r, bound=1.2))
    os.close(keep)
    assert seen == [b""]


@case
def stdin_never_closed_no_agent(w):
    """stdin that stays open and no agent: both bounds, and the UUID is kept"""
    r, keep = os.pipe()
    os.write(keep, XML.encode())
    passed(w, w.run(GATE, stdin=r, bound=1.2), GATE, "absent")
    os.close(keep)


@case
def stdin_endless(w):
    """stdin from /dev/zero"""
    with open("/dev/zero", "rb") as zero:
        passed(w, w.run(GATE, stdin=zero.fileno()), GATE, "absent", uuid="-")


@case
def stdin_empty(w):
    """stdin from /dev/null"""
    w.agent(lambda conn, f: conn.sendall(frame(PASS if not f[5] else BLOCK)))
    quiet(w, w.run(GATE, stdin=subprocess.DEVNULL))


@case
def uuid_strict(w):
    """only a well-formed UUID enters the kept line"""
    for bad in ["", UUID[:-1], UUID + "0", UUID.replace("-", "0"), "z" + UUID[1:],
                UUID[:-1] + "\t", UUID[:8], "-" * 36]:
        passed(w, w.run(GATE, xml=f"<uuid>{bad}</uuid>"), GATE, "absent",
               uuid="-")
        os.unlink(w.missed_path)
    passed(w, w.run(GATE, xml=f"<uuid>{UUID}"), GATE, "absent", uuid="-")
    os.unlink(w.missed_path)
    passed(w, w.run(GATE, xml=f"<a/><uuid>{UUID.upper()}</uuid>"), GATE,
           "absent", uuid=UUID.upper())


ODD = ["a\nb", "a\tb", "quote\"'`$(id)", "\u00e9\u4e2d\U0001f600", "a b", "-x",
       "%s%n", "\x1b[31m", "../../etc", "", "\x7f"]


@case
def odd_names_sent(w):
    """odd domain names reach the agent unchanged"""
    w.listen()
    for name in ODD:
        quiet(w, w.run(("started", "begin"), domain=name))
        conn, _ = w.sock.accept()
        assert recv_message(conn)[1] == name.encode()


@case
def odd_names_missed(w):
    """odd domain names cannot break the kept line"""
    for name in ODD:
        want = re.sub(r"[\x00-\x1f\x7f]", "?", name).encode()
        passed(w, w.run(GATE, domain=name), GATE, "absent", domain=want)
        os.unlink(w.missed_path)


@case
def long_name(w):
    """a long name is sent whole, and its kept line is short enough"""
    r = w.run(GATE, domain="n" * 60000)
    assert r.code == 0 and w.missed().count(b"\n") == 1
    assert len(w.missed()) <= 4096
    assert w.missed().endswith(b"nn\tprepare\tbegin\tabsent\n")
    w.listen()
    w.run(("started", "begin"), domain="n" * 60000)
    assert len(recv_message(w.sock.accept()[0])[1]) == 60000


@case
def too_long_name(w):
    """arguments beyond all measure: exit 0, nothing sent"""
    w.listen()
    r = w.run(("started", "begin"), domain="n" * 100000)
    assert r.code == 0 and r.err.startswith(b"snaptree: "), r.err


@case
def parallel_missed(w):
    """twenty hooks at once: twenty whole lines"""
    hooks = [w.start(f"vm{i}-" + "m" * 1500, "stopped", "end", "-")
             for i in range(20)]
    for p in hooks:
        p.stdin.write(XML.encode())
    for p in hooks:
        out, err = p.communicate(timeout=20)
        assert (p.returncode, out, err) == (0, b"", b"")
    lines = w.missed().splitlines(keepends=True)
    names = {m.group(1) for m in (re.fullmatch(
        rb"\d+\t" + UUID.encode() + rb"\tvm(\d+)-m{1500}\tstopped\tend\tabsent\n",
        line) for line in lines) if m}
    assert len(lines) == 20 and len(names) == 20, lines


@case
def missed_full(w):
    """the file never grows beyond 1 MiB"""
    with open(w.missed_path, "wb") as f:
        f.write(b"x" * ((1 << 20) - 10))
    r = w.run(GATE)
    assert r.code == 0 and os.stat(w.missed_path).st_size == (1 << 20) - 10


@case
def missed_no_directory(w):
    """no state directory: nothing is made, nothing is said"""
    os.rmdir(os.path.dirname(w.missed_path))
    quiet(w, w.run(GATE))
    assert not os.path.exists(os.path.dirname(w.missed_path))


@case
def missed_symlink(w):
    """a link in place of the file is not followed"""
    victim = w.sock_path + ".victim"
    with open(victim, "wb"):
        pass
    for make in (os.symlink, os.link):
        make(victim, w.missed_path)
        r = w.run(GATE)
        assert r.code == 0 and os.stat(victim).st_size == 0
        os.unlink(w.missed_path)


@case
def missed_fifo(w):
    """a fifo in place of the file does not hang the start"""
    os.mkfifo(w.missed_path)
    assert w.run(GATE, bound=0.1).code == 0
    reader = os.open(w.missed_path, os.O_RDONLY | os.O_NONBLOCK)
    assert w.run(GATE, bound=0.1).code == 0
    assert os.read(reader, 1) == b""
    os.close(reader)


@case
def missed_owner(w):
    """made by root, it belongs to the owner of its directory"""
    if os.geteuid() != 0:
        return
    os.chown(os.path.dirname(w.missed_path), 12345, 12346)
    passed(w, w.run(GATE), GATE, "absent")
    st = os.stat(w.missed_path)
    assert (st.st_uid, st.st_gid) == (12345, 12346)


@case
def killed(w):
    """a killed hook: the agent sees that it is gone, no line is kept"""
    seen = []
    ready = threading.Event()

    def serve(conn, fields):
        ready.wait(10)
        conn.sendall(frame(HOLD, b"60000"))
        p.kill()
        wait_gone(conn)
        seen.append(fields[1])
    w.agent(serve)
    p = w.start("web", *GATE, "-")
    ready.set()
    out, _ = p.communicate(XML.encode(), timeout=20)
    w.done()
    assert (p.returncode, out) == (-signal.SIGKILL, b"")
    assert seen == [b"web"] and w.missed() == b""


@case
def bad_arguments(w):
    """wrong number of arguments: a usage line, exit 0"""
    for args in [[], ["web"], ["web", "prepare"], ["web", "prepare", "begin"]]:
        p = w.start(*args)
        out, err = p.communicate(timeout=20)
        assert (p.returncode, out) == (0, b"") and err.startswith(b"usage: ")


@case
def version_help(w):
    """--version and --help are the only things that print to stdout"""
    for arg, want in [("--version", b"snaptree-hook "), ("--help", b"usage: ")]:
        p = w.start(arg)
        out, err = p.communicate(timeout=20)
        assert (p.returncode, err) == (0, b"") and out.startswith(want)
    w.listen()
    quiet(w, w.run(("started", "begin"), domain="--help"))
    assert recv_message(w.sock.accept()[0])[1] == b"--help"


def run_case(fn):
    top = tempfile.mkdtemp(prefix="hook.")
    try:
        w = World(top)
        fn(w)
        return None
    except Exception:
        return traceback.format_exc()
    finally:
        shutil.rmtree(top, ignore_errors=True)


def main():
    only = sys.argv[1:]
    cases = [c for c in CASES if not only or c.__name__ in only]
    print(f"1..{len(cases)}")
    if not os.access(HOOK, os.X_OK):
        print(f"Bail out! HOOK '{HOOK}' is not a program")
        return 99
    bad = 0
    for n, fn in enumerate(cases, 1):
        trouble = run_case(fn)
        bad += trouble is not None
        print("not ok" if trouble else "ok", n, "-", f"{fn.__name__}: {fn.__doc__}")
        for line in (trouble or "").splitlines():
            print("#", line)
        sys.stdout.flush()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
