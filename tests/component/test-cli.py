#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli.py - the real snaptree against an agent and a collector that lie

tests/lib/fake-server.c answers by the name of the VM it is asked for.  SNAPTREE
and FAKE_SERVER name the two programs.  Arguments: the cases to run.
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import traceback
import unicodedata

SNAPTREE = os.path.abspath(os.environ.get("SNAPTREE", "./snaptree"))
SERVER = os.path.abspath(os.environ.get("FAKE_SERVER", "./tests/lib/fake-server"))
SRC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
UTF8 = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "xterm", "PATH": os.environ["PATH"]}
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "MALLOC_PERTURB_"):
    if name in os.environ:
        UTF8[name] = os.environ[name]
ANY_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
CASES = []
AGENT = []      # --agent PATH
COLLECTOR = []  # --collector ADDRESS


def case(fn):
    CASES.append(fn)
    return fn


def run(*args, env=None, peer=None, **kw):
    peer = AGENT if peer is None else peer
    kw.setdefault("stdout", subprocess.PIPE)
    p = subprocess.run([SNAPTREE, *peer, *args], stderr=subprocess.PIPE, timeout=60,
                       stdin=subprocess.DEVNULL, env={**UTF8, **(env or {})}, **kw)
    p.out = (p.stdout or b"").decode()
    p.err = p.stderr.decode()
    assert "Sanitizer" not in p.err and "runtime error" not in p.err, p.err
    return p


def good(*args, **kw):
    p = run(*args, **kw)
    assert p.returncode == 0, (args, p.returncode, p.out, p.err)
    return p.out


def bad(code, *args, says="", **kw):
    """Fails with that code, one line on stderr, and nothing on stdout."""
    p = run(*args, **kw)
    assert p.returncode == code, (args, p.returncode, p.err)
    assert p.out == "", (args, p.out)
    assert p.err.count("\n") == 1 and p.err.startswith("snaptree: "), (args, p.err)
    assert not ANY_CONTROL.search(p.err), (args, p.err)
    assert says in p.err, (args, p.err)
    return p.err


def on_terminal(*args, columns=80, env=None, peer=None):
    """Output as a terminal of that width gets it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    attrs = termios.tcgetattr(slave)
    attrs[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, attrs)
    p = subprocess.Popen([SNAPTREE, *(AGENT if peer is None else peer), *args], stdout=slave,
                         stderr=slave, stdin=slave, env={**UTF8, **(env or {})})
    os.close(slave)
    data = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            part = b""
        if not part:
            break
        data += part
    os.close(master)
    assert p.wait(60) == 0, data
    return data.decode()


def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1
               for c in line)


def assert_fits(text, columns):
    text = re.sub("\033\\[[0-9;]*m", "", text)
    for line in text.splitlines():
        if line.startswith("note: "):
            continue  # sentences may go on in the terminal's next line
        assert width(line) <= columns, (width(line), line)


# --- the picture ------------------------------------------------------------

@case
def tree_picture():
    """branches, the straight line to the head, the marked head"""
    lines = good("tree", "web-1").splitlines()
    assert re.match(r"web-1  8d3e0100-[0-9a-f-]+  on kvm-3, running$", lines[0]), lines[0]
    assert lines[1].split()[:3] == ["ID", "LABEL", "CONSISTENCY"]
    left = [re.match(r"(\D*?) ([0-9a-f]{8}-[0-9a-f]{4}) ", line).group(1) for line in lines[2:]]
    assert left == ["●", "●", "├─●", "│ ●", "●", "●"], left
    assert [l for l in lines if "← head" in l] == [lines[-1]] and "daily-2 ← head" in lines[-1]


@case
def tree_ascii():
    """--ascii, and a locale that is not UTF-8, use ASCII only"""
    for out in (good("tree", "web-1", "--ascii"), good("tree", "web-1", env={"LC_ALL": "C"})):
        assert out.isascii()
        assert "|-* " in out and "daily-2 <- head" in out


@case
def tree_all():
    """without a VM: each VM's tree, also empty ones, and the warning"""
    out = good("tree")
    assert re.search("^web-1 ", out, re.M) and re.search("^empty .*\nno snapshots yet$", out, re.M)
    assert "the guest may be frozen: see 'snaptree thaw'" in out


