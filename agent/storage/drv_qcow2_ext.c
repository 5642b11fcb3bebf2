/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * drv_qcow2_ext.c - qcow2 files, each snapshot a frozen file below an overlay
 *
 * Running: the guest's file stays where it is and is frozen (`object`); QEMU
 * goes on in an overlay made beforehand (`active`), all disks in one
 * transaction, and libvirt changes the definition.
 *
 * Off: the definition must stay true, and perhaps nobody can be asked to change
 * it, so the path stays the guest's.  prepare() makes an overlay under the name
 * that the frozen file will have, with that same name as its backing file;
 * cut() exchanges the two names in one step.  Such a record has active ==
 * source.
 *
 * What a crash can leave: overlays that nobody uses yet; some disks exchanged
 * and some not; a cut whose definition still spells out the chain.  The header
 * of the file that is at the source path, or the domain itself, says which.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/storage/drv_qcow2_ext.h"
#include "agent/storage/overlay.h"
#include "agent/storage/qcow2_common.h"
#include "agent/virt/dom.h"
#include "base/str.h"

static bool claims(const struct disk *disk, const struct domain *domain,
		   const char *previous, const struct storage_config *config)
{
	return qcow2_claims(QCOW2_NAME_EXTERNAL, disk, domain, previous,
			    config);
}

bool ext_is_offline(const struct snapshot_disk *disk)
{
	return strcmp(disk->active, disk->source) == 0;
}

bool ext_leg_is_offline(const struct leg *leg)
{
	return leg->n_disks > 0 && ext_is_offline(leg->disks[0]);
}

int ext_is_exchanged(const struct snapshot_disk *disk, bool *ret,
		     int64_t deadline_ms, struct err *err)
{
	struct qemuimg_info info;
	int r = qemuimg_info(disk->source, true, NULL, &info, deadline_ms, err);

	if (r == 0)
		*ret = strcmp(info.backing, disk->object) == 0;
	return r;
}

static int check_external(const struct leg *leg, const struct disk *disk,
			  struct err *err)
{
	if (disk->encrypted)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"disk '%s' is encrypted, and an overlay over it would not be; leave it out with --disk",
			disk->target);
	if (leg->domain->is_nova)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"disk '%s' belongs to Nova, which would forget an overlay at the next start; set qcow2 mode to internal",
			disk->target);
	if (qcow2_is_off(leg) && !leg->dom && disk->chain_spelled)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"disk '%s': its definition spells out the backing chain (<backingStore>), which cannot be changed at this moment; snapshot it once with 'snaptree create'",
			disk->target);
	return 0;
}

static int plan_names(const struct leg *leg, struct snapshot_disk *disk,
		      struct err *err)
{
	char name[DISK_SOURCE];
	const bool off = qcow2_is_off(leg);
	int r = overlay_name(disk->source, &leg->snap->id, name, err);

	if (r < 0)
		return err_wrap(err, r, "disk '%s'", disk->target);
	if (overlay_exists(name))
		return err_set(err, ERR_EXISTS, 0,
			       "disk '%s': '%s' exists already; move it away",
			       disk->target, name);
	str_copy(disk->object, sizeof(disk->object), off ? name : disk->source);
	str_copy(disk->active, sizeof(disk->active), off ? disk->source : name);
	disk->name[0] = '\0';
	return 0;
}

/* "a" and "a.qcow2" in one folder would get the same name. */
static int check_distinct(const struct leg *leg, size_t i, struct err *err)
{
	const struct snapshot_disk *disk = leg->disks[i];

	for (size_t k = 0; k < i; k++)
		if (strcmp(leg->disks[k]->object, disk->object) == 0 ||
		    strcmp(leg->disks[k]->active, disk->active) == 0)
			return err_set(
				err, ERR_UNSUPPORTED, 0,
				"disks '%s' and '%s' have the same file, or names that differ only in their ending; rename one",
				leg->disks[k]->target, disk->target);
	return 0;
}

static int plan_disk(struct leg *leg, size_t i, int64_t deadline_ms,
		     struct err *err)
{
	struct snapshot_disk *disk = leg->disks[i];
	const struct disk *is;
	struct qemuimg_info info;
	int r;

	r = qcow2_check_disk(leg, disk, &is, err);
	if (r == 0)
		r = check_external(leg, is, err);
	if (r == 0)
		r = plan_names(leg, disk, err);
	if (r == 0)
		r = check_distinct(leg, i, err);
	if (r == 0)
		r = qcow2_check_file(leg, disk, qcow2_is_off(leg), &info,
				     deadline_ms, err);
	if (r == 0)
		disk->size_bytes = info.size_bytes;
	return r;
}

static int plan(struct leg *leg, int64_t deadline_ms, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < leg->n_disks && r == 0; i++)
		r = plan_disk(leg, i, deadline_ms, err);
	return r;
}

/* Take the chains out of the definition; they are found by the headers then. */
static int strip_chains(const struct leg *leg,
			struct snapshot_disk *const *disks, size_t n,
			int64_t deadline_ms, struct err *err)
{
	const char **targets = calloc(n, sizeof(*targets));
	int r = 0;

	if (!targets)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	for (size_t i = 0; i < n && r == 0; i++) {
		targets[i] = disks[i]->target;
		r = qcow2_check_chain(disks[i]->active, deadline_ms, err);
	}
	if (r == 0)
		r = dom_edit_definition(leg->dom, targets, NULL, n, err);
	free(targets);
	return r < 0 ? err_wrap(err, r, "backing chain in the definition") : 0;
}

