# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the hook has done when a domain stops and starts."""
import os
import signal

import lab as parts
from lab import check, equal, until
from registry import MODES, test


def stop_by(guest, how):
    if how == "shutdown":
        guest.shutdown()
    elif how == "destroy":
        guest.hv.virsh("destroy", guest.name)
    else:
        with open("%s/run/qemu/%s.pid" % (guest.hv.dir, guest.name)) as f:
            pid = int(f.read())
        os.kill(pid, signal.SIGKILL)
        until(15, "libvirt has seen the end of QEMU", guest.is_off)


def after_stop(lab, mode, how):
    agent = lab.agent(qcow2__mode=mode, hook__after_stop="yes")
    guest = lab.guest(mode)
    first = agent.create(guest.name, "--freeze", "never")
    guest.write(how, "/mnt/vda/" + how, "/mnt/vdb/" + how)
    before = guest.numbers()
    seq = agent.last_seq()
    stop_by(guest, how)
    taken = agent.event(20, "taken", guest.name, after=seq)
    tree = parts.same_trees(agent, lab.collector(), guest.name)
    record = {s["id"]: s for s in tree["snapshots"]}[taken["snapshot"]]
    equal(tree["head"], record["id"], "the head")
    equal((record["origin"], record["consistency"], record["parent"]), ("hook", "offline", first["id"]),
          "(origin, consistency, parent)")
    equal(len(agent.events(guest.name, seq, "taken")), 1, "the number of snapshots")
    state = parts.fsck(lab, record)
    check(how != "shutdown" or set(state.values()) == {"clean"}, "after a shutdown: %s", state)
    check("errors" not in state.values(), "damaged: %s", state)
    for disk in ("vda", "vdb"):
        equal(parts.file_in(lab, record, disk, "/" + how), how, "what was written before the end, on %s" % disk)
        log = parts.log_of(lab, record, disk, "/each.log")
        check(log["last"] >= before[disk] and not log["bad"], "%s: %s, fsynced was %d", disk, log, before[disk])
    # and the guest goes on from there
    guest.boot()
    equal(guest.sh("cat /mnt/vda/" + how), how, "the file after the next start")


@test("after a shutdown of the guest the hook makes a snapshot", MODES)
def shutdown(lab, mode):
    after_stop(lab, mode, "shutdown")


@test("after a destroy the hook makes a snapshot", MODES[:1])
def destroy(lab, mode):
    after_stop(lab, mode, "destroy")


@test("after QEMU was killed the hook makes a snapshot", MODES[1:])
def killed(lab, mode):
    after_stop(lab, mode, "kill")
