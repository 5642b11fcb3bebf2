# SPDX-License-Identifier: LGPL-2.1-or-later
"""lab.py - real hypervisors, agents, collectors and guests for the tests

A Lab is one folder below /var/tmp with all that was started in it; it ends what
it started, by pid, and removes the folder.  The parts wrap tests/lab (libvirtd
and guests) and the programs of one build folder.  Waiting is by until():
short steps, a bound, and a message of what did not happen.
"""
import atexit
import contextlib
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SCRIPTS = os.path.join(TOP, "tests", "lab")
STEP = 0.03
REPORT = re.compile(r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|runtime error:|"
                    r"AddressSanitizer:DEADLYSIGNAL|WARNING: ThreadSanitizer")


class Failure(AssertionError):
    """What a test found wrong, or what did not happen in time."""


def check(truth, fmt, *args):
    if not truth:
        raise Failure(fmt % args if args else fmt)


def equal(got, wanted, what):
    check(got == wanted, "%s is %r, not %r", what, got, wanted)


def until(seconds, what, condition):
    """Ask again each 30 ms until it is true; returns what is then true."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise Failure("not within %g s: %s" % (seconds, what))
        time.sleep(STEP)


def say(fmt, *args):
    sys.stderr.write("# " + (fmt % args if args else fmt) + "\n")
    sys.stderr.flush()


def load_vm():
    """tests/lab/vm as a module."""
    loader = importlib.machinery.SourceFileLoader("lab_vm", os.path.join(SCRIPTS, "vm"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("lab_vm", loader))
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


vm = load_vm()


def tail(path, n=25):
    try:
        with open(path, errors="replace") as f:
            return f.readlines()[-n:]
    except OSError:
        return []


def process_state(pid):
    """The letter of /proc/PID/stat; "" when there is no such process."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(") ", 1)[1][0]
    except (OSError, IndexError):
        return ""


def children(pid, name=None):
    found = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % p) as f:
                head, rest = f.read().rsplit(") ", 1)
        except OSError:
            continue
        if int(rest.split()[1]) == pid and rest[0] != "Z" and name in (None, head.split("(", 1)[1]):
            found.append(int(p))
    return sorted(found)


class Process:
    """A program in the background, its log, and its end."""

    def __init__(self, lab, name, argv, env=None):
        self.lab, self.name = lab, name
        self.log = lab.log_path(name)
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          start_new_session=True, env=env)
        lab.processes.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def lives(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.lives():
            os.kill(self.pid, number)
            if number == signal.SIGSTOP:
                until(2, "%s stops" % self.name, lambda: process_state(self.pid) in "Tt")

    def wait(self, seconds):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure("%s (pid %d) has not ended in %g s" % (self.name, self.pid, seconds)) from None

    def kill(self):
        if self.lives():
            self.popen.kill()
        self.popen.wait()

    def stop(self, seconds=40):
        """SIGTERM; returns the exit status."""
        if self.lives():
            self.popen.send_signal(signal.SIGCONT)
            self.popen.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()


class Background:
    """A command whose end is awaited later."""

    def __init__(self, argv, env=None):
        self.start = time.monotonic()
        self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True, env=env)

    def runs(self):
        return self.popen.poll() is None

    def finish(self, seconds=60):
        """(status, stdout, stderr)"""
        try:
            out, err = self.popen.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.communicate()
            raise Failure("%s: not within %g s" % (" ".join(self.popen.args[:4]), seconds)) from None
        return self.popen.returncode, out, err


def run(*argv, env=None, seconds=60, ok=True):
    status, out, err = Background(list(argv), env).finish(seconds)
    if ok and status:
        raise Failure("%s: status %d: %s" % (" ".join(argv), status, (err or out).strip()))
    return (status, out, err) if not ok else out


