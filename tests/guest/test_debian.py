# SPDX-License-Identifier: LGPL-2.1-or-later
"""Under Debian's default libvirt, where QEMU is not root."""
import os

import lab as parts
from lab import check, equal
from registry import test

CONF = 'user="libvirt-qemu"\ngroup="libvirt-qemu"\ndynamic_ownership=1\nremember_owner=1'


def rights(path):
    st = os.stat(path)
    return st.st_uid, st.st_gid, st.st_mode


def qemu_uid(guest):
    with open("%s/run/qemu/%s.pid" % (guest.hv.dir, guest.name)) as f:
        return os.stat("/proc/%s" % f.read().strip()).st_uid


@test("QEMU as libvirt-qemu with dynamic ownership: the guest goes on, and starts again")
def not_root(lab):
    hv = parts.Hypervisor(lab, "h3", env={"HV_QEMU_CONF": CONF})
    agent = parts.Agent(hv, lab.collector())
    for mode, times in (("external", 2), ("internal", 1)):
        agent.restart(qcow2__mode=mode)
        guest = parts.Guest(hv, "debian-" + mode, cmdline="snaptree.writer=each").boot()
        uid = qemu_uid(guest)
        check(uid != 0, "QEMU runs as root: this shows nothing")
        for n in range(times):
            old = [guest.source(d) for d in ("vda", "vdb")]
            before = [rights(f) for f in old]
            record = agent.create(guest.name, "--freeze", "require")
            equal(record["consistency"], "frozen", "the consistency")
            now = [guest.source(d) for d in ("vda", "vdb")]
            check((now != old) == (mode == "external"), "the disks are at %s", now)
            equal([rights(f) for f in now], before, "owner, group, mode of what the guest writes to")
            equal({r[0] for r in before}, {uid}, "the owner of what the guest writes to")
            check(guest.thaws(), "the guest does not write after the snapshot")
            guest.write("x", "/mnt/vda/n%d" % n, "/mnt/vdb/n%d" % n)
        guest.destroy()
        off = agent.create(guest.name)
        equal(off["consistency"], "offline", "the consistency")
        for n in range(times):
            guest.boot()
            check(guest.thaws(), "the guest does not write after start %d", n)
            equal(guest.sh("cat /mnt/vda/n0 /mnt/vdb/n0"), "x\nx", "what it wrote before")
            equal(qemu_uid(guest), uid, "QEMU's user")
            guest.destroy()
        equal(parts.file_in(lab, off, "vdb", "/n%d" % (times - 1)), "x", "what the off-line snapshot has")
        parts.same_trees(agent, lab.collector(), guest.name)
    agent.down()