@case
def tree_shapes():
    """1000 snapshots deep, wide, as a comb, as roots, in a loop: each once"""
    for vm in ("deep", "wide", "comb", "roots", "loop"):
        out = good("tree", vm)
        labels = re.findall(r" (s\d+) ", out)
        assert sorted(labels, key=lambda s: int(s[1:])) == [f"s{i}" for i in range(1000)], vm
        assert out.count("← head") == 1, vm
        assert_fits(on_terminal("tree", vm), 80)
        assert len(json.loads(good("tree", vm, "--json"))["trees"][0]["snapshots"]) == 1000
    assert "│" not in good("tree", "deep"), "a long history goes straight down"


@case
def tree_orphan():
    """a parent that is not here is shown with a question mark"""
    lines = good("tree", "orphan").splitlines()
    assert lines[2].startswith("? ") and "(not here)" in lines[2]
    assert lines[5] == "" and "other-root" in lines[6]


# --- other verbs ------------------------------------------------------------

@case
def list_options():
    """each filter arrives at the other side"""
    p = run("list", "--vm", "web-1", "--host=kvm-3", "--label", "be*", "--tag", "release",
            "--consistency", "crash", "--origin", "hook", "--since", "2026-01-02 03:04",
            "--until", "2026-01-02T03:05:06Z", "--limit", "7")
    assert p.returncode == 0 and ("vm=web-1 host=kvm-3 label=be* tag=release consistency=1 origin=2 "
                                  "since=1767323040000 until=1767323106000 after=0 limit=7") in p.err, p.err


@case
def since_forms():
    """ISO times, dates, words and spans"""
    def since(text):
        return int(re.search(r"since=(\d+)", run("events", "--since", text).err).group(1)) / 1000
    assert since("2026-01-02") == 1767312000
    assert since("2026-01-02T03:04") == 1767323040
    assert since("2026-01-02 03:04:05") == 1767323045
    assert abs(since("2h") - (time.time() - 7200)) < 30
    assert abs(since("3d") - (time.time() - 3 * 86400)) < 30
    assert since("today") == time.time() // 86400 * 86400
    for text in ("", "2", "h", "2 fortnights", "2026-02-30", "2026-13-01", "2026-01-02 25:00",
                 "-2h", "2026-01-02 03:04 tomorrow", "99999999999999999999d"):
        bad(2, "events", "--since", text, says="is not a time")


@case
def list_json():
    """stable keys, ISO and milliseconds, arrays, null for none"""
    rows = json.loads(good("list", "--vm", "web-1", "--json"))["snapshots"]
    assert len(rows) == 6
    one, two = rows[1], rows[2]
    assert one["label"] == "before-upgrade" and one["tags"] == ["release", "v1.2"]
    assert one["taken"] == "2026-01-02T03:04:00.000Z" and one["taken_ms"] == 1767323040000
    assert rows[0]["parent"] is None and one["parent"] == rows[0]["id"] and len(one["id"]) == 36
    assert two["frozen_ms"] is None and one["frozen_ms"] == 34 and one["sync_ms"] is None
    assert [d["target"] for d in one["disks"]] == ["vda", "vdb"]
    assert one["disks"][0]["size_bytes"] == 21474836480
    assert set(one) == set("id vm vm_id label description tags parent host_id origin consistency state "
                           "pinned taken taken_ms sync_ms freeze_ms cut_ms thaw_ms frozen_ms note disks".split())
    few = json.loads(good("list", "--vm", "web-1", "--json", "-o", "id,taken"))["snapshots"]
    assert set(few[0]) == {"id", "taken", "taken_ms"}


@case
def empty_list():
    """no rows: nothing on stdout, a remark on stderr, [] in JSON"""
    p = run("list", "--vm", "nothing")
    assert p.returncode == 0 and p.out == "" and "no snapshots" in p.err
    assert json.loads(good("list", "--vm", "nothing", "--json")) == {"snapshots": []}


