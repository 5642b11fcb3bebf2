# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest never stays frozen: the agent killed, stopped or late inside the window."""
import contextlib
import os
import signal
import time

import lab as parts
from lab import check, equal, until
from registry import MODES, test

LATE_MS = 1000  # what the contract gives the guard


def agent_and_guest(lab, mode, **conf):
    agent = lab.agent(qcow2__mode=mode, **conf)
    return agent, lab.guest(mode)


def overlays(guest):
    """The files beside the guest's disks."""
    folder = guest.lab.disks
    return sorted(f for f in os.listdir(folder) if f.startswith(guest.name + "-"))


class Picture:
    """What must be as before when an operation was undone."""

    def __init__(self, agent, guest):
        self.files = overlays(guest)
        self.sources = [guest.source(d, i) for d in ("vda", "vdb") for i in (False, True)]
        self.names = [parts.internal_names(f) for f in guest.files]
        self.tree = agent.tree(guest.name)

    def same(self, agent, guest):
        now = Picture(agent, guest)
        equal(now.files, self.files, "the list of files")
        equal(now.sources, self.sources, "where the disks are")
        equal(now.names, self.names, "the internal snapshots")
        equal((now.tree["head"], now.tree["snapshots"]), (self.tree["head"], self.tree["snapshots"]), "the tree")


def thaw_delay(guest, act):
    """Do act() to a frozen guest and wait until its writers go on; returns the
    milliseconds between, at most, by the guest's clock."""
    up, took = guest.clock()
    start = time.monotonic()
    act()
    spent = time.monotonic() - start
    until(12, "%s is thawed" % guest.name, guest.thaws)
    # each writer has made a record since, so the stall is in its numbers
    before = guest.numbers()
    until(5, "the writers go on", lambda: all(n > before[k] for k, n in guest.numbers().items()))
    worst = max(guest.writers().values(), key=lambda w: w["max_us"])
    ended = worst["max_at_ms"] / 1000 + worst["max_us"] / 1e6
    parts.say("thawed %d ms after (%d ms to measure)", (ended - up) * 1000, (took + spent) * 1000)
    return (ended - up) * 1000, (took + spent) * 1000


def freeze_and_hold(agent, guest, where="after-FSFreeze", *args):
    """Begin a create and stop the agent in its window; returns the command."""
    parts.vm.reset_stall(guest.hv.dir, guest.name)
    agent.hold(where)
    command = agent.start("create", guest.name, "--freeze", "require", *args)
    agent.await_held()
    check(guest.frozen(), "the guest is not frozen while the agent is held")
    return command


@contextlib.contextmanager
def agent_back(agent):
    """Whatever happens, the agent runs afterwards."""
    try:
        yield
    finally:
        if agent.process.lives():
            agent.process.signal(signal.SIGCONT)
        agent.up()


def killed_at(lab, mode, where):
    agent, guest = agent_and_guest(lab, mode)
    agent.create(guest.name, "--freeze", "never")
    before = Picture(agent, guest)
    seq = agent.last_seq()
    with agent_back(agent):
        command = freeze_and_hold(agent, guest, where)
        late, slack = thaw_delay(guest, agent.kill)
        check(late <= LATE_MS + slack, "thawed %d ms after the kill (%d ms of it to measure)", late, slack)
        command.finish()
    agent.await_up()
    failed = agent.event(60, "failed", guest.name, seq)
    check("agent died" in failed["text"], "the event says: %s", failed["text"])
    before.same(agent, guest)
    check(guest.thaws(), "the guest does not write")
    after = agent.create(guest.name, "--freeze", "require")
    equal(after["parent"], before.tree["head"], "the parent of the next one")
    equal(parts.fsck(lab, after), {"vda": "clean", "vdb": "clean"}, "the file systems of the next one")
    log = parts.log_of(lab, after, "vda", "/each.log")
    equal((log["bad"], log["count"]), (0, log["last"]), "(damaged, number of records) in the next one")


@test("agent killed when the guest is frozen: thawed within 1 s, undone, the next one works", MODES)
def killed_before_the_cut(lab, mode):
    killed_at(lab, mode, "after-FSFreeze")


@test("agent killed after the cut, before the thaw: thawed within 1 s, undone, nothing lost", MODES)
def killed_after_the_cut(lab, mode):
    killed_at(lab, mode, "after-SnapshotCreateXML" if mode == "external" else "after-Transaction")


