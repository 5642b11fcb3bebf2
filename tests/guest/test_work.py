# SPDX-License-Identifier: LGPL-2.1-or-later
"""Operations beside each other, and what becomes of them when something is restarted."""
import os
import signal

import lab as parts
from lab import check, equal, until
from registry import test


def small(lab, name, n_disks=1):
    """A domain that stays off."""
    return parts.Guest(lab.hv(), name, n_disks=n_disks, size="16M", cmdline="snaptree.noga")


def record_of(command, seconds=30):
    status, out, err = command.finish(seconds)
    equal(status, 0, "the exit status of a create (%s)" % err)
    return parts.json.loads(out)


def same_in_storage(agent, guest):
    """Each file has just the snapshots that the tree has."""
    snaps = agent.snapshots(guest.name)
    for i, path in enumerate(guest.files):
        target = "vd" + "abc"[i]
        equal(parts.internal_names(path), sorted(parts.disks(s)[target]["name"] for s in snaps),
              "the snapshots in %s" % path)
    return snaps


@test("several domains at once, up to max-running")
def beside(lab):
    agent = lab.agent(qcow2__mode="internal", agent__max_running="2")
    guests = [small(lab, "beside%d" % i) for i in range(3)]
    with agent.slow_image() as slow:
        commands = [agent.start("create", g.name, "--json") for g in guests]
        slow.await_held(2)
        until(10, "one waits", lambda: agent.count("operations-waiting") == 1)
        equal((agent.count("operations-running"), len(agent.slow_images())), (2, 2), "(operations, qemu-imgs) at work")
        slow.release()
    for guest, command in zip(guests, commands):
        record = record_of(command)
        equal([s["id"] for s in same_in_storage(agent, guest)], [record["id"]], "the tree of %s" % guest.name)


@test("requests for one domain are done one after the other, parents in order")
def one_by_one(lab):
    agent = lab.agent(qcow2__mode="internal")
    guest = small(lab, "queue", 2)
    with agent.slow_image() as slow:
        commands = []
        for i in range(4):
            commands.append(agent.start("create", guest.name, "--label", "n%d" % i, "--json"))
            # so that they come in this order
            until(10, "it is admitted", lambda: agent.count("operations-running") +
                  agent.count("operations-waiting") == len(commands))
        slow.await_held()
        equal((agent.count("operations-running"), len(agent.slow_images())), (1, 1), "(operations, qemu-imgs) at work")
        slow.release()
    made = [record_of(c) for c in commands]
    equal([r["parent"] for r in made], [None] + [r["id"] for r in made[:-1]], "the parents")
    equal([r["id"] for r in made], sorted(r["id"] for r in made), "the ids, by time")
    tree = parts.same_trees(agent, lab.collector(), guest.name)
    equal([s["label"] for s in tree["snapshots"]], ["n0", "n1", "n2", "n3"], "the labels")
    equal(tree["head"], made[-1]["id"], "the head")
    same_in_storage(agent, guest)


@test("SIGTERM while an operation runs: it ends with the operation, which is done")
def terminated(lab):
    agent = lab.agent(qcow2__mode="internal")
    guest = small(lab, "term", 2)
    first = agent.create(guest.name)
    with agent.slow_image() as slow:
        running = agent.start("create", guest.name, "--json")
        slow.await_held()
        waiting = agent.start("create", guest.name, "--json")
        until(10, "one waits", lambda: agent.count("operations-waiting") == 1)
        agent.process.signal(signal.SIGTERM)
        until(10, "the agent has heard", lambda: "stopping when what runs has ended" in agent.process.text())
        check(agent.process.lives(), "the agent has left its operation")
        slow.release()
        equal(agent.process.wait(20), 0, "the agent's exit status")
    record = record_of(running)
    status, _, err = waiting.finish()
    check(status != 0 and len(err.strip().splitlines()) == 1, "who waited was told: %d, %s", status, err)
    agent.up()
    # what waited was admitted, so it is done at the next start
    until(20, "what waited is done", lambda: len(agent.snapshots(guest.name)) == 3)
    snaps = same_in_storage(agent, guest)
    equal([s["id"] for s in snaps[:2]], [first["id"], record["id"]], "the tree")
    equal([s["parent"] for s in snaps], [None] + [s["id"] for s in snaps[:-1]], "the parents")
    parts.same_trees(agent, lab.collector(), guest.name)


