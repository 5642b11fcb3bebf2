/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * drv_qcow2_int.c - qcow2 files, each snapshot inside its file
 *
 * No path moves, which is what Nova's domains need.  Running: one QEMU
 * transaction over all disks.  Off: qemu-img, disk by disk, under QEMU's own
 * lock.  The record is the same, so what to ask is told by what the domain is
 * now.  A crash leaves snapshots in some of the files: they are found by name.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/storage/driver.h"
#include "agent/storage/qcow2_common.h"
#include "agent/virt/dom.h"
#include "base/str.h"

extern const struct driver drv_qcow2_int;

static bool claims(const struct disk *disk, const struct domain *domain,
		   const char *previous, const struct storage_config *config)
{
	return qcow2_claims(QCOW2_NAME_INTERNAL, disk, domain, previous,
			    config);
}

/* Through QEMU, or through the file? */
static bool is_live(const struct leg *leg, const struct domain *now)
{
	return leg->dom && now->state != DOMAIN_OFF;
}

static int plan_disk(struct leg *leg, struct snapshot_disk *disk,
		     int64_t deadline_ms, struct err *err)
{
	const struct disk *is;
	struct qemuimg_info info;
	char id[ID_TEXT];
	int r = qcow2_check_disk(leg, disk, &is, err);

	if (r < 0)
		return r;
	if (is->encrypted && qcow2_is_off(leg))
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"disk '%s' is encrypted: it can be snapshotted only while the domain runs; start it, or leave the disk out with --disk",
			disk->target);
	str_copy(disk->object, sizeof(disk->object), disk->source);
	str_copy(disk->active, sizeof(disk->active), disk->source);
	snprintf(disk->name, sizeof(disk->name), "snaptree.%s",
		 id_format(&leg->snap->id, id));
	r = qcow2_check_file(leg, disk, false, &info, deadline_ms, err);
	if (r < 0)
		return r;
	if (info.has_data_file)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"disk '%s' keeps its data in another file, which an internal snapshot would not hold; leave it out with --disk",
			disk->target);
	if (info.has_snapshot)
		return err_set(err, ERR_EXISTS, 0,
			       "disk '%s' has a snapshot '%s' already",
			       disk->target, disk->name);
	disk->size_bytes = info.size_bytes;
	return 0;
}

static int plan(struct leg *leg, int64_t deadline_ms, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < leg->n_disks && r == 0; i++) {
		for (size_t k = 0; k < i; k++)
			if (strcmp(leg->disks[i]->source,
				   leg->disks[k]->source) == 0)
				return err_set(
					err, ERR_UNSUPPORTED, 0,
					"disks '%s' and '%s' have the same file; leave one out with --disk",
					leg->disks[k]->target,
					leg->disks[i]->target);
		r = plan_disk(leg, leg->disks[i], deadline_ms, err);
	}
	return r;
}

static int has_in_file(const struct snapshot_disk *disk, bool shared, bool *ret,
		       int64_t deadline_ms, struct err *err)
{
	struct qemuimg_info info;
	int r = qemuimg_info(disk->object, shared, disk->name, &info,
			     deadline_ms, err);

	if (r == 0)
		*ret = info.has_snapshot;
	return r;
}

static int has_snapshot(const struct leg *leg, const struct domain *now,
			struct snapshot_disk *disk, bool *ret,
			int64_t deadline_ms, struct err *err)
{
	int r;

	if (!is_live(leg, now))
		return has_in_file(disk, true, ret, deadline_ms, err);
	r = dom_find_nodes(leg->dom, now, &disk, 1, err);
	return r < 0 ? r : dom_has_internal(leg->dom, disk, ret, err);
}

static int prepare(struct leg *leg, int64_t deadline_ms, struct err *err)
{
	const bool off = qcow2_is_off(leg);
	bool has = false;
	int r = 0;

	for (size_t i = 0; i < leg->n_disks && r == 0; i++) {
		r = qcow2_check_unchanged(leg, leg->disks[i], off, err);
		if (r == 0)
			r = has_snapshot(leg, leg->domain, leg->disks[i], &has,
					 deadline_ms, err);
		if (r < 0)
			return err_wrap(err, r, "disk '%s'",
					leg->disks[i]->target);
		/* Off, an earlier cut() of ours is completed. */
		if (has && !off)
			return err_set(err, ERR_EXISTS, 0,
				       "disk '%s' has a snapshot '%s' already",
				       leg->disks[i]->target,
				       leg->disks[i]->name);
	}
	return r;
}