@case
def columns():
    """-o chooses, in any case and with dashes; headings can go"""
    out = good("list", "--vm", "web-1", "-o", "LABEL,vm-id,Frozen")
    assert out.splitlines()[0].split() == ["LABEL", "VM-ID", "FROZEN"]
    out = good("--no-headings", "list", "--vm", "web-1", "--output=label")
    assert out.splitlines() == ["base", "before-upgrade", "experiment", "", "daily-1", "daily-2"]
    for wrong in ("", "nonsense", "id,,label", "id,", "\033[31m"):
        bad(2, "list", "-o", wrong, says="no column")
    bad(2, "status", "-o", "id", says="no columns")


@case
def show_record():
    """one snapshot as lines and a table of its disks"""
    out = good("show", "web-1@before-upgrade")
    assert re.search(r"^label: +before-upgrade$", out, re.M)
    assert re.search(r"^id: +[0-9a-f-]{36}$", out, re.M)
    assert re.search(r"^frozen: +34 ms$", out, re.M) and "freeze:" not in out
    assert re.search(r"^vda +system +qcow2-external +20 GiB", out, re.M)
    assert json.loads(good("show", "web-1@before-upgrade", "--json"))["label"] == "before-upgrade"
    bad(3, "show", "web-1@nothing", says="no snapshot 'web-1@nothing'")


@case
def events_hosts_status_thaw():
    """the small ones, text and JSON, from agent and collector"""
    for peer in (AGENT, COLLECTOR):
        assert re.search("^2026-01-02 03:03 +failed", good("events", peer=peer), re.M)
        data = json.loads(good("events", "--json", peer=peer))
        assert data["after"] == 1042 and data["events"][2]["code"] == "GUEST"
        assert re.search("^kvm-4 .* no ", good("hosts", peer=peer), re.M)
        assert json.loads(good("hosts", "--json", peer=peer))["hosts"][1]["behind"] == 2
        assert re.search("^events waiting: 14$", good("status", peer=peer), re.M)
        assert json.loads(good("status", "--json", peer=peer))["status"]["events_waiting"] == "14"
    assert good("thaw", "web-1") == "web-1: was frozen, is thawed\n"
    assert json.loads(good("thaw", "web-1", "--json")) == {"vm": "web-1", "text": "was frozen, is thawed"}


@case
def create():
    """options arrive; one line; the note; the JSON record"""
    p = run("create", "web-1", "-l", "foo")
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}  foo  frozen for 34 ms\n", p.out), p.out
    assert p.err == "", "progress is for terminals"
    assert "freezing the guest\n" in on_terminal("create", "web-1")
    p = run("create", "noagent")
    assert p.err == "note: not frozen: no guest agent\n" and p.out.endswith("  crash\n"), (p.out, p.err)
    got = json.loads(good("create", "web-1", "--label=l", "--description", "what for", "--tag", "a",
                          "--tag", "b:c", "--disk", "vda", "--disk=vdb", "--freeze", "require",
                          "--max-frozen", "5s", "--json"))
    assert got["label"] == "l" and got["tags"] == ["a", "b:c"]
    assert got["description"] == "what for disks=vda vdb freeze=1 max=5000"


@case
def interrupted():
    """Ctrl-C tells that the operation goes on, and ends with 130"""
    p = subprocess.Popen([SNAPTREE, *AGENT, "create", "slow"], env=UTF8, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    time.sleep(1)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=10)
    assert p.returncode == 130 and out == b"", (p.returncode, out)
    assert re.search(rb"operation [0-9a-f-]{36} goes on in the agent \(see 'snaptree events --vm slow'\)", err), err


