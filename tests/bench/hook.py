#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hook.py - how long libvirtd waits for a hook

`hooks`: spawn.c runs our hook and others as libvirtd does, with the XML of a
real domain on stdin; a round's figure is the median of RUNS runs.  A tell
sends a moment to the agent and ends; a gate, at prepare, waits for its answer;
of most moments the agent wants to know nothing, and the hook ends at once.

`start and stop`: a domain is started and destroyed by libvirtd in turn on a
hypervisor without a hook, on one whose hook is /bin/true, and on one with our
hook and a running agent: five hooks each time, among them one gate.
"""
import os
import statistics
import subprocess

import bench

RUNS, PAUSE_MS = 50, 5
SHELL = "#!/bin/sh\nexit 0\n"
PYTHON = "#!/usr/bin/python3\npass\n"
HOOK_NAMES = [
    # as the rows say it; aim: of the tells only
    ("true", "/bin/true"),
    ("tell", "snaptree-hook: tell, the agent runs"),
    ("absent", "snaptree-hook: tell, no agent"),
    ("gate", "snaptree-hook: gate that opens at once"),
    ("other", "snaptree-hook: moment that nobody wants"),
    ("shell", "shell script, `exit 0`"),
    ("python", "Python script, `pass`"),
]


def program(name, text):
    file = bench.path(name)
    with open(file, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(file, 0o755)
    return file


def hooks(hv, build, pairs):
    """{key: [ms of each round]}"""
    hook = os.path.join(build, "snaptree-hook")
    shell, python = program("hook.sh", SHELL), program("hook.py", PYTHON)
    xml = bench.path("hook-stdin.xml")
    with open(xml, "w", encoding="utf-8") as f:
        f.write(hv.virsh("dumpxml", "hook"))
    tell, gate, other = ([op, sub, "-"] for op, sub in (
        ("started", "begin"), ("prepare", "begin"), ("start", "begin")))
    argvs = {
        "true": ["/bin/true", "hook", *tell],
        "tell": [hook, "hook", *tell],
        "absent": ["SNAPTREE_SOCKET=/run/snaptree/none", hook, "hook", *tell],
        "gate": [hook, "hook", *gate],
        "other": [hook, "hook", *other],
        "shell": [shell, "hook", *tell],
        "python": [python, "hook", *tell],
    }
    argv = hv.inside(bench.path("spawn"), str(pairs), str(RUNS), str(PAUSE_MS), xml)
    for key, command in argvs.items():
        argv += ["--", key, *command]
    results = {key: [] for key in argvs}
    popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        for line in popen.stdout:
            key, us = line.split()
            results[key].append(float(us) / 1000)
            if key == "true":
                bench.say("hooks: round %d of %d", len(results[key]), pairs)
    finally:
        if popen.poll() is None:
            popen.terminate()
    if popen.wait(10):
        raise bench.Failure("spawn failed")
    return results


def start_stop(shells, pairs):
    """{name: [ms of start + destroy]}"""
    results = {name: [] for name in shells}
    for i in range(-1, pairs):  # -1: libvirt learns what QEMU can do
        for name in bench.order(list(shells), i):
            times, _ = shells[name].do("start hook", "destroy hook")
            if i >= 0:
                results[name].append(sum(times))
        if i >= 0:
            bench.say("start and stop: round %d of %d", i + 1, pairs)
    return results


def suite(build, pairs):
    machine = bench.Machine()
    hvs = {"no hook": bench.Hypervisor("n1"), "/bin/true as the hook": bench.Hypervisor("n2"),
           "snaptree-hook and the agent": bench.Hypervisor("n3")}
    ours = hvs["snaptree-hook and the agent"]
    machine.uri = ours.uri
    for name, hv in hvs.items():
        disk = bench.path("hook-%s.qcow2" % hv.name)
        bench.script("disk", disk, "64M")
        hv.define("hook", "--disk", disk)
        if hv is ours:
            bench.script("hv", "hook", hv.name, os.path.join(build, "snaptree-hook"))
        elif name != "no hook":
            bench.script("hv", "hook", hv.name, "/bin/true")
    agent = bench.Agent(ours, build)
    waits = hooks(ours, build, pairs)
    shells = {name: bench.Virsh(hv) for name, hv in hvs.items()}
    starts = start_stop(shells, pairs)
    for shell in shells.values():
        shell.close()
    agent.stop()

    print("### hook\n")
    print(machine.line(pairs) + ".\n")
    print("From the start of a hook to its end, a figure of each round being the median of %d runs:\n" % RUNS)
    rows = []
    for key, label in HOOK_NAMES:
        us = waits[key]
        ratios = ["", ""] if key == "true" else bench.both_ratios(us, waits["true"])
        rows.append([label, "%.2f" % statistics.median(us), "%.2f" % bench.p90(us), *ratios,
                     "1.5" if key in ("tell", "absent") else "", "%d" % len(us)])
    bench.table(["hook", "median ms", "p90 ms", "to /bin/true: of medians", "median of ratios", "aim", "n"], rows)
    print("Start and destroy of a domain by libvirtd:\n")
    rows = []
    for name, ms in starts.items():
        ratios = ["", ""] if name == "no hook" else bench.both_ratios(ms, starts["no hook"])
        rows.append([name, "%.0f" % statistics.median(ms), "%.0f" % bench.p90(ms), *ratios, "%d" % len(ms)])
    bench.table(["", "median ms", "p90 ms", "to no hook: of medians", "median of ratios", "n"], rows)


if __name__ == "__main__":
    bench.main(suite)