class Client:
    """The command line against one agent or collector."""

    def __init__(self, lab, *where):
        self.lab, self.where = lab, where

    def start(self, *args):
        return Background([self.lab.program("snaptree"), *self.where, *args], self.lab.env())

    def cli(self, *args, seconds=60):
        """(status, stdout, stderr)"""
        return self.start(*args).finish(seconds)

    def ask(self, *args, seconds=60):
        """The answer as JSON; an error is a failure."""
        status, out, err = self.cli(*args, "--json", seconds=seconds)
        if status:
            raise Failure("snaptree %s: status %d: %s" % (" ".join(args), status, err.strip()))
        return json.loads(out)

    def create(self, name, *args, seconds=60):
        """Take a snapshot; returns its record."""
        return self.ask("create", name, *args, seconds=seconds)

    def answers(self):
        return self.cli("status", "--timeout", "2s")[0] == 0

    def tree(self, name):
        """The VM's record, with its snapshots sorted by time."""
        trees = self.ask("tree", name)["trees"]
        equal(len(trees), 1, "the number of trees of %s" % name)
        trees[0]["snapshots"].sort(key=lambda s: s["id"])
        return trees[0]

    def snapshots(self, name):
        return self.tree(name)["snapshots"]

    def events(self, name=None, after=0, kind=None):
        """Oldest first."""
        args = ["events", "--limit", "100000"] + (["--vm", name] if name else [])
        rows = [e for e in self.ask(*args)["events"] if e["seq"] > after]
        rows.sort(key=lambda e: e["seq"])
        return [e for e in rows if kind in (None, e["event"])]

    def last_seq(self):
        return max([e["seq"] for e in self.events()], default=0)

    def event(self, seconds, kind, name=None, after=0, text=""):
        """Wait for one; returns it."""
        def look():
            return [e for e in self.events(name, after, kind) if text in e["text"]]
        return until(seconds, "event %s of %s %r" % (kind, name, text), look)[-1]


class Collector(Client):
    def __init__(self, lab, name="collector"):
        self.endpoint = "tcp://127.0.0.1:%d" % lab.port()
        super().__init__(lab, "--collector", self.endpoint)
        self.name, self.process = name, None
        self.database = os.path.join(lab.dir, name + ".db")
        self.conf = lab.write(name + ".conf", "[listen]\nendpoint = %s\n[database]\npath = %s\n"
                              "[log]\nlevel = debug\n" % (self.endpoint, self.database))

    def up(self, wait=True):
        if not self.process or not self.process.lives():
            self.process = Process(self.lab, self.name, [self.lab.program("snaptree-collectord"), "-c", self.conf],
                                   self.lab.env())
        if wait:
            until(15, "the collector answers", lambda: self.alive() and self.answers())
        return self

    def alive(self):
        check(self.process.lives(), "the collector has ended: %s", "".join(tail(self.process.log, 3)))
        return True

    def down(self):
        equal(self.process.stop(), 0, "the collector's exit status")


