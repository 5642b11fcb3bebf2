# SPDX-License-Identifier: LGPL-2.1-or-later
"""Configuration, journal, memory, and the first thing that anybody tries."""
import contextlib
import os
import re
import sqlite3
import subprocess

import lab as parts
from lab import check, equal, until
from registry import test
from test_work import small


@test("--check-config: what is wrong, with file and line; the agent does not start with it")
def check_config(lab):
    agent = lab.agent()
    for text, line, word in (
            ("[agent]\nhost-name = a\nhots-name = b\n", 3, "hots-name"),
            ("[freeze]\nmax-frozen = 5\n", 2, "max-frozen"), ("[freeze]\nmax-frozen = 2min\n", 2, "max-frozen"),
            ("[freeze]\nconsistency = maybe\n", 2, "maybe"), ("[agnet]\n", 1, "agnet"),
            ("# x\n\nkey = 1\n", 3, "key"), ("[hook]\nafter-stop = perhaps\n", 2, "after-stop"),
            ("[hook]\ngate-timeout = 8s\ngate-timeout = 9s\n", 3, "gate-timeout"), ("[hook]\nnonsense\n", 2, "="),
            ("[agent]\nsocket = relative\n", 2, "socket"), ("[qcow2]\nmin-free = lots\n", 2, "lots")):
        path = lab.write("bad.conf", text)
        for args in (("--check-config",), ()):
            status, out, err = agent.once(*args, conf=path)
            equal((status, out), (2, ""), "(exit status, output) for %r" % text)
            check("%s:%d: " % (path, line) in err and word in err and err.count("\n") == 1,
                  "for %r: %s", text, err)
    status, out, err = agent.once("--check-config", conf=path + ".none")
    check(status == 2 and path + ".none" in err, "for no file: %d, %s", status, err)
    for conf in (agent.write_conf(), lab.program("conf/agent.conf")):
        equal(agent.once("--check-config", conf=conf), (0, "", ""), "a good configuration")
    path = lab.write("bad-collector.conf", "[listen]\nendpoint = tcp://127.0.0.1:7711\n[ingest]\nflush = 5\n")
    status, out, err = parts.run(lab.program("snaptree-collectord"), "--check-config", "-c", path, ok=False)
    check(status and path + ":4: " in err and "flush" in err, "the collector: %d, %s", status, err)


@test("an address that other machines reach needs leave: the collector says so")
def plain_tcp(lab):
    path = lab.write("open.conf", "[listen]\nendpoint = tcp://0.0.0.0:%d\n[database]\npath = %s/open.db\n"
                     % (lab.port(), lab.dir))
    status, _, err = parts.run(lab.program("snaptree-collectord"), "-c", path, ok=False)
    check(status != 0 and "insecure-plain-tcp" in err, "status %d, %s", status, err)


@test("a second agent on the same state is refused, and the first goes on")
def second_agent(lab):
    agent = lab.agent(qcow2__mode="internal")
    guest = parts.Guest(lab.hv(), "second", n_disks=1, size="16M")
    status, out, err = agent.once()
    equal((status, out), (1, ""), "(exit status, output)")
    check("in use by another agent" in err and "agent.db" in err, "the error: %s", err)
    agent.create(guest.name)
    # nor does the hook lose its way
    agent = lab.agent(qcow2__mode="internal", hook__before_start="yes")
    status, _, err = agent.once()
    check(status == 1, "status %d, %s", status, err)
    seq = agent.last_seq()
    guest.hv.virsh("start", "--paused", guest.name)
    agent.event(10, "taken", guest.name, seq)
    guest.destroy()


