# SPDX-License-Identifier: LGPL-2.1-or-later
"""bench.py - what the measurements share: the lab, the agent, virsh, tables

Works in $SNAPTREE_LAB, which `run` makes and removes.
"""
import atexit
import importlib.machinery
import importlib.util
import json
import math
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
SCRIPTS = os.path.join(os.path.dirname(HERE), "lab")
LAB = os.environ["SNAPTREE_LAB"]

# a signal ends us through atexit
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


class Failure(Exception):
    pass


def say(fmt, *args):
    sys.stderr.write("bench: %s\n" % (fmt % args if args else fmt))
    sys.stderr.flush()


def run(*argv, seconds=120):
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False)
    if p.returncode:
        raise Failure("%s: status %d: %s" % (" ".join(argv[:6]), p.returncode, (p.stderr or p.stdout).strip()))
    return p.stdout


def script(name, *args):
    return run(os.path.join(SCRIPTS, name), *args)


def path(*names):
    return os.path.join(LAB, *names)


def load_vm():
    """tests/lab/vm as a module: no process starts beside a measurement."""
    loader = importlib.machinery.SourceFileLoader("lab_vm", os.path.join(SCRIPTS, "vm"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("lab_vm", loader))
    loader.exec_module(module)
    return module


vm = load_vm()


class Hypervisor:
    def __init__(self, name):
        self.name, self.dir = name, path("hv", name)
        # As on every host: libvirtd saves a domain's status below /run, with an
        # fsync, inside of the window.  `run` unmounts it.
        os.makedirs(os.path.join(self.dir, "run"))
        run("mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "snaptree-bench", os.path.join(self.dir, "run"))
        script("hv", "up", name)
        self.uri = script("hv", "uri", name).strip()

    def virsh(self, *args):
        return script("hv", "virsh", self.name, *args)

    def inside(self, *argv):
        return [os.path.join(SCRIPTS, "hv"), "sh", self.name, *argv]

    def define(self, name, *args):
        xml = path(name + ".xml")
        with open(xml, "w", encoding="utf-8") as f:
            f.write(script("domain", name, *args))
        self.virsh("define", xml)


class Virsh:
    """One interactive virsh: its start and its connection cost nothing here."""

    TIME = re.compile(rb"\(Time: ([0-9.]+) ms\)")

    def __init__(self, hv):
        # -t: the time of each command, measured by virsh around its handler
        self.popen = subprocess.Popen(["virsh", "-q", "-t", "-c", hv.uri], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        atexit.register(self.close)
        self.do("version")

    def do(self, *commands):
        """Run them on one line; returns ([milliseconds], output)."""
        self.popen.stdin.write(("; ".join(commands) + "\n").encode())
        self.popen.stdin.flush()
        out = b""
        while len(self.TIME.findall(out)) < len(commands):
            data = os.read(self.popen.stdout.fileno(), 65536)
            if not data:
                raise Failure("virsh has ended: %s" % out.decode())
            out += data
            if b"error:" in out:
                raise Failure("virsh %s: %s" % (commands[0], out.decode().strip()))
        return [float(t) for t in self.TIME.findall(out)], out.decode()

    def close(self):
        atexit.unregister(self.close)
        self.popen.stdin.close()
        self.popen.wait(10)


class Agent:
    """snaptree-agentd on a hypervisor, and the command line to it."""

    def __init__(self, hv, build, settings=""):
        self.build = build
        self.socket = os.path.join(hv.dir, "run-snaptree", "agent.sock")
        self.pid_file = path("agent-%s.pid" % hv.name)
        conf = path("agent-%s.conf" % hv.name)
        with open(conf, "w", encoding="utf-8") as f:
            f.write("[agent]\nhost-name = %s\n%s" % (hv.name, settings))
        self.log = path("agent-%s.log" % hv.name)
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(hv.inside(os.path.join(build, "snaptree-agentd"), "-c", conf),
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        with open(self.pid_file, "w", encoding="utf-8") as f:
            f.write("%d\n" % self.popen.pid)
        atexit.register(self.stop)
        end = time.monotonic() + 20
        while not self.has_libvirt():
            if time.monotonic() > end or self.popen.poll() is not None:
                raise Failure("the agent does not come up, see %s" % open(self.log, errors="replace").read())
            time.sleep(0.1)

    def cli(self, *args):
        return json.loads(run(os.path.join(self.build, "snaptree"), "--agent", self.socket, *args, "--json"))

    def has_libvirt(self):
        try:
            return self.cli("status")["status"]["libvirt"] == "connected"
        except Failure:
            return False

    def stop(self):
        atexit.unregister(self.stop)
        self.popen.terminate()
        self.popen.wait(40)
        os.unlink(self.pid_file)


# --- figures ----------------------------------------------------------------


def p90(values):
    return sorted(values)[math.ceil(0.9 * len(values)) - 1]


def ratio_of_medians(ours, theirs):
    return statistics.median(ours) / statistics.median(theirs)


def median_of_ratios(ours, theirs):
    return statistics.median(a / b for a, b in zip(ours, theirs))


def both_ratios(ours, theirs):
    return ["%.2f" % ratio_of_medians(ours, theirs), "%.2f" % median_of_ratios(ours, theirs)]


def table(head, rows):
    """First column left, the others right."""
    print("| %s |" % " | ".join(head))
    print("|---|%s" % ("--:|" * (len(head) - 1)))
    for row in rows:
        print("| %s |" % " | ".join(row))
    print(flush=True)


def order(names, i):
    """Each takes each place in turn; every other time backwards."""
    k = i % len(names)
    turned = names[k:] + names[:k]
    return turned if i // len(names) % 2 == 0 else turned[::-1]


def cpu_idle():
    """(idle, all) jiffies of the machine"""
    with open("/proc/stat", encoding="ascii") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    return v[3] + v[4], sum(v)


class Machine:
    """What it ran on and how busy that was; made before, printed after."""

    def __init__(self):
        self.load, self.idle, self.start = os.getloadavg(), cpu_idle(), time.monotonic()

    def line(self, pairs):
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            model = re.search("model name\\s*: (.*)", f.read())
        with open("/proc/meminfo", encoding="ascii") as f:
            memory = int(re.search("MemTotal: *([0-9]+)", f.read()).group(1)) >> 20
        versions = ", ".join(re.findall(r"(?:Using library|hypervisor): (\w+ [0-9.]+)", run("virsh", "-c", self.uri, "version")))
        idle, total = (b - a for a, b in zip(self.idle, cpu_idle()))
        return ("%s: %d rounds in %d s on %d cores (%s), %d GiB, Linux %s, %s, emulated guests (TCG); "
                "load %.1f at the start, %.1f at the end; processors %d %% busy with this and all else" % (
                    time.strftime("%Y-%m-%d %H:%M", time.gmtime()), pairs, time.monotonic() - self.start,
                    os.cpu_count(), model.group(1).strip() if model else platform.machine(), memory + 1,
                    platform.release(), versions,
                    self.load[0], os.getloadavg()[0], 100 - 100 * idle // max(total, 1)))

    uri = ""


def main(suite):
    """suite(build, pairs) of the calling program"""
    try:
        suite(sys.argv[1], int(sys.argv[2]))
    except (Failure, vm.Error, OSError, subprocess.TimeoutExpired) as e:
        sys.exit("bench: %s" % e)
