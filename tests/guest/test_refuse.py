# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is refused: one clear line, an exit code, and nothing changed."""
import html
import os
import re
import subprocess

import lab as parts
from lab import check, equal
from registry import test


class Odd:
    """A domain that stays off: vda is a good qcow2, the rest is `more`."""

    def __init__(self, lab, name, more=(), edit=None):
        self.lab, self.name = lab, name
        self.dir = os.path.join(lab.disks, name)
        os.mkdir(self.dir)
        self.files = [os.path.join(self.dir, "good.qcow2")]
        lab.blank(self.files[0], "16M")
        args = []
        for option, file, *flags in more:
            args += [option, ",".join([os.path.join(self.dir, file), *flags])]
        xml = parts.run(os.path.join(parts.SCRIPTS, "domain"), name, "--disk", self.files[0], *args, env=lab.env())
        lab.hv().define_xml(edit(xml) if edit else xml)

    def path(self, name):
        return os.path.join(self.dir, name)

    def picture(self):
        """All that must be as before."""
        files = {}
        for f in sorted(os.listdir(self.dir)):
            st = os.lstat(self.path(f))
            files[f] = (st.st_ino, st.st_size, st.st_mtime_ns, st.st_mode, st.st_uid)
        xml = self.lab.hv().virsh("dumpxml", "--inactive", self.name)
        return {"files": files, "images": [parts.image_info(f) for f in self.files],
                "disks of the definition": re.findall("<disk .*?</disk>", xml, re.S)}

    def check_same(self, before):
        for what, now in self.picture().items():
            equal(now, before[what], "what must not change, the %s," % what)


def one_line(err, *words):
    check(err.count("\n") == 1 and err.endswith("\n"), "not one line: %r", err)
    check(not re.search(r"[\0-\t\v-\x1f\x7f]", err), "control characters in %r", err)
    for word in words:
        check(word in err, "%r is not in: %s", word, err)


def refuses(agent, odd, words, *args, codes=(1,)):
    before, tree = odd.picture(), agent.snapshots(odd.name)
    status, out, err = agent.cli("create", odd.name, *args)
    check(status in codes, "the exit status is %d, not %s: %s", status, codes, err)
    equal(out, "", "standard output")
    one_line(err, *words)
    odd.check_same(before)
    equal(agent.snapshots(odd.name), tree, "the tree")


def takes(agent, odd, targets, *args):
    record = agent.create(odd.name, *args)
    equal(sorted(parts.disks(record)), sorted(targets), "the disks of the snapshot")
    return record


def agent_of(lab, mode, **conf):
    return lab.agent(qcow2__mode=mode, **conf)


def touch(path, text="x" * 65536):
    with open(path, "w") as f:
        f.write(text)


@test("refused: a raw disk, whatever its content says it is; without it a snapshot is taken")
def raw(lab):
    agent = agent_of(lab, "external")
    odd = Odd(lab, "raw", [("--disk", "disk.raw", "format=raw")])
    lab.blank(odd.path("disk.raw"), "16M")  # what a guest can write into a raw disk
    refuses(agent, odd, ["'vdb'", "raw"])
    refuses(agent, odd, ["'vdb'", "raw"], "--disk", "vdb")
    takes(agent, odd, ["vda"], "--disk", "vda")


@test("refused: a disk without a format in its definition")
def no_format(lab):
    agent = agent_of(lab, "external")
    odd = Odd(lab, "noformat", [("--disk", "disk.qcow2")],
              lambda xml: re.sub(r"(.*)<driver name='qemu' type='qcow2'", r"\1<driver name='qemu'", xml, count=1,
                                 flags=re.S))
    lab.blank(odd.path("disk.qcow2"), "16M")
    refuses(agent, odd, ["'vdb'"])


@test("refused: a read-only disk when asked for; else it is left out")
def readonly(lab):
    agent = agent_of(lab, "external")
    odd = Odd(lab, "readonly", [("--disk", "disk.qcow2", "readonly")])
    lab.blank(odd.path("disk.qcow2"), "16M")
    refuses(agent, odd, ["'vdb'", "read-only"], "--disk", "vdb")
    refuses(agent, odd, ["'vdb'", "read-only"], "--disk", "vda", "--disk", "vdb")
    takes(agent, odd, ["vda"])


@test("refused: a shareable disk")
def shareable(lab):
    agent = agent_of(lab, "internal")
    odd = Odd(lab, "shareable", [("--disk", "disk.raw", "format=raw", "shareable")])
    touch(odd.path("disk.raw"))
    refuses(agent, odd, ["'vdb'", "shareable"])
    takes(agent, odd, ["vda"], "--disk", "vda")


