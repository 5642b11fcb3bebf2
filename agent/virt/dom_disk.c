/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dom_disk.c - external cut and commit, through libvirt's own calls */
#include <stdlib.h>
#include <time.h>

#include "agent/virt/dom.h"
#include "agent/virt/virt_private.h"
#include "agent/virt/xml.h"
#include "base/clock.h"

#define POLL_MS 20

int dom_cut_external(struct virt_dom *dom, const struct domain *domain,
		     const struct snapshot_disk *const *disks, size_t n,
		     struct err *err)
{
	const unsigned flags = VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY |
			       VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC |
			       VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT |
			       VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA;
	virDomainSnapshotPtr made;
	char *xml;
	int r;

	r = xml_make_snapshot(domain, disks, n, &xml, err);
	if (r < 0)
		return r;
	made = virDomainSnapshotCreateXML(dom->handle, xml, flags);
	free(xml);
	if (!made)
		return virt_fail(err, "cannot cut the disks of '%s'",
				 domain->name);
	virDomainSnapshotFree(made);
	return 0;
}

static void nap(void)
{
	const struct timespec t = { .tv_nsec = POLL_MS * 1000000L };

	nanosleep(&t, NULL);
}

/* 1: an active commit of the disk runs already, from before a restart. */
static int find_job(virDomainPtr handle, const char *target, struct err *err)
{
	virDomainBlockJobInfo info;
	int n = virDomainGetBlockJobInfo(handle, target, &info, 0);

	if (n < 0)
		return virt_fail(err, "cannot ask for jobs of disk '%s'",
				 target);
	if (n > 0 && info.type != VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT)
		return err_set(err, ERR_BUSY, 0,
			       "another block job works on disk '%s'", target);
	return n;
}

/* Until the files below and above are the same but for what is in flight. */
static int wait_ready(virDomainPtr handle, const char *target,
		      int64_t deadline_ms, struct err *err)
{
	virDomainBlockJobInfo info;

	for (;;) {
		int n = virDomainGetBlockJobInfo(handle, target, &info, 0);

		if (n < 0)
			return virt_fail(err, "commit of disk '%s'", target);
		if (n == 0)
			return err_set(err, ERR_VIRT, 0,
				       "commit of disk '%s' failed in QEMU",
				       target);
		if (info.end > 0 && info.cur == info.end)
			return 0;
		if (clock_ms() >= deadline_ms)
			return err_set(
				err, ERR_TIMEOUT, 0,
				"commit of disk '%s' did not end in time",
				target);
		nap();
	}
}

int dom_commit_active(struct virt_dom *dom, const char *target,
		      int64_t deadline_ms, struct err *err)
{
	/* With DELETE libvirt itself unlinks the overlay after the pivot: were
	 * it left there by a crash of ours, nobody could tell whether what is
	 * in it has been merged. */
	const unsigned flags = VIR_DOMAIN_BLOCK_COMMIT_ACTIVE |
			       VIR_DOMAIN_BLOCK_COMMIT_SHALLOW |
			       VIR_DOMAIN_BLOCK_COMMIT_DELETE;
	int r = find_job(dom->handle, target, err);

	if (r < 0)
		return r;
	if (r == 0 &&
	    virDomainBlockCommit(dom->handle, target, NULL, NULL, 0, flags) < 0)
		return virt_fail(err, "cannot commit disk '%s'", target);

	r = wait_ready(dom->handle, target, deadline_ms, err);
	if (r < 0) {
		virDomainBlockJobAbort(dom->handle, target, 0);
		return r;
	}
	if (virDomainBlockJobAbort(dom->handle, target,
				   VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT) < 0) {
		r = virt_fail(err, "cannot pivot disk '%s'", target);
		virDomainBlockJobAbort(dom->handle, target, 0);
	}
	return r;
}