@case
def pin():
    """several at once, by the ids that were found; the column in the pictures"""
    assert good("pin", "web-1@x") == "018f3c5e-7a2b  web-1  pinned\n".replace("018f3c5e-7a2b", one_id()), one_id()
    assert good("unpin", "web-1@x").endswith("  web-1  unpinned\n")
    assert good("pin", "same@x").endswith("  web-1  nothing to change\n")
    assert good("pin", "a@x", "b@y").count("  pinned\n") == 2
    got = json.loads(good("pin", "web-1@x", "--json"))
    assert got["changed"] == 1 and got["snapshots"][0]["pinned"] is True
    assert got["snapshots"][0]["description"] == " edit=1 at web-1@x"
    got = json.loads(good("unpin", "a@x", "same@y", "--json"))
    assert got["changed"] == 2 and len(got["snapshots"]) == 2
    assert re.fullmatch(r" edit=2 at [0-9a-f-]{36}", got["snapshots"][1]["description"]), got
    lines = good("tree", "pinned").splitlines()
    assert "PINNED" in lines[1] and [" yes " in l for l in lines[2:]] == [False, True] + 4 * [False], lines
    assert " no " not in good("list", "--vm", "pinned", "-o", "label,pinned,origin")
    assert re.search(" yes ", on_terminal("tree", "pinned", "--color=never"))
    assert "PINNED" not in on_terminal("tree", "web-1", "--color=never")
    assert json.loads(good("list", "--vm", "pinned", "--json"))["snapshots"][0]["pinned"] is False


def one_id():
    return json.loads(good("show", "web-1@x", "--json"))["id"][:13]


@case
def label_tag_describe():
    """what is new arrives, and the removal of what was"""
    assert re.fullmatch(r"[0-9a-f-]{13}  web-1@new name  labelled\n", good("label", "web-1@x", "new name"))
    assert good("label", "web-1@x", "--remove").endswith("  web-1  label removed\n")
    assert good("label", "--remove", "web-1@x").endswith("  web-1  label removed\n")
    assert good("describe", "web-1@x", "what for").endswith("  described\n")
    assert good("describe", "web-1@x", "--remove").endswith("  description removed\n")
    assert good("tag", "web-1@x", "a", "b=1", "a").endswith("  tags: a b=1\n")

    def asked(*args):
        row = json.loads(good(*args, "--json"))["snapshots"][0]
        return row["label"], row["tags"], row["description"]
    assert asked("label", "web-1@x", "l") == ("l", [], " edit=4 at web-1@x")
    assert asked("label", "web-1@x", "--remove") == ("", [], " edit=4 at web-1@x")
    assert asked("describe", "web-1@x", "größer als vorher") == ("", [], "größer als vorher edit=8 at web-1@x")
    assert asked("tag", "web-1@x", "a", "b") == ("", ["a", "b"], " edit=16 at web-1@x")
    assert asked("tag", "web-1@x", "--remove", "b") == ("", ["b"], " edit=32 at web-1@x")


@case
def edit_fails():
    """the cause, the name that was given, and nothing half done"""
    for verb, more in (("pin", []), ("unpin", []), ("label", ["l"]), ("describe", ["d"]), ("tag", ["t"])):
        bad(1, verb, "fail-4", *more, says=f"cannot {verb} 'fail-4': 'fail-4' fails as the test wants it")
        bad(3, verb, "web-1@nothing", *more, says=f"cannot {verb} 'web-1@nothing': no snapshot")
    # Looked up first: the good one is not changed, so nothing is printed.
    bad(3, "pin", "web-1@x", "web-1@nothing", says="cannot pin 'web-1@nothing'")


# --- what goes wrong --------------------------------------------------------

@case
def exit_codes():
    """the other side's errors become the documented exit codes"""
    for code, want in ((1, 1), (2, 2), (3, 3), (4, 1), (5, 5), (6, 5), (7, 1), (8, 1), (9, 1), (10, 1),
                       (11, 1), (12, 1)):
        for verb in ("tree", "create", "thaw"):
            bad(want, verb, f"fail-{code}", says=f"'fail-{code}' fails as the test wants it")
        bad(want, "list", "--vm", f"fail-{code}", "--json", says="cannot list snapshots: ")


