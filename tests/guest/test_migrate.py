# SPDX-License-Identifier: LGPL-2.1-or-later
"""A domain that moves: nothing touches its disks meanwhile, and all goes on at the target."""
import lab as parts
from lab import check, equal, until
from registry import test

CONF = {"qcow2.mode": "external", "hook.before-start": "yes", "hook.after-stop": "yes"}


def refused(agent, guest, word, codes=(5,)):
    tree = agent.snapshots(guest.name)
    status, out, err = agent.cli("create", guest.name)
    check(status in codes and out == "" and err.count("\n") == 1, "create: status %d, %r, %s", status, out, err)
    check(word in err, "%r is not in: %s", word, err)
    equal(agent.snapshots(guest.name), tree, "the tree")


def idle(agent):
    return agent.count("operations-running") + agent.count("operations-waiting") == 0


def state_of(agent, name):
    """As the agent last told."""
    seen = agent.events(name, kind="domain-seen")
    return seen[-1]["state"] if seen else None


def moves(guest):
    """Its memory is on the way."""
    return "Memory processed" in guest.hv.virsh("domjobinfo", guest.name, ok=False)[1]


@test("live migration: refused meanwhile, no hook makes a snapshot, the target goes on with a new root")
def migrate(lab):
    source = lab.agent(**{k.replace(".", "__").replace("-", "_"): v for k, v in CONF.items()})
    target = parts.Agent(parts.Hypervisor(lab, "h2"), lab.collector(), conf=CONF)
    target.up()
    guest = parts.Guest(lab.hv(), "mover", cmdline="snaptree.writer=each,pair,dirty")
    guest.boot()
    first = source.event(10, "taken", guest.name)
    second = source.create(guest.name, "--freeze", "require")
    equal(second["parent"], first["snapshot"], "the parent")
    files = sorted(parts.os.listdir(lab.disks))
    seqs = source.last_seq(), target.last_seq()
    move = guest.hv.virsh_start("migrate", "--live", "--unsafe", "--p2p", "--persistent", "--bandwidth", "1",
                                guest.name, target.hv.uri)
    until(20, "the migration runs", lambda: moves(guest) or not move.runs())
    check(move.runs(), "the migration has ended: %s", "" if move.runs() else move.finish()[2])
    refused(source, guest, "being migrated")
    check(move.runs() and moves(guest), "the migration has ended too early")
    equal(sorted(parts.os.listdir(lab.disks)), files, "the files")
    guest.hv.virsh("migrate-setspeed", guest.name, "1000")
    status, _, err = move.finish(90)
    equal(status, 0, "the migration's exit status (%s)" % err)

    until(20, "the source hears of the end", lambda: "hook: mover release" in source.process.text())
    until(20, "the target hears of the start", lambda: "hook: mover started" in target.process.text())
    check("hook: mover prepare" in target.process.text(), "the target's gate was not asked")
    until(20, "the source's state", lambda: state_of(source, guest.name) == "off" and idle(source))
    until(20, "the target's state", lambda: state_of(target, guest.name) == "running" and idle(target))
    for agent, seq in zip((source, target), seqs):
        equal(agent.events(guest.name, seq, "taken"), [], "snapshots made while it moved")
        equal(agent.events(guest.name, seq, "gate-passed"), [], "starts that were held")
    equal(sorted(parts.os.listdir(lab.disks)), files, "the files")
    refused(source, guest, "migrated away")

    guest.hv = target.hv
    guest.write("x", "/mnt/vda/moved", "/mnt/vdb/moved")
    third = target.create(guest.name, "--freeze", "require", seconds=90)
    equal((third["consistency"], third["parent"]), ("frozen", None), "(consistency, parent) of the first there")
    equal(parts.fsck(lab, third), {"vda": "clean", "vdb": "clean"}, "the file systems")
    for disk in ("vda", "vdb"):
        equal(parts.file_in(lab, third, disk, "/moved"), "x", "what was written after the move, on %s" % disk)
        equal(parts.file_in(lab, second, disk, "/moved"), None, "the same in the snapshot before, on %s" % disk)
        log = parts.log_of(lab, third, disk, "/each.log")
        equal((log["bad"], log["count"]), (0, log["last"]), "(damaged, number of records) on %s" % disk)
    seq = target.last_seq()
    guest.shutdown()
    last = target.event(20, "taken", guest.name, seq)
    record = {s["id"]: s for s in target.snapshots(guest.name)}[last["snapshot"]]
    equal((record["origin"], record["parent"]), ("hook", third["id"]), "(origin, parent) of the last")
    made = [first["snapshot"], second["id"], third["id"], record["id"]]
    collector = lab.collector()
    until(10, "the collector has all", lambda: [s["id"] for s in collector.snapshots(guest.name)] == made)
    equal(collector.tree(guest.name)["head"], record["id"], "the head, at the collector")
    guest.boot()
    check(guest.thaws(), "the guest does not write")
    equal(guest.sh("cat /mnt/vda/moved"), "x", "the file after the next start")
    guest.destroy()
    target.event(20, "taken", guest.name, last["seq"])
    target.down()
