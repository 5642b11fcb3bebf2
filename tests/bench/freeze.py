#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""freeze.py - how long a guest stands still for a snapshot

The rivals take turns on one running guest whose every disk has a writer with an
fsync each 10 ms.  A turn: forget the longest stalled write, act, wait until
TURN seconds are over (equally long for all, for the longest of more writes is
longer), read the longest stalled write.

  snaptree  `snaptree create --freeze require`: a process of its own, as used
  virsh     `snapshot-create-as --disk-only --quiesce --atomic --no-metadata`
            in a virsh that is already connected
  bare      `domfsfreeze; domfsthaw` as one line of that virsh: the limit
  nothing   no act: what the writers' stalls are anyway

In the sections "dirty" one more writer for each disk changes many small files and
never calls fsync, as most of what runs in a guest does.

Two rulers, the same for all:
  stall   the longest stalled write of all writers, by the guest's clock
  frozen  from when libvirtd sends the freeze to the guest agent until it has
          the answer to the thaw, by libvirtd's log; in it: freeze, cut (all
          that is between), thaw
and two that rivals have of their own: frozen_ms of snaptree's record, and the
time of virsh's commands, which holds what they do before and after, too.

The domain and its disks are made anew every FRESH rounds, so that no chain grows
into the figures.
"""
import glob
import os
import re
import statistics
import time
from datetime import datetime

import bench
from bench import Failure, vm

TURN, SETTLE, FRESH = 1.5, 2.0, 4
STAMP = re.compile(r"^(\S+ \S+?)\+0000: \d+: debug : qemuAgentCommandFull:\d+ : (Send command|Receive command reply)(.*)")


class Agentlog:
    """What libvirtd says to guest agents, from now on."""

    def __init__(self, hv):
        self.file = os.path.join(hv.dir, "log", "libvirtd.log")
        self.at = os.path.getsize(self.file)

    def window(self):
        """{frozen, freeze, cut, thaw} in ms"""
        times, what = {}, None
        with open(self.file, encoding="utf-8", errors="replace") as f:
            f.seek(self.at)
            for line in f:
                m = STAMP.match(line)
                if not m:
                    continue
                if m.group(2) == "Send command":
                    what = re.search(r"guest-fsfreeze-(freeze|thaw)", m.group(3))
                    key = what and what.group(1)
                else:
                    key = what and what.group(1) + " done"
                if key:
                    # the last freeze and thaw would hide a repeated one
                    if key in times:
                        raise Failure("%s twice in one turn" % key)
                    times[key] = datetime.fromisoformat(m.group(1)).timestamp() * 1000
        if len(times) != 4:
            raise Failure("no freeze and thaw in libvirtd's log, but %s" % sorted(times))
        return {"frozen": times["thaw done"] - times["freeze"],
                "freeze": times["freeze done"] - times["freeze"],
                "cut": times["thaw"] - times["freeze done"],
                "thaw": times["thaw done"] - times["thaw"]}


class Guest:
    """A running domain that nobody has snapshotted yet."""

    serial = 0

    def __init__(self, hv, n_disks, writers):
        Guest.serial += 1
        self.hv, self.n_disks, self.name = hv, n_disks, "b%d" % Guest.serial
        args = ["--cmdline", "snaptree.writer=" + writers]
        for letter in "ab"[:n_disks]:
            disk = bench.path("%s-%s.qcow2" % (self.name, letter))
            bench.script("disk", disk, "128M")
            args += ["--disk", disk]
        hv.define(self.name, *args)
        bench.script("vm", "boot", hv.name, self.name)
        time.sleep(SETTLE)

    def end(self):
        self.hv.virsh("destroy", self.name)
        self.hv.virsh("undefine", self.name)
        for f in glob.glob(bench.path(self.name + "-*")):
            os.unlink(f)


class Section:
    def __init__(self, hv, agent, virsh, n_disks, names, writers):
        self.hv, self.agent, self.virsh, self.n_disks, self.names = hv, agent, virsh, n_disks, names
        self.writers = writers
        self.results = {name: [] for name in names}
        self.guest = None

    def snaptree(self, _):
        record = self.agent.cli("create", self.guest.name, "--freeze", "require")
        if record["consistency"] != "frozen" or len(record["disks"]) != self.n_disks:
            raise Failure("not the snapshot that was wanted: %s" % record)
        return {"own": record["frozen_ms"]}

    def external(self, i):
        times, _ = self.virsh.do("snapshot-create-as %s v%d --disk-only --quiesce --atomic --no-metadata"
                                 % (self.guest.name, i))
        return {"own": times[0]}

    def bare(self, _):
        times, out = self.virsh.do("domfsfreeze %s" % self.guest.name, "domfsthaw %s" % self.guest.name)
        counts = [int(n) for n in re.findall(r"(?:Froze|Thawed) ([0-9]+) filesystem", out)]
        if counts and counts != [self.n_disks] * 2:
            raise Failure("froze and thawed %s file systems" % counts)
        return {"own": sum(times)}

    def nothing(self, _):
        return {}

    ACTS = {"snaptree": snaptree, "virsh": external, "bare": bare, "nothing": nothing}

    def turn(self, name, i):
        log = Agentlog(self.hv)
        vm.reset_stall(self.hv.dir, self.guest.name)
        end = time.monotonic() + TURN
        result = self.ACTS[name](self, i)
        time.sleep(max(0, end - time.monotonic()))
        stalls = [w["max_us"] / 1000 for w in vm.writers(self.hv.dir, self.guest.name).values()]
        if len(stalls) != self.n_disks:
            raise Failure("%d writers on %d disks" % (len(stalls), self.n_disks))
        result["stall"] = max(stalls)
        if name != "nothing":
            result.update(log.window())
        self.results[name].append(result)

    def measure(self, pairs):
        try:
            for i in range(pairs):
                if i % FRESH == 0:
                    if self.guest:
                        self.guest.end()
                    self.guest = Guest(self.hv, self.n_disks, self.writers)
                for name in bench.order(self.names, i):
                    self.turn(name, i)
                bench.say("round %d of %d: %s", i + 1, pairs, ", ".join(
                    "%s %.0f" % (n, self.results[n][-1]["stall"]) for n in self.names))
        finally:
            if self.guest:
                self.guest.end()

    def column(self, name, key):
        return [r[key] for r in self.results[name]]

    def rows(self, label, key):
        ours = self.column("snaptree", key)
        for name in self.names:
            theirs = self.column(name, key) if key in self.results[name][0] else None
            if theirs is None:
                continue
            ratios = ["", ""] if name == "snaptree" else bench.both_ratios(ours, theirs)
            aim = {"virsh": "0.8", "bare": "1.2"}.get(name, "")
            yield [label, name, "%.0f" % statistics.median(theirs), "%.0f" % bench.p90(theirs), *ratios, aim,
                   "%d" % len(theirs)]

    def parts(self, label):
        for name in self.names:
            if name != "nothing":
                yield [label, name] + ["%.0f" % statistics.median(self.column(name, key))
                                       for key in ("freeze", "cut", "thaw", "frozen", "own")]


ALL = ["snaptree", "virsh", "bare", "nothing"]
SECTIONS = [
    # qcow2 mode, writers, disks, rivals; virsh has no quiesced internal snapshot
    ("external", "each", 1, ALL),
    ("external", "each", 2, ALL),
    ("external", "each,dirty", 2, ALL),
    ("internal", "each", 1, ["snaptree", "bare"]),
    ("internal", "each", 2, ["snaptree", "bare"]),
]


def suite(build, pairs):
    hv = bench.Hypervisor("h1")
    machine = bench.Machine()
    machine.uri = hv.uri
    virsh = bench.Virsh(hv)
    done = []
    for mode, writers, n_disks, names in SECTIONS:
        label = "%s, %d disk%s%s" % (mode, n_disks, "s"[:n_disks - 1], ", dirty" if "dirty" in writers else "")
        bench.say("%s", label)
        agent = bench.Agent(hv, build, "[qcow2]\nmode = %s\nmin-free = 16MiB\n" % mode)
        section = Section(hv, agent, virsh, n_disks, names, writers)
        section.measure(pairs)
        done.append((label, section))
        agent.stop()
    virsh.close()

    print("### freeze\n")
    print(machine.line(pairs) + ".\n")
    head = ["mode", "rival", "median ms", "p90 ms", "snaptree / rival: of medians", "median of ratios", "aim", "n"]
    print("Longest stalled guest write:\n")
    bench.table(head, [row for label, s in done for row in s.rows(label, "stall")])
    print("Frozen window, from libvirtd sending the freeze to the guest agent until it has the answer to the thaw:\n")
    bench.table(head, [row for label, s in done for row in s.rows(label, "frozen")])
    print("Where the window goes (medians, ms); \"own\" is frozen_ms of snaptree's record, the time of virsh's commands:\n")
    bench.table(["mode", "rival", "freeze", "cut", "thaw", "frozen", "own"],
                [row for label, s in done for row in s.parts(label)])


if __name__ == "__main__":
    bench.main(suite)