@case
def connection():
    """nobody there, gone away, silent, talking nonsense"""
    bad(4, "status", peer=["--agent", "/nonexistent/agent.sock"], says="/nonexistent/agent.sock")
    bad(5, "tree", "slow", "--timeout", "300ms")
    bad(5, "tree", "slow", "--timeout", "300ms", peer=COLLECTOR)
    bad(4, "tree", "hangup")
    bad(4, "tree", "garbage")
    start = time.time()
    p = run("status", "--timeout", "1s", peer=["--collector", "tcp://127.0.0.1:1"])
    assert p.returncode in (4, 5) and p.out == "" and time.time() - start < 20, (p.returncode, p.err)


@case
def usage():
    """a bad command line is refused before anyone is asked"""
    nobody = ["--agent", "/nonexistent"]
    for args in (["create"], ["create", ""], ["create", "a", "b"], ["show"], ["thaw"], ["list", "x"],
                 ["create", "x" * 300], ["create", "a\nb"], ["create", b"\xff"], ["show", "x" * 400],
                 ["create", "a", "--label", ""], ["create", "a", "--label", "head"],
                 ["create", "a", "--label", "x@y"], ["create", "a", "--label", "l" * 64],
                 ["create", "a", "--tag", "two words"], ["create", "a", "--tag", "ä"],
                 ["create", "a", "--tag", ""], ["create", "a", "--disk", ""], ["create", "a", "--disk", "x" * 40],
                 ["create", "a", "--description", "d" * 300], ["create", "a", "--description", "a\033b"],
                 ["create", "a", "--freeze", "maybe"], ["create", "a", "--max-frozen", "5"],
                 ["create", "a", "--max-frozen", "0s"], ["create", "a", "-o", "id"],
                 ["create", "a"] + ["--tag", "t" * 60] * 5,
                 ["list", "--consistency", "solid"], ["list", "--origin", ""], ["list", "--limit", "0"],
                 ["list", "--limit", "-1"], ["list", "--limit", "1x"], ["list", "--limit", "99999999999999999999"],
                 ["list", "--tag", "a b/c"], ["list", "--vm", ""], ["list", "--host", "\x01"],
                 ["list", "--label", "l" * 80], ["list", "--since", "1h", "--until", "2h"],
                 ["pin"], ["pin", ""], ["pin", "x" * 400], ["pin", "a@b", "c\nd"], ["unpin"], ["pin", "a@b", "-o", "id"],
                 ["label", "a@b"], ["label", "a@b", ""], ["label", "a@b", "head"], ["label", "a@b", "x@y"],
                 ["label", "a@b", "l" * 64], ["label", "a@b", "l", "--remove"], ["label", "a@b", "c", "d"],
                 ["label", "--remove"], ["describe", "a@b"], ["describe", "a@b", ""], ["describe", "a@b", "d" * 256],
                 ["describe", "a@b", "a\033b"], ["describe", "a@b", "two", "words"], ["tag", "a@b"],
                 ["tag", "a@b", ""], ["tag", "a@b", "two words"], ["tag", "a@b", "ä"], ["tag", "a@b", "--remove"],
                 ["tag", "a@b"] + [c * 60 for c in "abcde"], ["tag", "a@b", "t" * 300],
                 ["events", "--after", "x"], ["events", "--after", ""], ["status", "--timeout", "5"],
                 ["status", "--color", "red"], ["status", "--color="], ["status", "--json=x"], ["status", "-z"],
                 ["status", "--nonsense"], ["status", "--collector"], ["tree", "-o"], ["status", "--co", "x"]):
        bad(2, *args, peer=nobody)
    for args in (["--agent", "relative", "status"], ["--collector", "", "status"], ["--collector", "host", "status"],
                 ["--collector", "tcp://host", "status"], ["--collector", "http://h:1", "status"],
                 ["--collector", "tcp://h:1", "--agent", "/x", "status"],
                 ["--collector", "tcp://h:1", "create", "x"], ["--json"], ["--", "nonsense"], []):
        bad(2, *args, peer=[])
    bad(2, "status", peer=[], env={"SNAPTREE_COLLECTOR": "nonsense"}, says="SNAPTREE_COLLECTOR")