@test("refused: a CD-ROM when asked for; else it is left out")
def cdrom(lab):
    agent = agent_of(lab, "internal")
    odd = Odd(lab, "cdrom", [("--cdrom", "disk.iso")])
    touch(odd.path("disk.iso"))
    refuses(agent, odd, ["'sda'", "removable"], "--disk", "sda")
    takes(agent, odd, ["vda"])


def encrypted(lab, name):
    odd = Odd(lab, name, [("--disk", "luks.qcow2")],
              lambda xml: re.sub(r"(.*)(<target dev='vdb')", r"\1<encryption format='luks'><secret type='passphrase' "
                                 r"uuid='00000000-0000-4000-8000-000000000001'/></encryption>\2", xml, flags=re.S))
    # on a loaded machine QEMU at times cannot measure how fast it is
    parts.until(30, "an encrypted image is made", lambda: not parts.run(
        "qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=abc", "-o",
        "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", odd.path("luks.qcow2"), "16M", ok=False)[0])
    odd.files.append(odd.path("luks.qcow2"))
    return odd


@test("refused: LUKS in external mode, and in internal mode when the domain is off")
def luks(lab):
    odd = encrypted(lab, "luks")
    refuses(agent_of(lab, "external"), odd, ["'vdb'", "encrypted"])
    agent = agent_of(lab, "internal")
    refuses(agent, odd, ["'vdb'", "encrypted", "runs"])
    takes(agent, odd, ["vda"], "--disk", "vda")


@test("refused: a missing file, and one that is not what it is defined as")
def missing(lab):
    for mode in ("external", "internal"):
        agent = agent_of(lab, mode)
        odd = Odd(lab, "missing-" + mode, [("--disk", "none.qcow2")])
        refuses(agent, odd, ["'vdb'", "none.qcow2"], codes=(3,))
        touch(odd.path("none.qcow2"), "no image\n" * 100)
        refuses(agent, odd, ["'vdb'", "qcow2"])


@test("refused: a symbolic link when the domain is off, in external mode")
def symlink(lab):
    agent = agent_of(lab, "external")
    odd = Odd(lab, "symlink", [("--disk", "real.qcow2")],
              lambda xml: xml.replace("/real.qcow2", "/link.qcow2"))
    lab.blank(odd.path("real.qcow2"), "16M")
    os.symlink("real.qcow2", odd.path("link.qcow2"))
    odd.files.append(odd.path("real.qcow2"))
    refuses(agent, odd, ["'vdb'", "symbolic link"])


@test("refused: two disks on one file")
def same_file(lab):
    odd = Odd(lab, "same", [("--disk", "good.qcow2")])
    for mode in ("external", "internal"):
        refuses(agent_of(lab, mode), odd, ["'vda'", "'vdb'", "same file"])


@test("refused: a path that QEMU would read as a protocol or JSON; a strange but real one is good")
def paths(lab):
    for i, source in enumerate(("nbd:127.0.0.1:9", "json:{&quot;driver&quot;:&quot;null-co&quot;}",
                                "relative.qcow2")):
        odd = Odd(lab, "path%d" % i, [("--disk", "disk.qcow2")],
                  lambda xml, s=source: re.sub("<source file='[^']*/disk.qcow2'/>", "<source file='%s'/>" % s, xml))
        refuses(agent_of(lab, "external"), odd, ["'vdb'", "absolute"])
    for mode in ("external", "internal"):
        strange = "it's, a \"file\":json:{}%s.qcow2"
        odd = Odd(lab, "strange-" + mode, edit=lambda xml: xml.replace(
            "/good.qcow2", "/" + html.escape(strange)))
        os.rename(odd.files[0], odd.path(strange))
        odd.files = [odd.path(strange)]
        agent = agent_of(lab, mode)
        made = [takes(agent, odd, ["vda"]) for _ in range(2)]
        equal(parts.fsck(lab, made[0]), {"vda": "clean"}, "the file system")
        equal(made[1]["parent"], made[0]["id"], "the parent")


