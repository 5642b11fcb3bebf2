# SPDX-License-Identifier: LGPL-2.1-or-later
"""A start waits for our work, and never longer than the bound."""
import contextlib
import os
import signal

import lab as parts
from lab import check, equal, until
from registry import MODES, test

MARGIN = 1.5  # two small hooks and the start of a third, on a loaded machine

CLOCK = """#!/bin/sh
# note when prepare comes to this place
cat >/dev/null
[ "$2 $3" = "prepare begin" ] || exit 0
read -r up idle </proc/uptime
echo "$up" >'%s'
"""


def small(lab, name, n_disks=1, size="16M"):
    """A domain whose guest does not matter: off, made new."""
    return parts.Guest(lab.hv(), name, n_disks=n_disks, size=size, cmdline="snaptree.noga")


def other_hook(hv, name, text):
    path = os.path.join(hv.dir, "etc", "hooks", "qemu.d", name)
    with open(path + ".new", "w") as f:
        f.write(text)
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)
    return path


class Start:
    """A start (paused: its guest does not run), and how long our hook held it:
    the time between a hook before ours and one after it."""

    def __init__(self, guest):
        self.guest = guest
        self.clocks = [os.path.join(guest.lab.dir, "clock-" + n) for n in ("40", "60")]
        self.hooks = [other_hook(guest.hv, os.path.basename(c).replace("clock-", "") + "-clock", CLOCK % c)
                      for c in self.clocks]
        for c in self.clocks:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(c)
        self.command = guest.hv.virsh_start("start", "--paused", guest.name)

    def time(self, n):
        with contextlib.suppress(OSError, ValueError), open(self.clocks[n]) as f:
            return float(f.read())
        return None

    def await_hook(self):
        """Our hook is next, or runs."""
        until(20, "the prepare hook", lambda: self.time(0))

    def is_held(self):
        return self.time(0) is not None and self.time(1) is None and self.command.runs()

    def finish(self, ok=True, seconds=90):
        """(status, error)"""
        status, _, err = self.command.finish(seconds)
        for path in self.hooks:
            os.unlink(path)
        check(not ok or status == 0, "the start failed: %s", err)
        return status, err

    def held(self):
        """Seconds, after finish()."""
        check(self.time(0) and self.time(1), "not all hooks have run")
        took = self.time(1) - self.time(0)
        parts.say("held for %.2f s", took)
        return took


def start(guest):
    """Start it; returns how long our hook held it."""
    it = Start(guest)
    it.finish()
    return it.held()


def our_hook(hv):
    """The pid of our hook, when it runs."""
    found = parts.children(int(hv.do("pid")), "50-snaptree")
    return found[0] if found else None


@test("before-start: the guest's first write is not in the snapshot, and the start goes on", MODES)
def before_start(lab, mode):
    agent = lab.agent(qcow2__mode=mode, hook__before_start="yes")
    guest = lab.guest("first-" + mode, cmdline="snaptree.writer=each")
    made = []
    for i in range(2 if mode == "external" else 1):
        guest.write("x", "/mnt/vda/run%d" % i, "/mnt/vdb/run%d" % i)
        guest.shutdown()
        seq = agent.last_seq()
        guest.boot()
        guest.write("x", "/mnt/vda/after%d" % i)
        taken = agent.event(10, "taken", guest.name, seq)
        tree = parts.same_trees(agent, lab.collector(), guest.name)
        record = {s["id"]: s for s in tree["snapshots"]}[taken["snapshot"]]
        equal((record["origin"], record["consistency"]), ("hook", "offline"), "(origin, consistency)")
        equal(parts.fsck(lab, record), {"vda": "clean", "vdb": "clean"}, "the file systems")
        for disk in ("vda", "vdb"):
            equal(parts.file_in(lab, record, disk, "/run%d" % i), "x", "what the run before wrote, on %s" % disk)
        equal(parts.file_in(lab, record, "vda", "/after%d" % i), None, "what the guest wrote after its start")
        made.append(record)
    tree = agent.tree(guest.name)
    ids = [s["id"] for s in tree["snapshots"]]  # the first is of the first start of all
    equal(ids[1:], [r["id"] for r in made], "the snapshots")
    equal([s["parent"] for s in tree["snapshots"]], [None, *ids[:-1]], "the parents")
    check(guest.thaws(), "the guest does not write")


@test("gate with the agent down: the start is not held, and the moment is told of later")
def agent_down(lab):
    agent = lab.agent(qcow2__mode="internal", hook__before_start="yes")
    guest = small(lab, "gate-down")
    agent.down()
    took = start(guest)
    guest.destroy()
    check(took <= MARGIN, "held for %.2f s", took)
    agent.up()
    missed = agent.event(10, "moment-missed", guest.name, text="prepare")
    check("not there" in missed["text"] or "not listening" in missed["text"], "the event: %s", missed["text"])
    equal(agent.snapshots(guest.name), [], "snapshots of a moment that has passed")


@test("gate with the agent hung: held for about a second, and the moment is told of later")
def agent_hung(lab):
    agent = lab.agent(qcow2__mode="internal", hook__before_start="yes")
    guest = small(lab, "gate-hung")
    seq = agent.last_seq()
    agent.process.signal(signal.SIGSTOP)
    try:
        took = start(guest)
    finally:
        agent.process.signal(signal.SIGCONT)
    check(took <= 1.0 + MARGIN, "held for %.2f s, the bound is 1 s", took)
    agent.event(10, "moment-missed", guest.name, seq, "prepare")
    guest.destroy()
    # it was read late: nothing may be cut below a guest that runs by then
    agent.create(guest.name)
    equal([s["origin"] for s in agent.snapshots(guest.name)], ["manual"], "snapshots")