def cut_off(lab, agent, guest, word, when, n_held=1):
    """Kill the agent and its qemu-img, at that place of a create; returns the
    event with which the operation ends after the restart."""
    before = {s["id"] for s in agent.snapshots(guest.name)}
    seq = agent.last_seq()
    with agent.slow_image(word, when) as slow:
        command = agent.start("create", guest.name, "--json")
        slow.await_held(n_held)
        agent.kill()
        slow.kill()
    status, _, _ = command.finish()
    check(status != 0, "the create has succeeded although the agent died")
    agent.up()
    until(20, "the operation ends", lambda: agent.events(guest.name, seq, "taken") +
          agent.events(guest.name, seq, "failed"))
    return agent.events(guest.name, seq)[-1], before


@test("agent killed in an off-line cut, some disks cut: undone")
def killed_partly(lab):
    agent = lab.agent(qcow2__mode="internal")
    guest = small(lab, "off-kill", 2)
    agent.create(guest.name)
    # the first is cut when the call for it has ended and the second waits
    with agent.slow_image("snapshot", "after") as slow:
        command = agent.start("create", guest.name, "--json")
        slow.await_held()
        equal([len(parts.internal_names(f)) for f in guest.files], [2, 1], "snapshots in the files")
        agent.kill()
        slow.kill()
    command.finish()
    seq = agent.up().last_seq()
    failed = agent.event(20, "failed", guest.name)
    check("agent died" in failed["text"], "the event says: %s", failed["text"])
    equal(len(same_in_storage(agent, guest)), 1, "the snapshots")
    del seq
    agent.create(guest.name)
    parts.same_trees(agent, lab.collector(), guest.name)


@test("agent killed when an off-line cut is complete: found, and done")
def killed_complete(lab):
    agent = lab.agent(qcow2__mode="internal")
    guest = small(lab, "off-done")
    first = agent.create(guest.name)
    event, _ = cut_off(lab, agent, guest, "snapshot", "after")
    equal(event["event"], "taken", "how the operation ended (%s)" % event["text"])
    snaps = same_in_storage(agent, guest)
    equal([s["parent"] for s in snaps], [None, first["id"]], "the parents")
    parts.same_trees(agent, lab.collector(), guest.name)


@test("agent killed in an off-line cut: its qemu-img ends with it, no snapshot is there that nobody knows")
def killed_alone(lab):
    agent = lab.agent(qcow2__mode="internal")
    guest = small(lab, "off-orphan")
    agent.create(guest.name)
    seq = agent.last_seq()
    with agent.slow_image() as slow:
        command = agent.start("create", guest.name, "--json")
        slow.await_held()
        agent.kill()
        command.finish()
        until(5, "qemu-img ends with the agent", lambda: not agent.slow_images())
        # one that lived would do its work when the agent is back
        agent.up(keep_holds=True)
        until(20, "the operation ends", lambda: agent.events(guest.name, seq, "taken") +
              agent.events(guest.name, seq, "failed"))
    same_in_storage(agent, guest)


@test("agent killed while it makes the overlays: undone, no file is left")
def killed_preparing(lab):
    agent = lab.agent(qcow2__mode="external")
    guest = small(lab, "ext-kill", 2)
    files = sorted(os.listdir(lab.disks))
    before = [parts.image_info(f) for f in guest.files]
    event, _ = cut_off(lab, agent, guest, "create", "after")
    equal(event["event"], "failed", "how the operation ended")
    check("stopped before the snapshot" in event["text"], "the event says: %s", event["text"])
    equal(sorted(os.listdir(lab.disks)), files, "the files")
    equal([parts.image_info(f) for f in guest.files], before, "the images")
    agent.create(guest.name)


@test("libvirtd restarted: the agent connects again and takes a snapshot")
def libvirtd_restarted(lab):
    agent = lab.agent(qcow2__mode="internal", hook__before_start="yes")
    guest = lab.guest("internal")
    before = agent.process.text().count("connected to libvirt at")
    guest.hv.do("restart")
    until(20, "the agent connects again", lambda:
          agent.process.text().count("connected to libvirt at") > before)
    agent.await_up()
    record = agent.create(guest.name, "--freeze", "require")
    equal(record["consistency"], "frozen", "the consistency")
    equal([s["consistency"] for s in agent.snapshots(guest.name)][-1], "frozen", "the last in the tree")
    # the hooks are heard as before
    seq = agent.last_seq()
    off = small(lab, "after-restart")
    off.hv.virsh("start", "--paused", off.name)
    agent.event(10, "taken", off.name, seq)
    off.destroy()