@test("agent stopped in the window: thawed by max-frozen + 1 s and not called frozen", MODES)
def stopped(lab, mode):
    agent, guest = agent_and_guest(lab, mode)
    seq = agent.last_seq()
    with agent_back(agent):
        command = freeze_and_hold(agent, guest, "after-FSFreeze", "--max-frozen", "2s")
        late, slack = thaw_delay(guest, lambda: None)
        stall = max(w["max_us"] for w in guest.writers().values()) / 1000
        check(stall <= 2000 + LATE_MS + slack, "a write stalled for %d ms", stall)
        check(stall > 1000, "a write stalled for only %d ms: the guest was not frozen", stall)
        agent.process.signal(signal.SIGCONT)
        status, _, err = command.finish()
    equal(status, 5, "the exit status under require (%s)" % err)
    check("no time left" in err, "the error says: %s", err)
    agent.event(5, "guest-thawed", guest.name, seq, "guard")
    equal(agent.events(guest.name, seq, "taken"), [], "snapshots")


@test("agent stopped in the window under prefer: crash, with a note", MODES)
def stopped_prefer(lab, mode):
    agent, guest = agent_and_guest(lab, mode)
    with agent_back(agent):
        agent.hold("after-SnapshotCreateXML" if mode == "external" else "after-Transaction")
        command = agent.start("create", guest.name, "--freeze", "prefer", "--max-frozen", "1s", "--json")
        agent.await_held()
        until(5, "the guard thaws", lambda: guest.frozen() is False)
        agent.process.signal(signal.SIGCONT)
        status, out, err = command.finish()
    equal(status, 0, "the exit status (%s)" % err)
    record = parts.json.loads(out)
    equal(record["consistency"], "crash", "the consistency")
    check("thawed before" in record["note"], "the note: %s", record["note"])


@test("guard killed: the agent starts another and the next freeze works")
def guard_killed(lab):
    agent, guest = agent_and_guest(lab, "internal")
    seq = agent.last_seq()
    old = agent.guard()
    check(old, "there is no guard")
    os.kill(old, signal.SIGKILL)
    until(5, "another guard", lambda: agent.guard() not in (None, old))
    record = agent.create(guest.name, "--freeze", "require")
    equal(record["consistency"], "frozen", "the consistency")
    agent.event(5, "guard-lost", None, seq)


def kill_with_guard(agent, guest):
    """Nobody is left to thaw; returns the command that waited."""
    command = freeze_and_hold(agent, guest, "after-FSFreeze", "--max-frozen", "30s")
    guard = agent.guard()
    check(guard, "there is no guard")
    os.kill(guard, signal.SIGKILL)
    agent.kill()
    until(5, "the guard ends", lambda: parts.process_state(guard) in "Z")
    command.finish()
    check(guest.frozen(), "the guest is not frozen although nobody could thaw it")


@test("agent and guard killed while frozen: the next start of the agent thaws, and undoes")
def killed_with_guard(lab):
    agent, guest = agent_and_guest(lab, "external")
    before = Picture(agent, guest)
    seq = agent.last_seq()
    with agent_back(agent):
        kill_with_guard(agent, guest)
        agent.up()
        until(10, "the guest is thawed", guest.thaws)
    failed = agent.event(30, "failed", guest.name, seq)
    check("agent died" in failed["text"], "the event says: %s", failed["text"])
    before.same(agent, guest)
    until(10, "no thaw is owed", lambda: agent.count("thaws-owed") == 0)
    equal(guest.frozen(), False, "frozen")


@test("agent and guard killed while frozen: --thaw-owed thaws")
def thaw_owed(lab):
    agent, guest = agent_and_guest(lab, "external")
    before = Picture(agent, guest)
    with agent_back(agent):
        kill_with_guard(agent, guest)
        status, out, err = agent.once("--thaw-owed")
        equal((status, out), (0, ""), "(exit status, output) (%s)" % err)
        equal(guest.frozen(), False, "frozen")
        check(guest.thaws(), "the guest does not write")
    agent.await_up()
    until(20, "the operation ends", lambda: agent.count("operations-running") == 0)
    before.same(agent, guest)