@test("refused: a file that another process has open")
def in_use(lab):
    for mode in ("external", "internal"):
        agent = agent_of(lab, mode)
        odd = Odd(lab, "inuse-" + mode)
        holder = subprocess.Popen(["qemu-io", "-f", "qcow2", odd.files[0]], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            holder.stdin.write(b"length\n")
            holder.stdin.flush()
            answer = holder.stdout.readline()
            check(b"16 MiB" in answer, "qemu-io has not opened the file: %s", answer)
            refuses(agent, odd, ["'vda'", "process"], codes=(5,))
        finally:
            holder.communicate(b"quit\n")
        takes(agent, odd, ["vda"])


@test("refused: less space than min-free")
def no_space(lab):
    odd = Odd(lab, "space")
    for mode in ("external", "internal"):
        refuses(agent_of(lab, mode, qcow2__min_free="900TiB"), odd, ["'vda'", "no space", "min-free"])


@test("refused: an unknown disk, an unknown VM, an ambiguous prefix")
def unknown(lab):
    agent = agent_of(lab, "internal")
    odd = Odd(lab, "unknown")
    refuses(agent, odd, ["'vdz'", "unknown"], "--disk", "vdz", codes=(2,))
    refuses(agent, odd, ["'vdz'"], "--disk", "vda", "--disk", "vdz", codes=(2,))
    refuses(agent, odd, ["vda,vdb"], "--disk", "vda,vdb", codes=(2,))
    status, out, err = agent.cli("create", "no-such-vm")
    equal((status, out), (3, ""), "(exit status, output)")
    one_line(err, "'no-such-vm'")
    uuids = ["abcdef01-0000-4000-8000-00000000000%d" % i for i in (1, 2)]
    for i, uuid in enumerate(uuids):
        lab.hv().define("prefix%d" % i, "--uuid", uuid)
    parts.until(5, "the agent knows them", lambda: "prefix1" in agent.cli("tree")[1])
    status, out, err = agent.cli("create", "abcdef01")
    equal((status, out), (2, ""), "(exit status, output)")
    one_line(err, "abcdef01", "prefix0", "prefix1")


@test("refused: bad labels, tags, descriptions, names; nothing that is printed has control characters")
def bad_words(lab):
    agent = agent_of(lab, "internal")
    odd = Odd(lab, "words")
    for args, word in (
            (["--label", "a/b"], "'a/b'"), (["--label", "a@b"], "'a@b'"), (["--label", ""], "label"),
            (["--label", " a"], "label"), (["--label", "head"], "'head'"), (["--label", "x" * 500], "label"),
            (["--label", "a\x1b[31mb"], "label"), (["--label", "a\nb"], "label"), (["--label", b"\xff"], "label"),
            (["--tag", "a b"], "tag"), (["--tag", ""], "tag"), (["--tag", "a\x07"], "tag"),
            (["--tag", "x" * 2000], "tag"),
            (["--description", "x" * 5000], "description"), (["--description", "a\x1bb"], "description"),
            (["--freeze", "perhaps"], "perhaps"), (["--max-frozen", "2h"], "60 s"), (["--max-frozen", "2"], "2"),
            (["--disk", "../x"], "disk"), (["--disk", "a\x1bb"], "disk")):
        try:
            refuses(agent, odd, [word], *args, codes=(2,))
        except parts.Failure as e:
            raise parts.Failure("%r: %s" % (args, e)) from None
    for vm in ("a\x1b[31mb", "a\nb", "", "x" * 3000, b"\xff\xfe"):
        status, out, err = agent.cli("create", vm)
        check(status in (2, 3) and out == "", "%r: status %d, output %r", vm, status, out)
        one_line(err, "VM")


@test("refused at a gate: a definition that spells out the backing chain; a create on request makes it good")
def spelled(lab):
    agent = agent_of(lab, "external", hook__before_start="yes", hook__gate_failure="block")
    odd = Odd(lab, "spelled", edit=lambda xml: xml.replace(
        "good.qcow2'/>", "top.qcow2'/><backingStore type='file'><format type='qcow2'/><source file='%s'/>"
        "<backingStore/></backingStore>" % os.path.join(lab.disks, "spelled", "good.qcow2")))
    parts.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", odd.files[0], odd.path("top.qcow2"))
    odd.files.append(odd.path("top.qcow2"))
    before, seq = odd.picture(), agent.last_seq()
    status, _, err = lab.hv().virsh("start", "--paused", odd.name, ok=False)
    check(status != 0 and "'vda'" in err and "backing chain" in err, "the start: %d, %s", status, err)
    failed = agent.event(5, "failed", odd.name, seq)
    check("backing chain" in failed["text"], "the event: %s", failed["text"])
    odd.check_same(before)
    first = takes(agent, odd, ["vda"])
    lab.hv().virsh("start", "--paused", odd.name)
    lab.hv().virsh("destroy", odd.name)
    taken = agent.event(5, "taken", odd.name, failed["seq"])
    snaps = agent.snapshots(odd.name)
    equal([(s["origin"], s["parent"]) for s in snaps], [("manual", None), ("hook", first["id"])], "the tree")
    equal(snaps[1]["id"], taken["snapshot"], "what the gate made")