class Agent(Client):
    """snaptree-agentd inside a hypervisor's namespaces."""

    DEFAULTS = {"log.level": "debug", "qcow2.min-free": "16MiB"}

    def __init__(self, hv, collector=None, name=None, conf=None, program=None):
        self.hv, self.name = hv, name or "agent-" + hv.name
        self.program = program or hv.lab.program("snaptree-agentd")
        self.socket = os.path.join(hv.dir, "run-snaptree", "agent.sock")
        super().__init__(hv.lab, "--agent", self.socket)
        self.collector, self.process = collector, None
        self.settings = dict(conf or {})
        self.hold_dir = os.path.join(hv.lab.dir, "hold-" + hv.name)
        os.makedirs(self.hold_dir, exist_ok=True)

    def write_conf(self):
        keys = {"agent.host-name": self.hv.name, **self.DEFAULTS, **self.settings}
        if self.collector and "collector.endpoint" not in keys:
            keys["collector.endpoint"] = self.collector.endpoint
        text = ""
        for section in sorted({k.split(".")[0] for k in keys}):
            text += "[%s]\n" % section
            text += "".join("%s = %s\n" % (k.split(".")[1], v) for k, v in sorted(keys.items())
                            if k.split(".")[0] == section)
        return self.lab.write(self.name + ".conf", text)

    def up(self, wait=True, wrap=(), keep_holds=False):
        """Start it, if it does not run."""
        if self.process and self.process.lives():
            return self
        for f in [] if keep_holds else os.listdir(self.hold_dir):
            os.unlink(os.path.join(self.hold_dir, f))
        conf = self.write_conf()
        env = {"HOLD_DIR": self.hold_dir, "LD_PRELOAD": self.lab.hold_library(),
               "PATH": HERE + ":" + os.environ["PATH"]}
        if wrap:
            env["SELF_EXE"] = self.program
        argv = [*wrap, self.program, "-c", conf]
        self.process = Process(self.lab, self.name, self.hv.inside("env", *("%s=%s" % e for e in env.items()), *argv),
                               self.lab.env())
        if wait:
            self.await_up()
        return self

    def once(self, *args, conf=None, seconds=60):
        """(status, stdout, stderr) of a second snaptree-agentd that ends by itself."""
        return run(*self.hv.inside(self.program, "-c", conf or self.write_conf(), *args), env=self.lab.env(),
                   seconds=seconds, ok=False)

    def await_up(self, seconds=20):
        until(seconds, "the agent answers", lambda: self.alive() and self.answers())
        until(seconds, "the agent has libvirt", self.has_libvirt)
        return self

    def alive(self):
        check(self.process.lives(), "the agent has ended: %s", "".join(tail(self.process.log, 3)))
        return True

    def has_libvirt(self):
        status, out, _ = self.cli("status", "--json", "--timeout", "2s")
        return status == 0 and json.loads(out)["status"]["libvirt"] == "connected"

    def down(self):
        if self.process and self.process.lives():
            equal(self.process.stop(), 0, "the agent's exit status")

    def restart(self, **conf):
        """conf: keys with '.' as '__' and '-' as '_', None for the default."""
        self.down()
        self.settings = {k.replace("__", ".").replace("_", "-"): v for k, v in conf.items()}
        return self.up()

    def kill(self):
        self.process.kill()

    def guard(self):
        found = children(self.process.pid, "snaptree-guard")
        return found[0] if found else None

    def hold(self, what):
        """Ask for a stop at a call of libvirt, see hold.c."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.hold_dir, "held"))
        with open(os.path.join(self.hold_dir, what), "w"):
            pass

    def await_held(self, seconds=20):
        held = os.path.join(self.hold_dir, "held")
        until(seconds, "the agent is held", lambda: os.path.exists(held))
        until(2, "the agent stops", lambda: process_state(self.process.pid) in "Tt")

    def slow_images(self):
        """The pids of the agent's qemu-imgs that wait, see slow_image()."""
        pids = [int(f[5:]) for f in os.listdir(self.hold_dir) if f.startswith("slow-")]
        return [p for p in pids if process_state(p) not in ("", "Z")]

    @contextlib.contextmanager
    def slow_image(self, word="snapshot", when="before"):
        """Each qemu-img of the agent with that word on its command line waits
        until release() of what this gives, or its end; see ./qemu-img."""
        path = os.path.join(self.hold_dir, "slow")
        with open(path + ".new", "w") as f:
            f.write("%s %s\n" % (when, word))
        os.rename(path + ".new", path)
        slow = Slow(self, path)
        try:
            yield slow
        finally:
            slow.release()

    def count(self, fact):
        """A number of the status."""
        return int(self.ask("status")["status"][fact])