static int prepare_offline(const struct leg *leg, struct snapshot_disk *disk,
			   int64_t deadline_ms, struct err *err)
{
	const struct disk *is = domain_disk(leg->domain, disk->target);
	bool done = false;
	int r = ext_is_exchanged(disk, &done, deadline_ms, err);

	if (r < 0 || done)
		return r;
	if (is->chain_spelled && leg->dom)
		r = strip_chains(leg, &disk, 1, deadline_ms, err);
	else if (is->chain_spelled)
		r = check_external(leg, is, err);
	if (r == 0)
		r = overlay_make(disk->object, disk->object, disk->source,
				 disk->size_bytes, deadline_ms, err);
	return r;
}

static int prepare(struct leg *leg, int64_t deadline_ms, struct err *err)
{
	for (size_t i = 0; i < leg->n_disks; i++) {
		struct snapshot_disk *disk = leg->disks[i];
		int r = qcow2_check_unchanged(leg, disk, ext_is_offline(disk),
					      err);

		if (r == 0 && ext_is_offline(disk))
			r = prepare_offline(leg, disk, deadline_ms, err);
		else if (r == 0)
			r = overlay_make(disk->active, disk->object,
					 disk->source, disk->size_bytes,
					 deadline_ms, err);
		if (r < 0)
			return err_wrap(err, r, "disk '%s'", disk->target);
	}
	return 0;
}

static int cut_offline(const struct snapshot_disk *disk, int64_t deadline_ms,
		       struct err *err)
{
	struct qemuimg_info info;
	bool done = false;
	int r = ext_is_exchanged(disk, &done, deadline_ms, err);

	if (r < 0 || done)
		return r;
	r = qemuimg_info(disk->object, false, NULL, &info, deadline_ms, err);
	if (r < 0)
		return r;
	/* Nothing but our own prepared overlay may come to the guest's path. */
	if (strcmp(info.backing, disk->object) != 0)
		return err_set(err, ERR_EXISTS, 0,
			       "'%s' is not the overlay that was prepared",
			       disk->object);
	return overlay_exchange(disk->source, disk->object, err);
}

static int cut(struct leg *leg, int64_t deadline_ms, struct err *err)
{
	const struct snapshot_disk *const *disks =
		(const struct snapshot_disk *const *)leg->disks;

	if (!ext_leg_is_offline(leg)) {
		if (!leg->dom)
			return err_set(
				err, ERR_BUSY, 0,
				"libvirt cannot be asked to cut '%s' now",
				leg->domain->name);
		return dom_cut_external(leg->dom, leg->domain, disks,
					leg->n_disks, err);
	}
	for (size_t i = 0; i < leg->n_disks; i++) {
		int r = cut_offline(disks[i], deadline_ms, err);

		if (r < 0)
			return err_wrap(err, r, "disk '%s'", disks[i]->target);
	}
	return 0;
}

/* libvirt writes the new chain into the definition.  Were it left there, no
 * file of it could be renamed: QEMU would be given the old names. */
static int settle(struct leg *leg, int64_t deadline_ms, struct err *err)
{
	if (ext_leg_is_offline(leg) || !leg->dom)
		return 0;
	return strip_chains(leg, leg->disks, leg->n_disks, deadline_ms, err);
}

/* Present: the frozen file is below what the guest has now. */
static int find_below(const struct snapshot_disk *disk, const char *source,
		      bool *ret, int64_t deadline_ms, struct err *err)
{
	struct qemuimg_info info;
	char at[DISK_SOURCE];

	*ret = false;
	str_copy(at, sizeof(at), source);
	if (!overlay_exists(disk->object) || strcmp(at, disk->object) == 0)
		return 0;
	for (int i = 0; i < QCOW2_CHAIN_MAX; i++) {
		int r = qemuimg_info(at, true, NULL, &info, deadline_ms, err);

		if (r < 0)
			return r;
		*ret = strcmp(info.backing, disk->object) == 0;
		if (*ret || strcmp(info.backing_format, "qcow2") != 0)
			return 0;
		str_copy(at, sizeof(at), info.backing);
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
		const struct snapshot_disk *disk = leg->disks[i];
		const struct disk *is = domain_disk(&now, disk->target);
		bool present = false;

		if (is && is->source[0])
			r = find_below(disk, is->source, &present, deadline_ms,
				       err);
		n += present;
	}
	domain_done(&now);
	if (r < 0)
		return r;
	*ret = n == 0             ? LEG_ABSENT
	       : n < leg->n_disks ? LEG_PARTIAL
				  : LEG_PRESENT;
	return 0;
}

/* All disks, whatever becomes of one; the first error is told. */
static int remove_leg(struct leg *leg, int64_t deadline_ms, struct err *err)
{
	struct domain now = { 0 };
	int first = 0;
	int r = qcow2_describe(leg, &now, err);

	if (r == 0)
		r = qcow2_check_migration(&now, err);
	for (size_t i = 0; i < leg->n_disks && r == 0; i++) {
		struct err why = { 0 };
		int q = ext_remove_disk(leg, &now, leg->disks[i], deadline_ms,
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

const struct driver drv_qcow2_ext = {
	.name = QCOW2_NAME_EXTERNAL,
	.claims = claims,
	.plan = plan,
	.prepare = prepare,
	.cut = cut,
	.settle = settle,
	.inspect = inspect,
	.remove = remove_leg,
};