@test("libvirtd and the agent killed while frozen: thawed through the channel")
def both_killed(lab):
    agent, guest = agent_and_guest(lab, "internal")
    with agent_back(agent):
        command = freeze_and_hold(agent, guest)

        def kill_both():
            guest.hv.do("kill")
            agent.kill()
        try:
            late, slack = delay_without_libvirt(guest, kill_both)
        finally:
            guest.hv.do("up")
        command.finish()
    check(late <= 3000 + slack, "thawed %d ms after the kill", late)
    agent.await_up()
    equal(agent.create(guest.name, "--freeze", "require")["consistency"], "frozen", "the next one")


@test("libvirtd killed while frozen: the agent has the guest thawed through the channel")
def libvirtd_killed(lab):
    agent, guest = agent_and_guest(lab, "internal")
    with agent_back(agent):
        command = freeze_and_hold(agent, guest, "after-FSFreeze", "--max-frozen", "2s")

        def kill_it():
            guest.hv.do("kill")
            agent.process.signal(signal.SIGCONT)
        try:
            late, slack = delay_without_libvirt(guest, kill_it)
        finally:
            guest.hv.do("up")
        status, _, err = command.finish()
    equal(status, 1, "the exit status (%s)" % err)
    check(late <= 2000 + LATE_MS + slack, "thawed %d ms after the kill", late)
    agent.await_up()
    equal(agent.create(guest.name, "--freeze", "require")["consistency"], "frozen", "the next one")


def delay_without_libvirt(guest, act):
    """As thaw_delay(), over the path of the lab's channel as it was before."""
    path = parts.vm.port_path(guest.hv.dir, guest.name)
    real, parts.vm.port_path = parts.vm.port_path, lambda hv, dom: path
    try:
        return thaw_delay(guest, act)
    finally:
        parts.vm.port_path = real


@test("a freeze that comes after our time-out is thawed, and the events say so")
def late_freeze(lab):
    agent, guest = agent_and_guest(lab, "internal")
    seq = agent.last_seq()
    guest.hook_holds()
    parts.vm.reset_stall(guest.hv.dir, guest.name)
    status, _, err = agent.cli("create", guest.name, "--freeze", "require", "--max-frozen", "2s")
    check(status in (1, 5), "the exit status is %d (%s)", status, err)
    check("\n" not in err.strip() or err.count("\n") <= 2, "the error has many lines: %s", err)
    agent.event(10, "thaw-owed", guest.name, seq)
    guest.release()
    agent.event(15, "guest-thawed", guest.name, seq)
    until(3, "the guest writes", guest.thaws)
    equal(guest.frozen(), False, "frozen")
    stall = max(w["max_us"] for w in guest.writers().values()) / 1000
    check(stall < 3000, "a write stalled for %d ms", stall)
    equal(agent.events(guest.name, seq, "taken"), [], "snapshots")


def reset_while_freezing(lab, freeze):
    agent, guest = agent_and_guest(lab, "external")
    before = Picture(agent, guest)
    with agent_back(agent):
        guest.hook_holds()
        command = agent.start("create", guest.name, "--freeze", freeze, "--max-frozen", "20s", "--json")
        guest.await_in_hook()
        agent.process.signal(signal.SIGSTOP)
        guest.release()
        guest.await_frozen()
        guest.hv.virsh("reset", guest.name)
        parts.vm.ready(guest.hv.dir, guest.name)
        parts.vm.wait(guest.hv.dir, guest.name)
        agent.process.signal(signal.SIGCONT)
        status, out, err = command.finish()
    return agent, guest, before, status, out, err


@test("guest reset while frozen, require: fails, is undone, no overlay is left")
def reset_require(lab):
    agent, guest, before, status, _, err = reset_while_freezing(lab, "require")
    equal(status, 1, "the exit status")
    check("thawed before the cut" in err or "frozen" in err, "the error: %s", err)
    before.same(agent, guest)
    check(guest.thaws(), "the guest does not write")


@test("guest reset while frozen, prefer: crash, with a note")
def reset_prefer(lab):
    agent, guest, _, status, out, err = reset_while_freezing(lab, "prefer")
    equal(status, 0, "the exit status (%s)" % err)
    record = parts.json.loads(out)
    equal(record["consistency"], "crash", "the consistency")
    check("thawed before" in record["note"], "the note: %s", record["note"])
    check("errors" not in parts.fsck(lab, record).values(), "damaged")
    check(guest.thaws(), "the guest does not write")