@case
def suggestions():
    """a mistyped command or option is recognised"""
    for typed, meant in (("craete", "create"), ("tre", "tree"), ("lst", "list"), ("hots", "hosts")):
        bad(2, typed, says=f"did you mean '{meant}'?")
    bad(2, "restart-everything", says="see 'snaptree --help'")
    bad(2, "list", "--lable", "x", says="did you mean '--label'?")


@case
def environment():
    """SNAPTREE_COLLECTOR is used, but --agent wins and create stays local"""
    env = {"SNAPTREE_COLLECTOR": COLLECTOR[1]}
    assert "version" in good("status", peer=[], env=env)
    assert "version" in good("status", env={"SNAPTREE_COLLECTOR": "tcp://127.0.0.1:1"})
    bad(4, "create", "web-1", peer=[], env=env)


@case
def globals_anywhere():
    """global options before and after the verb"""
    for args in (["--json", "list", "--vm", "web-1"], ["list", "--vm", "web-1", "--json"],
                 ["list", "--json", "--vm", "web-1"]):
        assert len(json.loads(good(*args))["snapshots"]) == 6
    assert "s1" in good("tree", "--", "deep")


@case
def lying_names():
    """control characters are refused, bidi tricks shown as '?', UTF-8 kept"""
    err = bad(4, "tree", "evil")
    assert "control characters" in err
    assert "a?gnp.exe" in good("tree", "bidi")
    assert "größe-名前" in good("tree", "wörld-名前")
    out = good("tree", "wörld-名前", env={"LC_ALL": "C"})
    assert out.isascii() and "gr??e-??" in out, out
    data = good("tree", "wörld-名前", "--json", env={"LC_ALL": "C"})
    assert json.loads(data)["trees"][0]["snapshots"][0]["label"] == "größe-名前"
    assert good("tree", "wörld-名前", "--json", "--ascii").isascii()


# --- the terminal -----------------------------------------------------------

@case
def narrow():
    """80 columns are never passed, the head and labels stay"""
    for args in (["tree", "web-1"], ["list"], ["events"], ["hosts"], ["tree", "orphan"], ["tree", "wörld-名前"],
                 ["show", "web-1@before-upgrade"]):
        for columns in (80, 100, 200):
            out = on_terminal(*args, "--color=never", columns=columns)
            assert_fits(out, columns)
            assert not re.search(" $", out, re.M), out
    out = on_terminal("tree", "web-1", "--color=never")
    assert "daily-2 ← head" in out and "before-upgrade" in out and "crash" in out
    wide = on_terminal("tree", "web-1", "--color=never", columns=200)
    assert "as after a power cut" in wide and "vda,vdb" in wide


@case
def colors():
    """only on a terminal, not with NO_COLOR or a dumb one; the option wins"""
    assert "\033[" in on_terminal("tree", "web-1")
    assert "\033[" not in good("tree", "web-1")
    assert "\033[" not in on_terminal("tree", "web-1", env={"NO_COLOR": "1"})
    assert "\033[" not in on_terminal("tree", "web-1", env={"TERM": "dumb"})
    assert "\033[" not in on_terminal("tree", "web-1", "--color=never")
    assert "\033[" in good("tree", "web-1", "--color", "always", env={"NO_COLOR": "1"})
    assert "\033[" not in on_terminal("tree", "web-1", "--json")


@case
def lost_output():
    """full, closed and broken output are errors, the last without a word"""
    for args in (["tree", "web-1"], ["list", "--json"], ["status"], ["--help"], ["--version"]):
        with open("/dev/full", "wb") as full:
            p = run(*args, stdout=full)
        assert p.returncode == 1 and "cannot write the output: No space left" in p.err, (args, p.err)
        p = run(*args, preexec_fn=lambda: os.close(1), stdout=None)
        assert p.returncode == 1 and "cannot write the output" in p.err, (args, p.err)
    read_end, write_end = os.pipe()
    os.close(read_end)
    p = run("tree", "deep", stdout=write_end)
    os.close(write_end)
    assert p.returncode == 1 and p.err == "", (p.returncode, p.err)


