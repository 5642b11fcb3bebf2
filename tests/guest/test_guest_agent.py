# SPDX-License-Identifier: LGPL-2.1-or-later
"""What kind of snapshot it becomes when the guest agent is absent, dead or wrong."""
import lab as parts
from lab import check, equal
from registry import test


def refused(agent, guest, words, *args, codes=(1,)):
    """A create under require fails with one clear line and changes nothing."""
    files = [parts.image_info(f) for f in guest.files]
    sources = [guest.source(d, i) for d in ("vda", "vdb") for i in (False, True)]
    tree = agent.tree(guest.name)
    status, out, err = agent.cli("create", guest.name, "--freeze", "require", *args)
    check(status in codes, "the exit status is %d, not %s (%s)", status, codes, err)
    equal(out, "", "standard output")
    lines = err.strip().splitlines()
    check(len(lines) in (1, 2), "the error has %d lines: %s", len(lines), err)
    check(any(w in err for w in words), "the error names none of %s: %s", words, err)
    check(guest.name in err, "the error does not name the VM: %s", err)
    equal([guest.source(d, i) for d in ("vda", "vdb") for i in (False, True)], sources, "where the disks are")
    equal([sorted(parts.internal_names(f)) for f in guest.files],
          [sorted(s["name"] for s in f.get("snapshots", [])) for f in files], "internal snapshots")
    equal(agent.tree(guest.name)["snapshots"], tree["snapshots"], "the tree")


def crash(agent, guest, words):
    """Under prefer it is a crash-consistent one, and the note says why."""
    record = agent.create(guest.name, "--freeze", "prefer")
    equal(record["consistency"], "crash", "the consistency")
    check(any(w in record["note"] for w in words), "the note names none of %s: %r", words, record["note"])
    check(guest.thaws(), "the guest does not write")
    return record


@test("guest agent dead: require fails clearly, prefer makes a crash-consistent one with a note")
def agent_dead(lab):
    agent, guest = lab.agent(qcow2__mode="external"), lab.guest("external")
    parts.vm.ACTIONS["agent-off"](guest.hv.dir, guest.name)
    parts.until(5, "the agent is gone", lambda: guest.frozen() is None)
    refused(agent, guest, ["agent"])
    crash(agent, guest, ["agent"])


@test("guest agent hung: require fails clearly, prefer makes a crash-consistent one with a note")
def agent_hung(lab):
    agent, guest = lab.agent(qcow2__mode="external", freeze__ping_timeout="1s"), lab.guest("external")
    parts.vm.ACTIONS["agent-stop"](guest.hv.dir, guest.name)
    refused(agent, guest, ["agent"], codes=(1, 5))
    crash(agent, guest, ["agent"])
    parts.vm.ACTIONS["agent-cont"](guest.hv.dir, guest.name)
    parts.vm.wait(guest.hv.dir, guest.name)
    equal(guest.frozen(), False, "frozen")


@test("the guest's own freeze hook fails: require fails, prefer makes a crash-consistent one")
def hook_fails(lab):
    agent, guest = lab.agent(qcow2__mode="external"), lab.guest("external")
    guest.hook("[ $1 = thaw ] || exit 1")
    refused(agent, guest, ["freeze"])
    crash(agent, guest, ["freeze"])
    equal(guest.frozen(), False, "frozen")


@test("guest already frozen by somebody else: never left frozen by us")
def frozen_before(lab):
    agent, guest = lab.agent(qcow2__mode="external"), lab.guest("external")
    parts.vm.agent(guest.hv.dir, guest.name, "guest-fsfreeze-freeze", timeout=10)
    status, out, err = agent.cli("create", guest.name, "--freeze", "prefer", "--json")
    equal(status, 0, "the exit status (%s)" % err)
    equal(parts.json.loads(out)["consistency"], "crash", "the consistency")
    guest.hv.virsh("domfsthaw", guest.name, ok=False)
    check(guest.thaws(), "the guest does not write")


@test("paused domain: crash, with a note; it stays paused")
def paused(lab):
    agent, guest = lab.agent(qcow2__mode="external"), lab.guest("external")
    guest.hv.virsh("suspend", guest.name)
    try:
        refused(agent, guest, ["paused"])
        record = agent.create(guest.name, "--freeze", "prefer")
        equal(record["consistency"], "crash", "the consistency")
        check("paused" in record["note"], "the note: %r", record["note"])
        equal(guest.state(), "paused", "the domain's state")
    finally:
        guest.hv.virsh("resume", guest.name)
    check(guest.thaws(), "the guest does not write")


@test("a domain without the channel: crash, with a note")
def no_channel(lab):
    agent = lab.agent(qcow2__mode="external")
    guest = lab.guest("nochannel", cmdline="snaptree.writer=each", agent=False, args=("--no-agent",))
    refused(agent, guest, ["channel"])
    crash(agent, guest, ["channel"])


@test("shut-off domain: offline, in both modes")
def off(lab):
    for mode in ("external", "internal"):
        agent = lab.agent(qcow2__mode=mode)
        guest = parts.Guest(lab.hv(), "off-" + mode)
        made = [agent.create(guest.name) for _ in range(3)]
        equal({r["consistency"] for r in made}, {"offline"}, "the consistency")
        equal([r["parent"] for r in made], [None, made[0]["id"], made[1]["id"]], "the parents")
        for record in made:
            equal(parts.fsck(lab, record), {"vda": "clean", "vdb": "clean"}, "the file systems")
        guest.boot()
        check(guest.thaws(), "the guest does not write after the start")
        guest.destroy()
        parts.same_trees(agent, lab.collector(), guest.name)
