# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a snapshot holds: a clean file system, all that was there, nothing since."""
import signal
from concurrent import futures

import lab as parts
from lab import check, equal, until
from registry import MODES, test


def agent_and_guest(lab, mode, **conf):
    agent = lab.agent(qcow2__mode=mode, **conf)
    return agent, lab.guest(mode)


@test("a frozen snapshot of both disks is clean without recovery, while the guest writes", MODES)
def frozen_is_clean(lab, mode):
    agent, guest = agent_and_guest(lab, mode)
    for _ in range(3):
        guest.sh("sleep 0.2")  # let the writers dirty it again
        record = agent.create(guest.name, "--freeze", "require")
        equal(record["consistency"], "frozen", "the consistency")
        equal(sorted(parts.disks(record)), ["vda", "vdb"], "the disks")
        equal({d["driver"] for d in record["disks"]}, {"qcow2-" + mode}, "the driver")
        check(0 < record["frozen_ms"] <= 5000, "frozen_ms is %r", record["frozen_ms"])
        equal(parts.fsck(lab, record), {"vda": "clean", "vdb": "clean"}, "the file systems")
    equal(guest.frozen(), False, "frozen at the end")


@test("without a freeze the same is not clean", MODES)
def unfrozen_is_not(lab, mode):
    agent, guest = agent_and_guest(lab, mode)
    for _ in range(6):
        guest.sh("sleep 0.2")
        record = agent.create(guest.name, "--freeze", "never")
        equal(record["consistency"], "crash", "the consistency")
        equal(record["freeze_ms"], None, "freeze_ms")
        state = parts.fsck(lab, record)
        check("errors" not in state.values(), "damaged: %s", state)
        if "needs recovery" in state.values():
            return
    raise parts.Failure("six snapshots without a freeze were all clean: the other test shows nothing")


def look_into(lab, record, seen):
    """What the writers left in a snapshot, compared with what was read before and after."""
    before, after = seen
    logs = {"vda": parts.log_of(lab, record, "vda", "/each.log"),
            "vdb": parts.log_of(lab, record, "vdb", "/each.log")}
    a = parts.log_of(lab, record, "vda", "/pair.log")
    b = parts.log_of(lab, record, "vdb", "/pair.log")
    for name, log in (*logs.items(), ("pair A", a), ("pair B", b)):
        equal((log["bad"], log["first"]), (0, 1), "(damaged, first) of %s" % name)
        equal(log["count"], log["last"], "the number of records of %s" % name)
    for disk, log in logs.items():
        check(before[disk] <= log["last"] <= after[disk],
              "%s: record %d was fsynced before, %d is the last in it, %d was the last after", disk,
              before[disk], log["last"], after[disk])
    check(b["last"] <= a["last"] <= b["last"] + 1, "not one instant: vda has %d, vdb %d", a["last"], b["last"])
    # the number is told after the second of the two was fsynced
    check(before["pair"] <= a["last"] and b["last"] <= after["pair"] + 1, "pair: %d..%d, in it %d and %d",
          before["pair"], after["pair"], a["last"], b["last"])


def create_held(agent, guest, mode):
    """A create whose agent stands still for some writes after its first call
    that cuts, so that a second such call would show; returns the record and
    what was fsynced by then."""
    agent.hold("after-SnapshotCreateXML" if mode == "external" else "after-Transaction")
    command = agent.start("create", guest.name, "--freeze", "never", "--json")
    try:
        agent.await_held()
        after = guest.numbers()
        until(10, "the writers go on", lambda: all(n > after[k] + 2 for k, n in guest.numbers().items()))
    finally:
        agent.process.signal(signal.SIGCONT)
    status, out, err = command.finish()
    equal(status, 0, "the create's exit status (%s)" % err)
    return parts.json.loads(out), after


@test("what was fsynced before is in, nothing after is, and both disks are of one instant", MODES)
def one_instant(lab, mode):
    agent, guest = agent_and_guest(lab, mode)
    made = []
    for i in range(6):
        guest.write("old", "/mnt/vda/old%d" % i, "/mnt/vdb/old%d" % i)
        before = guest.numbers()
        if i % 3 == 0:
            record, after = create_held(agent, guest, mode)
        else:
            record = agent.create(guest.name, "--freeze", "never" if i % 3 == 1 else "require")
            after = guest.numbers()
        guest.write("new", "/mnt/vda/new%d" % i, "/mnt/vdb/new%d" % i)
        made.append((i, record, (before, after)))

    def look(one):
        i, record, seen = one
        look_into(lab, record, seen)
        for disk in ("vda", "vdb"):
            equal(parts.file_in(lab, record, disk, "/old%d" % i), "old", "what was written before, on %s" % disk)
            equal(parts.file_in(lab, record, disk, "/new%d" % i), None, "what was written after, on %s" % disk)
    with futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(look, made))
    ids = [r["id"] for _, r, _ in made]
    tree = parts.same_trees(agent, lab.collector(), guest.name)
    parents = {s["id"]: s["parent"] for s in tree["snapshots"]}
    equal([parents[i] for i in ids[1:]], ids[:-1], "the parents")
    equal(tree["head"], ids[-1], "the head")


@test("the guest stands still about as long as the record says", MODES)
def stall_is_short(lab, mode):
    agent, guest = agent_and_guest(lab, mode)
    parts.vm.reset_stall(guest.hv.dir, guest.name)
    record = agent.create(guest.name, "--freeze", "require")
    stall_ms = max(w["max_us"] for w in guest.writers().values()) / 1000
    # an fsync that was under way when the freeze came counts, too
    check(stall_ms < record["frozen_ms"] + 1000, "a write stalled for %d ms, frozen_ms is %d", stall_ms,
          record["frozen_ms"])
    check(record["frozen_ms"] < 2000, "frozen for %d ms", record["frozen_ms"])