# --- help and completion ----------------------------------------------------

@case
def help_texts():
    """general and per verb: on stdout, 80 columns, with examples and codes"""
    general = good("--help", peer=[])
    assert "Exit codes:" in general and "130" in general
    verbs = re.findall("^  ([a-z]+) +", general.split("Commands:")[1].split("\n\n")[0], re.M)
    assert verbs == "create tree list show pin unpin label tag describe events hosts status thaw help".split(), verbs
    for verb in verbs:
        text = good(verb, "--help", peer=[])
        assert text == good("help", verb, peer=[]) == good("--help", verb, peer=[])
        assert verb == "help" or "Examples:" in text
        assert_fits(text, 80)
    assert_fits(general, 80)
    assert re.fullmatch(r"snaptree \d+\.\d+\.\d+\n", good("--version", peer=[]))
    bad(2, "help", "nonsense", peer=[])


@case
def completion():
    """verbs, options, columns, VMs and labels complete in bash"""
    script = os.path.join(SRC, "cli", "snaptree.bash")

    def complete(*words):
        line = " ".join(f"'{w}'" for w in words)
        code = (f"compopt() {{ :; }}; source {script}; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); "
                "_snaptree; printf '%s\\n' \"${COMPREPLY[@]}\"")
        env = {**UTF8, "PATH": os.path.dirname(SNAPTREE) + ":" + UTF8["PATH"]}
        return subprocess.run(["bash", "--norc", "-c", code], env=env, stdout=subprocess.PIPE,
                              check=True, timeout=60).stdout.decode().split()
    assert complete("snaptree", "cr") == ["create"]
    assert complete("snaptree", "list", "--con") == ["--consistency"]
    assert "--agent" in complete("snaptree", "--a")
    assert complete("snaptree", "list", "-o", "consi") == ["consistency"]
    assert complete("snaptree", *AGENT, "tree", "we") == ["web-1"]
    assert complete("snaptree", *AGENT, "show", "web-1@be") == ["web-1@before-upgrade"]
    assert complete("snaptree", *AGENT, "unpin", "web-1@x", "web-1@da") == ["web-1@daily-1", "web-1@daily-2"]
    assert complete("snaptree", *AGENT, "label", "web-1@ex") == ["web-1@experiment"]
    assert complete("snaptree", *AGENT, "label", "web-1@experiment", "") == []
    assert complete("snaptree", *AGENT, "tag", "web-1@experiment", "--remove", "re") == ["release"]
    assert complete("snaptree", "describe", "--rem") == ["--remove"]
    assert complete("snaptree", *AGENT, "list", "--host", "") == ["kvm-3", "kvm-4"]
    assert complete("snaptree", "--agent", "/nonexistent", "tree", "we") == []


def start(where):
    p = subprocess.Popen([SERVER, where], stdout=subprocess.PIPE)
    assert select.select([p.stdout], [], [], 20)[0], "the server says nothing"
    return p, p.stdout.readline().decode().strip()


def main():
    only = sys.argv[1:]
    cases = [c for c in CASES if not only or c.__name__ in only]
    print(f"1..{len(cases)}")
    for program in (SNAPTREE, SERVER):
        if not os.access(program, os.X_OK):
            print(f"Bail out! '{program}' is not a program")
            return 99
    failed = 0
    with tempfile.TemporaryDirectory(prefix="snaptree-cli-") as top:
        servers = [start(top + "/agent.sock"), start("tcp://127.0.0.1:*")]
        AGENT[:] = ["--agent", servers[0][1]]
        COLLECTOR[:] = ["--collector", servers[1][1]]
        try:
            for n, fn in enumerate(cases, 1):
                try:
                    fn()
                    trouble = None
                except Exception:
                    trouble = traceback.format_exc()
                failed += trouble is not None
                print("not ok" if trouble else "ok", n, "-", f"{fn.__name__}: {fn.__doc__}")
                for line in (trouble or "").splitlines():
                    print("#", line)
                sys.stdout.flush()
        finally:
            for server, _ in servers:
                server.kill()
                server.wait()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