class Slow:
    """The agent's qemu-img while it is slow."""

    def __init__(self, agent, path):
        self.agent, self.path = agent, path

    def await_held(self, n=1, seconds=20):
        until(seconds, "%d calls of qemu-img wait" % n, lambda: len(self.agent.slow_images()) >= n)

    def kill(self):
        """As a power cut would: those that wait never do their work."""
        for pid in self.agent.slow_images():
            with contextlib.suppress(ProcessLookupError):  # it may end with its agent
                os.kill(pid, signal.SIGKILL)
        until(5, "the qemu-imgs end", lambda: not self.agent.slow_images())

    def release(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        until(10, "the slow qemu-imgs go on", lambda: not self.agent.slow_images())


class Hypervisor:
    def __init__(self, lab, name, hook=True, env=None):
        self.lab, self.name = lab, name
        self.dir = os.path.join(lab.dir, "hv", name)
        run(os.path.join(SCRIPTS, "hv"), "up", name, env={**lab.env(), **(env or {})})
        lab.hypervisors.append(self)
        if hook:
            self.do("hook", lab.program("snaptree-hook"))

    def do(self, action, *args, **kw):
        return run(os.path.join(SCRIPTS, "hv"), action, self.name, *args, env=self.lab.env(), **kw)

    def inside(self, *argv):
        return [os.path.join(SCRIPTS, "hv"), "sh", self.name, *argv]

    @property
    def uri(self):
        return "qemu+unix:///system?socket=%s/run/libvirt-sock" % self.dir

    def virsh(self, *args, ok=True, seconds=30):
        return run("virsh", "-q", "-c", self.uri, *args, ok=ok, seconds=seconds)

    def virsh_start(self, *args):
        return Background(["virsh", "-q", "-c", self.uri, *args])

    def missed(self):
        return os.path.join(self.dir, "lib-snaptree", "missed")

    def define(self, name, *args):
        """A domain that is off; args as tests/lab/domain takes them."""
        xml = run(os.path.join(SCRIPTS, "domain"), name, *args, env=self.lab.env())
        return self.define_xml(xml)

    def define_xml(self, xml):
        name = re.search("<name>(.*?)</name>", xml).group(1)
        path = self.lab.write(name + ".xml", xml)
        self.virsh("define", path)
        return path


class Guest:
    """A lab guest with its disks; cmdline e.g. "snaptree.writer=each"."""

    def __init__(self, hv, name, n_disks=2, cmdline="", args=(), size="128M"):
        self.hv, self.lab, self.name = hv, hv.lab, name
        self.files = []
        options = []
        for i in range(n_disks):
            path = os.path.join(self.lab.disks, "%s-%s.qcow2" % (name, "abcdef"[i]))
            self.lab.blank(path, size)
            self.files.append(path)
            options += ["--disk", path]
        hv.define(name, *options, "--cmdline", "snaptree.fshook " + cmdline, *args)

    def boot(self, agent=True):
        self.hv.virsh("start", self.name)
        vm.ready(self.hv.dir, self.name)
        if agent:
            vm.wait(self.hv.dir, self.name)
        return self

    def state(self):
        return self.hv.virsh("domstate", self.name).strip()

    def is_off(self):
        return self.state() == "shut off"

    def shutdown(self, seconds=30):
        vm.stop(self.hv.dir, self.name, str(seconds))

    def destroy(self):
        self.hv.virsh("destroy", self.name, ok=False)

    def ctl(self, command, seconds=20):
        """(status, output), without the guest agent"""
        return vm.ctl(self.hv.dir, self.name, command, seconds=seconds)

    def sh(self, command, seconds=20):
        status, out = self.ctl(command, seconds)
        check(status == 0, "in the guest: %s: %s", command, out)
        return out.strip()

    def has(self, path):
        return self.ctl("[ -e %s ]" % path)[0] == 0

    def write(self, text, *paths):
        """Make files, fsynced."""
        self.sh("; ".join("echo %s >%s && sync %s" % (text, p, p) for p in paths))

    def frozen(self):
        """As the guest agent says; None when it does not answer."""
        try:
            return vm.agent(self.hv.dir, self.name, "guest-fsfreeze-status", timeout=2) == "frozen"
        except vm.Error:
            return None

    def await_frozen(self, seconds=10):
        until(seconds, "%s is frozen" % self.name, lambda: self.frozen() is True)

    def thaws(self):
        """Writes go through: a file on each disk within a second or so."""
        return self.ctl("for d in /mnt/vd*; do echo x >$d/.thawed && sync $d/.thawed || exit 1; done",
                        seconds=3)[0] == 0

    def writers(self):
        return vm.writers(self.hv.dir, self.name)

    def numbers(self):
        """The last record of each writer that was fsynced."""
        return {k: w["n"] for k, w in self.writers().items()}

    def clock(self):
        """Seconds of the guest's clock, and how long it took to ask."""
        start = time.monotonic()
        up = float(self.sh("cat /proc/uptime").split()[0])
        return up, time.monotonic() - start

    def hook(self, script):
        """What qemu-ga runs with freeze and thaw."""
        check('"' not in script and "\n" not in script, "one line without double quotes")
        self.sh("printf '#!/bin/sh\\n%%s\\n' \"%s\" >/run/h && chmod 755 /run/h && mv /run/h /run/fsfreeze-hook"
                % script.replace("$", "\\$"))

    def hook_holds(self):
        """The next freeze does not begin before release()."""
        self.sh("rm -f /run/in-hook; : >/run/hold")
        self.hook("[ $1 = freeze ] || exit 0; : >/run/in-hook; while [ -e /run/hold ]; do usleep 10000; done")

    def await_in_hook(self, seconds=20):
        until(seconds, "the guest agent is in its hook", lambda: self.has("/run/in-hook"))

    def release(self):
        self.sh("rm -f /run/hold")

    def source(self, target="vda", inactive=False):
        xml = self.hv.virsh("dumpxml", self.name, *(["--inactive"] if inactive else []))
        for disk in re.findall("<disk .*?</disk>", xml, re.S):
            if "<target dev='%s'" % target in disk:
                return re.search("<source file='([^']*)'", disk).group(1)
        raise Failure("%s has no disk %s" % (self.name, target))

    def tidy(self):
        """As after the boot, if it can be; False when it must be booted again."""
        try:
            if self.state() != "running":
                return False
            self.ctl("rm -f /run/hold /run/in-hook /run/fsfreeze-hook /run/noga; killall -CONT qemu-ga", seconds=3)
            vm.wait(self.hv.dir, self.name, "5")
            return self.frozen() is False and self.thaws()
        except (vm.Error, Failure):
            return False


# --- what a snapshot holds --------------------------------------------------


def readdisk(lab, action, disk, *args):
    """Background; disk: of a record, with "object" and "name"."""
    return Background([os.path.join(SCRIPTS, "readdisk"), action, "-f", "qcow2",
                       *(["-l", disk["name"]] if disk["name"] else []), disk["object"], *args],
                      {**lab.env(), "TMPDIR": lab.tmp})


def disks(record):
    return {d["target"]: d for d in record["disks"]}


def fsck(lab, record):
    """{target: word of readdisk fsck}"""
    jobs = {t: readdisk(lab, "fsck", d) for t, d in disks(record).items()}
    done = {t: j.finish() for t, j in jobs.items()}
    for target, (status, _, err) in done.items():
        check(status != 3, "cannot look into %s: %s", target, err)
    return {t: d[1].strip() for t, d in done.items()}


def log_of(lab, record, target, path):
    """{first, last, count, bad} of a writer's log in a snapshot."""
    status, out, err = readdisk(lab, "log", disks(record)[target], path).finish()
    check(status in (0, 1) and out, "cannot read %s of %s: %s", path, target, err)
    return {k: int(v) for k, v in (w.split("=") for w in out.split()[1:])}


def file_in(lab, record, target, path):
    """Its text, or None when there is no such file."""
    status, out, err = readdisk(lab, "cat", disks(record)[target], path).finish()
    if status == 0:
        return out.strip()
    check("no such file" in err, "cannot look for %s: %s", path, err)
    return None


def image_info(path):
    """qemu-img info without what changes by itself."""
    info = json.loads(run("qemu-img", "info", "-U", "--output=json", "-f", "qcow2", path))
    info.pop("actual-size", None)
    for snap in info.get("snapshots", []):
        snap.pop("icount", None)
    return info


def internal_names(path):
    return sorted(s["name"] for s in image_info(path).get("snapshots", []))


def same_trees(agent, collector, name, seconds=10):
    """Wait until the collector has what the agent has, and return the tree."""
    def strip(tree):
        return {"head": tree["head"], "snapshots": tree["snapshots"]}

    mine = strip(agent.tree(name))
    last = {}

    def look():
        status, out, _ = collector.cli("tree", name, "--json")
        if status:
            return False
        last.update(json.loads(out)["trees"][0])
        last["snapshots"].sort(key=lambda s: s["id"])
        return strip(last) == mine
    try:
        until(seconds, "the collector's tree of %s equals the agent's" % name, look)
    except Failure:
        say("agent: %s", json.dumps(mine))
        say("collector: %s", json.dumps(strip(last) if last else None))
        raise
    return agent.tree(name)


class Lab:
    """Everything; close() ends and removes it."""

    def __init__(self, build, plain=None):
        self.build, self.plain = build, plain
        self.dir = tempfile.mkdtemp(prefix="snaptree-guest.", dir="/var/tmp")
        os.chmod(self.dir, 0o755)
        self.logs, self.tmp, self.disks = (os.path.join(self.dir, d) for d in ("logs", "tmp", "disks"))
        for d in (self.logs, self.tmp, self.disks):
            os.mkdir(d)
        self.processes, self.hypervisors, self.reported, self.owner = [], [], {}, os.getpid()
        self.std = {}
        self._library = None
        atexit.register(self.close)
        run(os.path.join(SCRIPTS, "guest-image"), env=self.env(), seconds=120)

    def env(self):
        return {
            "PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8", "SNAPTREE_LAB": self.dir,
            "ASAN_OPTIONS": "detect_leaks=1:verify_asan_link_order=0:abort_on_error=0:handle_abort=1:exitcode=99",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=0",
            "LSAN_OPTIONS": "exitcode=99",
        }

    def program(self, name):
        return os.path.join(self.build, name)

    def port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def log_path(self, name):
        return os.path.join(self.logs, name + ".log")

    def blank(self, path, size):
        """An ext4 disk; made once for each size, then copied."""
        master = os.path.join(self.dir, "blank-%s.qcow2" % size)
        if not os.path.exists(master):
            run(os.path.join(SCRIPTS, "disk"), master, size, env=self.env())
        shutil.copyfile(master, path)

    def hold_library(self):
        if not self._library:
            self._library = os.path.join(self.dir, "hold.so")
            run("gcc", "-O1", "-Wall", "-shared", "-fPIC", "-o", self._library, os.path.join(HERE, "hold.c"))
        return self._library

    # --- what most tests use, made when first asked for and kept

    def collector(self):
        if "collector" not in self.std:
            self.std["collector"] = Collector(self)
        return self.std["collector"].up()

    def hv(self):
        if "hv" not in self.std:
            self.std["hv"] = Hypervisor(self, "h1")
        return self.std["hv"]

    def agent(self, **conf):
        """The agent of hv() with just these settings (see Agent.restart)."""
        self.collector()
        if "agent" not in self.std:
            self.std["agent"] = Agent(self.hv(), self.std["collector"])
        agent = self.std["agent"]
        wanted = {k.replace("__", ".").replace("_", "-"): v for k, v in conf.items()}
        if agent.process and agent.process.lives() and process_state(agent.process.pid) in "Tt":
            agent.process.signal(signal.SIGCONT)
        if wanted != agent.settings:
            agent.restart(**conf)
        agent.up()
        agent.await_up()
        return agent

    def guest(self, kind, cmdline="snaptree.writer=each,pair,dirty", agent=True, **kw):
        """A running guest with two disks and writers, thawed and with a live
        agent; one of its kind, and only one kind runs at a time."""
        for name, guest in list(self.std.items()):
            if name.startswith("guest-") and name != "guest-" + kind and not guest.is_off():
                guest.destroy()
        guest = self.std.get("guest-" + kind)
        if not guest:
            guest = self.std["guest-" + kind] = Guest(self.hv(), kind, cmdline=cmdline, **kw)
        elif guest.tidy():
            return guest
        else:
            guest.destroy()
        return guest.boot(agent)

    # --- the end

    def new_reports(self):
        """Lines of sanitizers in the logs that were not reported before."""
        found = []
        files = [os.path.join(self.logs, f) for f in os.listdir(self.logs)]
        files += [os.path.join(h.dir, "log", f) for h in self.hypervisors for f in ("libvirtd.log", "start.log")]
        for path in files:
            try:
                with open(path, errors="replace") as f:
                    text = f.read()
            except OSError:
                continue
            done = self.reported.get(path, 0)
            m = REPORT.search(text, done)
            if m:
                found.append((path, text[m.start():m.start() + 3000]))
            self.reported[path] = len(text)
        return found

    def show_logs(self):
        """For the diagnostics of a failed test."""
        for path in sorted(os.listdir(self.logs)):
            say("--- end of %s", path)
            sys.stderr.writelines("#   " + line for line in tail(os.path.join(self.logs, path), 20))
        agent = self.std.get("agent")
        if agent and agent.process and agent.process.lives():
            with contextlib.suppress(Failure):
                status, out, err = agent.cli("events", "-o", "seq,time,event,vm,state,code,text", "--limit", "15",
                                             "--timeout", "3s", seconds=5)
                say("--- the agent's events%s", "" if status == 0 else ": " + err)
                sys.stderr.writelines("#   " + line + "\n" for line in out.splitlines())
        sys.stderr.flush()

    def stop_programs(self):
        """All agents and collectors, as in service; returns those that ended badly."""
        bad = []
        for p in reversed(self.processes):
            if p.lives():
                try:
                    status = p.stop(40)
                    if status:
                        bad.append("%s ended with %d" % (p.name, status))
                except Failure as e:
                    bad.append(str(e))
                    p.kill()
        return bad

    def guards(self):
        """Guard processes of our agents, also of those that have ended."""
        mark = ("SNAPTREE_LAB=%s" % self.dir).encode()
        found = []
        for p in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open("/proc/%s/comm" % p) as f, open("/proc/%s/environ" % p, "rb") as e:
                    if f.read().strip() == "snaptree-guard" and mark in e.read().split(b"\0"):
                        found.append(int(p))
        return found

    def close(self):
        if os.getpid() != self.owner or not os.path.isdir(self.dir):
            return
        for p in self.processes:
            if p.lives():
                p.popen.send_signal(signal.SIGCONT)
                p.popen.terminate()
        for p in self.processes:
            try:
                p.wait(10)
            except Failure:
                p.kill()
        for pid in self.guards():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for h in self.hypervisors:
            with contextlib.suppress(Failure):
                h.do("down")
        if os.environ.get("KEEP"):
            say("kept: %s", self.dir)
            return
        shutil.rmtree(self.dir, ignore_errors=True)