static int flush(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;

	if (fd < 0 || fsync(fd) < 0)
		r = err_set(err, ERR_STORAGE, 0, "cannot flush '%s'", path);
	if (fd >= 0)
		close(fd);
	return r;
}

static int cut_file(const struct snapshot_disk *disk, int64_t deadline_ms,
		    struct err *err)
{
	bool has = false;
	int r = has_in_file(disk, false, &has, deadline_ms, err);

	if (r == 0 && !has)
		r = qemuimg_snapshot_create(disk->object, disk->name,
					    deadline_ms, err);
	return r < 0 ? r : flush(disk->object, err);
}

static int cut(struct leg *leg, int64_t deadline_ms, struct err *err)
{
	const struct snapshot_disk *const *disks =
		(const struct snapshot_disk *const *)leg->disks;

	if (is_live(leg, leg->domain))
		return dom_cut_internal(leg->dom, disks, leg->n_disks, err);
	for (size_t i = 0; i < leg->n_disks; i++) {
		int r = cut_file(disks[i], deadline_ms, err);

		if (r < 0)
			return err_wrap(err, r, "disk '%s'", disks[i]->target);
	}
	return 0;
}

static int inspect(struct leg *leg, enum leg_presence *ret, int64_t deadline_ms,
		   struct err *err)
{
	struct domain now = { 0 };
	size_t n = 0;
	int r = qcow2_describe(leg, &now, err);

	for (size_t i = 0; i < leg->n_disks && r == 0; i++) {
		bool has = false;

		r = has_snapshot(leg, &now, leg->disks[i], &has, deadline_ms,
				 err);
		n += has;
	}
	domain_done(&now);
	if (r < 0)
		return r;
	*ret = n == 0             ? LEG_ABSENT
	       : n < leg->n_disks ? LEG_PARTIAL
				  : LEG_PRESENT;
	return 0;
}

static int remove_file(const struct snapshot_disk *disk, int64_t deadline_ms,
		       struct err *err)
{
	bool has = false;
	int r;

	if (access(disk->object, F_OK) < 0)
		return 0;
	r = has_in_file(disk, true, &has, deadline_ms, err);
	if (r < 0 || !has)
		return r;
	r = qemuimg_snapshot_delete(disk->object, disk->name, deadline_ms, err);
	return r < 0 ? r : flush(disk->object, err);
}

static int remove_disk(const struct leg *leg, const struct domain *now,
		       struct snapshot_disk *disk, int64_t deadline_ms,
		       struct err *err)
{
	const struct disk *is = domain_disk(now, disk->target);
	int r;

	/* Detached, or another file by now: then this one is not QEMU's. */
	if (!is_live(leg, now) || !is || strcmp(is->source, disk->object) != 0)
		return remove_file(disk, deadline_ms, err);
	r = dom_find_nodes(leg->dom, now, &disk, 1, err);
	return r < 0 ? r : dom_delete_internal(leg->dom, disk, err);
}

static int remove_leg(struct leg *leg, int64_t deadline_ms, struct err *err)
{
	struct domain now = { 0 };
	int first = 0;
	int r = qcow2_describe(leg, &now, err);

	if (r == 0)
		r = qcow2_check_migration(&now, err);
	for (size_t i = 0; i < leg->n_disks && r == 0; i++) {
		struct err why = { 0 };
		int q = remove_disk(leg, &now, leg->disks[i], deadline_ms,
				    &why);

		if (q < 0 && first == 0) {
			first = err_wrap(&why, q, "cannot undo disk '%s'",
					 leg->disks[i]->target);
			if (err)
				*err = why;
		}
	}
	domain_done(&now);
	return r < 0 ? r : first;
}

const struct driver drv_qcow2_int = {
	.name = QCOW2_NAME_INTERNAL,
	.claims = claims,
	.plan = plan,
	.prepare = prepare,
	.cut = cut,
	.inspect = inspect,
	.remove = remove_leg,
};