@test("gate with an operation running: the start waits for its end, and what comes meanwhile for the start")
def waits_for_operation(lab):
    agent = lab.agent(qcow2__mode="internal", hook__gate_timeout="30s")
    guest = small(lab, "gate-busy")
    seq = agent.last_seq()
    with agent.slow_image() as slow:
        command = agent.start("create", guest.name, "--json")
        slow.await_held()
        it = Start(guest)
        it.await_hook()
        until(10, "our hook runs", lambda: our_hook(guest.hv))
        second = agent.start("create", guest.name, "--json")
        until(10, "the second waits", lambda: agent.count("operations-waiting") == 1)
        check(it.is_held(), "the start goes on while the operation runs")
        equal(agent.count("operations-running"), 1, "running operations")
        slow.release()
    status, _, err = command.finish(30)
    equal(status, 0, "the create's exit status (%s)" % err)
    it.finish()
    status, out, err = second.finish(30)
    equal(status, 0, "the second's exit status (%s)" % err)
    equal(parts.json.loads(out)["consistency"], "crash", "the second's consistency, with the domain paused")
    guest.destroy()
    kinds = [s["consistency"] for s in agent.snapshots(guest.name)]
    equal(kinds, ["offline", "crash"], "the snapshots")
    equal(agent.events(guest.name, seq, "gate-passed"), [], "gates that were let go")


def let_go(lab, agent, guest, ok):
    """A start over an operation that does not end; returns its error."""
    seq = agent.last_seq()
    with agent.slow_image() as slow:
        command = agent.start("create", guest.name, "--json")
        slow.await_held()
        it = Start(guest)
        status, err = it.finish(ok)
        check(command.runs(), "the operation did not take too long")
        slow.release()
        command.finish(60)
    agent.event(5, "gate-passed", guest.name, seq)
    if ok:
        took = it.held()
        check(took <= 2 + MARGIN, "held for %.2f s, the bound is 2 s", took)
    else:
        check(status != 0, "the start was not refused")
    guest.destroy()
    return err


@test("gate with an operation that takes too long: let go at gate-timeout, with an event")
def gate_timeout(lab):
    agent = lab.agent(qcow2__mode="internal", hook__gate_timeout="2s")
    guest = small(lab, "gate-late")
    let_go(lab, agent, guest, True)


@test("gate-failure=block: an operation that takes too long refuses the start, and says so")
def timeout_blocks(lab):
    agent = lab.agent(qcow2__mode="internal", hook__gate_timeout="2s", hook__gate_failure="block")
    guest = small(lab, "gate-late-block")
    err = let_go(lab, agent, guest, False)
    check("too long" in err, "libvirt's error does not say why: %s", err)
    start(guest)
    guest.destroy()


@test("gate-failure: block refuses the start when its snapshot failed, pass does not")
def blocks(lab):
    agent = lab.agent(qcow2__mode="internal", hook__before_start="yes", hook__gate_failure="block",
                      qcow2__min_free="900TiB")
    guest = small(lab, "gate-block")
    before = parts.image_info(guest.files[0])
    seq = agent.last_seq()
    status, err = Start(guest).finish(ok=False)
    check(status != 0, "the start was not refused")
    check("'vda'" in err and "space" in err, "libvirt's error does not say why: %s", err)
    equal(guest.state(), "shut off", "the domain's state")
    equal(parts.image_info(guest.files[0]), before, "the image")
    failed = agent.event(5, "failed", guest.name, seq)
    check("space" in failed["text"], "the event: %s", failed["text"])
    agent = lab.agent(qcow2__mode="internal", hook__before_start="yes", qcow2__min_free="900TiB")
    start(guest)
    guest.destroy()
    equal(agent.snapshots(guest.name), [], "snapshots")


@test("hook killed while it holds a start: the start is off, the operation is finished, all goes on")
def hook_killed(lab):
    agent = lab.agent(qcow2__mode="internal", hook__gate_timeout="30s")
    guest = small(lab, "gate-killed")
    with agent.slow_image() as slow:
        command = agent.start("create", guest.name, "--json")
        slow.await_held()
        it = Start(guest)
        os.kill(until(20, "our hook runs", lambda: our_hook(guest.hv)), signal.SIGKILL)
        status, _ = it.finish(ok=False)
        check(status != 0, "libvirt takes a killed hook for a good one")
        slow.release()
        status, out, err = command.finish(30)
    equal(status, 0, "the create's exit status (%s)" % err)
    first = parts.json.loads(out)
    equal(parts.internal_names(guest.files[0]), [first["disks"][0]["name"]], "the snapshots in the file")
    # a refused start ends with a release: nothing holds the domain
    after = agent.create(guest.name, seconds=20)
    equal((after["parent"], after["consistency"]), (first["id"], "offline"), "(parent, consistency) of the next")
    start(guest)
    guest.destroy()


@test("a start that another hook refuses makes no after-stop snapshot")
def other_hook_refuses(lab):
    agent = lab.agent(qcow2__mode="internal", hook__after_stop="yes")
    guest = small(lab, "gate-refused")
    other = other_hook(guest.hv, "70-other", "#!/bin/sh\n[ \"$1 $2\" != 'gate-refused start' ] || exit 1\n")
    seq = agent.last_seq()
    try:
        status, _ = Start(guest).finish(ok=False)
        check(status != 0, "the other hook did not refuse")
    finally:
        os.unlink(other)
    start(guest)
    guest.destroy()
    agent.event(10, "taken", guest.name, seq)
    equal(len(agent.events(guest.name, seq, "taken")), 1, "snapshots after a refused start and a real one")
