# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the agent knows reaches the collector: all of it, once, in order."""
import random
import threading
import time

import lab as parts
from lab import check, equal, until
from registry import test
from test_work import same_in_storage, small

FIELDS = ("seq", "time", "event", "vm", "vm_id", "state", "operation", "snapshot", "code", "text")


def events(client, host):
    """Of one host, by sequence number."""
    rows = client.ask("events", "--host", host, "--limit", "1000000")["events"]
    return sorted([tuple(e.get(f) for f in FIELDS) for e in rows])


def same_events(agent, collector, seconds=20):
    """Wait until all is acknowledged; both sides have the same then, and no gap."""
    until(seconds, "all events are acknowledged", lambda: agent.count("events-waiting") == 0)
    host = agent.hv.name
    mine, theirs = events(agent, host), events(collector, host)
    seqs = [e[0] for e in theirs]
    equal(seqs, list(range(1, len(seqs) + 1)), "the sequence numbers the collector has")
    for a, b in zip(mine, theirs):
        equal(b, a, "an event at the collector")
    equal(len(theirs), len(mine), "the number of events")
    return theirs


def same_everywhere(agent, collector, guests):
    for guest in guests:
        tree = parts.same_trees(agent, collector, guest.name)
        same_in_storage(agent, guest)
        snaps = tree["snapshots"]
        equal([s["parent"] for s in snaps], [None] * (len(snaps) > 0) + [s["id"] for s in snaps[:-1]],
              "the parents in %s" % guest.name)
    taken = [e for e in same_events(agent, collector) if e[2] == "taken"]
    equal(len(taken), len({e[FIELDS.index("snapshot")] for e in taken}), "different snapshots that were taken")


def new_host(lab, name):
    """An agent with a journal of its own, on a hypervisor of its own."""
    hv = parts.Hypervisor(lab, name)
    return parts.Agent(hv, lab.std["collector"], conf={"qcow2.mode": "internal"})


@test("collector away for the whole time: the events arrive afterwards, complete and in order")
def away(lab):
    collector = lab.collector()
    agent = lab.agent(qcow2__mode="internal")
    collector.down()
    agent.restart(qcow2__mode="internal")
    guests = [small(lab, "away%d" % i) for i in range(2)]
    made = [agent.create(g.name, "--label", "n%d" % i) for i in range(3) for g in guests]
    status, _, err = agent.cli("create", guests[0].name, "--label", "a/b")
    check(status == 2, "a bad label: %d, %s", status, err)
    status, _, err = agent.cli("create", guests[0].name, "--disk", "vdz")
    check(status == 2, "a bad disk: %d, %s", status, err)
    agent.restart(qcow2__mode="internal")
    check(agent.count("events-waiting") >= 2 * len(made), "events wait: %d", agent.count("events-waiting"))
    made += [agent.create(g.name) for g in guests]
    collector.up()
    same_everywhere(agent, collector, guests)
    for guest in guests:
        ids = [r["id"] for r in made if r["vm"] == guest.name]
        equal([s["id"] for s in collector.snapshots(guest.name)], ids, "the collector's snapshots of %s" % guest.name)


class Maker(threading.Thread):
    """Takes snapshots of one domain in a quick row."""

    def __init__(self, agent, guest):
        super().__init__(daemon=True)
        self.agent, self.guest = agent, guest
        self.done, self.errors, self.ended = [], 0, False

    def run(self):
        while not self.ended:
            status, out, _ = self.agent.cli("create", self.guest.name, "--json")
            if status == 0:
                self.done.append(parts.json.loads(out)["id"])
            else:
                self.errors += 1
                time.sleep(parts.STEP)

    def end(self):
        self.ended = True
        self.join(60)
        check(not self.is_alive(), "a create of %s does not end", self.guest.name)


@test("collector and agent killed at random under load: nothing is lost or doubled, both trees are equal")
def killed(lab):
    collector = lab.collector()
    agent = lab.agent(qcow2__mode="internal")
    guests = [small(lab, "busy%d" % i) for i in range(3)]
    seed = random.randrange(1 << 30)
    parts.say("seed %d", seed)
    rng = random.Random(seed)
    makers = [Maker(agent, g) for g in guests]
    for maker in makers:
        maker.start()

    def more():
        """Some more are taken, wherever they are then."""
        n = sum(len(m.done) for m in makers) + 3
        until(30, "snapshots are taken", lambda: sum(len(m.done) for m in makers) >= n)
        time.sleep(rng.uniform(0, 0.2))
    for i in range(10):
        more()
        collector.process.kill()
        if i % 3 == 2:
            agent.kill()
            agent.up()
        time.sleep(rng.uniform(0, 0.2))
        collector.up(wait=i % 2 == 0)
    more()
    for maker in makers:
        maker.end()
    collector.up()
    until(30, "nothing runs", lambda: agent.count("operations-running") + agent.count("operations-waiting") == 0)
    same_everywhere(agent, collector, guests)
    for maker in makers:
        ids = [s["id"] for s in collector.snapshots(maker.guest.name)]
        parts.say("%s: %d snapshots, %d told, %d errors", maker.guest.name, len(ids), len(maker.done), maker.errors)
        check(set(maker.done) <= set(ids), "told but not there: %s", set(maker.done) - set(ids))
        check(len(maker.done) >= 5, "only %d snapshots of %s", len(maker.done), maker.guest.name)


@test("agent's journal lost: a new one begins, the collector keeps what it had and doubles nothing")
def journal_lost(lab):
    collector = lab.collector()
    agent = new_host(lab, "h5")
    guest = parts.Guest(agent.hv, "lost", n_disks=1, size="16M")
    agent.up()
    first = agent.create(guest.name)
    same_events(agent, collector)
    agent.down()
    for ending in ("", "-wal", "-shm"):
        path = parts.os.path.join(agent.hv.dir, "lib-snaptree", "agent.db" + ending)
        if parts.os.path.exists(path):
            parts.os.unlink(path)
    agent.up()
    second = agent.create(guest.name)
    until(10, "the collector has the second", lambda: second["id"] in
          [s["id"] for s in collector.snapshots(guest.name)])
    ids = [s["id"] for s in collector.snapshots(guest.name)]
    equal(ids, [first["id"], second["id"]], "the collector's snapshots")
    agent.down()