@test("a journal that cannot be read or used: the agent says so, ends, and changes nothing")
def bad_journal(lab):
    hv = parts.Hypervisor(lab, "h4", hook=False)
    agent = parts.Agent(hv)
    journal = os.path.join(hv.dir, "lib-snaptree", "agent.db")

    def refuses(words, what):
        with open(journal if os.path.isfile(journal) else os.devnull, "rb") as f:
            before = f.read()
        status, out, err = agent.once(seconds=10)
        check(status == 1 and out == "", "%s: status %d, %s", what, status, err)
        last = err.strip().splitlines()[-1]
        check("agent.db" in last and any(w in last for w in words), "%s: %s", what, err)
        if os.path.isfile(journal):
            with open(journal, "rb") as f:
                check(f.read() == before, "%s: the file was changed", what)

    with open(journal, "wb") as f:
        f.write(os.urandom(8192))
    refuses(["damaged"], "garbage")
    os.unlink(journal)
    os.mkdir(journal)
    refuses(["open", "directory"], "a folder")
    os.rmdir(journal)
    agent.up()
    agent.down()
    with open(journal, "r+b") as f:  # the schema is on the first page
        f.seek(100)
        f.write(b"\xff" * 2000)
    refuses(["damaged"], "a torn file")
    os.unlink(journal)
    with contextlib.closing(sqlite3.connect(journal)) as db:
        db.execute("CREATE TABLE other (x)")
        db.commit()
    refuses(["another program"], "another program's database")


def plain_build(lab):
    """The agent without sanitizers."""
    folder = lab.plain or os.path.join(parts.TOP, "build", "plain")
    if not lab.plain:
        parts.run(os.path.join(parts.TOP, "tests", "build"), folder, "CFLAGS=-O1 -g", seconds=300)
    return os.path.join(folder, "snaptree-agentd")


def main_path(agent, guest, off, freeze):
    equal(agent.create(off.name)["consistency"], "offline", "the consistency")
    if freeze:
        equal(agent.create(guest.name, "--freeze", "require")["consistency"], "frozen", "the consistency")
    seq = agent.last_seq()
    off.hv.virsh("start", "--paused", off.name, seconds=90)
    agent.event(30, "taken", off.name, seq)
    equal(agent.create(off.name)["consistency"], "crash", "the consistency of a paused one")
    off.destroy()
    status, _, _ = agent.cli("create", off.name, "--disk", "vdz")
    equal(status, 2, "the exit status of a bad request")
    agent.tree(off.name)
    agent.ask("hosts")


@test("valgrind: start, snapshots off and running in both modes, with a freeze, stop")
def valgrind(lab):
    agent = parts.Agent(lab.hv(), lab.collector(), "agent-valgrind", program=plain_build(lab))
    lab.agent().down()
    wrap = ("valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
            "--show-leak-kinds=definite", "--trace-children=no", "--child-silent-after-fork=yes",
            "--num-callers=30")
    guest = lab.guest("valgrind", cmdline="snaptree.writer=each")
    try:
        for mode in ("external", "internal"):
            agent.settings = {"qcow2.mode": mode, "freeze.max-frozen": "20s", "hook.before-start": "yes",
                              "hook.gate-timeout": "60s"}
            agent.up(wait=False, wrap=wrap)
            agent.await_up(90)
            main_path(agent, guest, small(lab, "valgrind-" + mode, 2), mode == "external")
            status = agent.process.stop(90)
            found = re.findall("^==.*", agent.process.text(), re.M)
            check(status == 0 and not found, "status %d\n%s", status, "\n".join(found[:60]))
    finally:
        agent.kill()
    parts.same_trees(lab.agent(), lab.collector(), guest.name)


@test("quickstart works, and works again")
def quickstart(lab):
    for n in range(2):
        p = subprocess.Popen([os.path.join(parts.TOP, "quickstart"), "--no-install"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             env={"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8"})
        try:
            out = p.communicate(timeout=240)[0]
        except subprocess.TimeoutExpired:
            p.terminate()
            out = p.communicate()[0]
        check(p.returncode == 0, "run %d: status %d\n%s", n, p.returncode, out)
        for words in ("first-file", "e2fsck -fn: clean", "/first is there", "/second is not"):
            check(words in out, "run %d does not say %r:\n%s", n, words, out)
        made = re.search(r"/var/tmp/snaptree-quickstart\.\w+", out)
        check(not made or not os.path.exists(made.group()), "left: %s", made and made.group())
