/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * drv_qcow2_ext_undo.c - undo an external cut without losing a guest's write
 *
 * What the guest wrote to the overlay is merged into the file below before the
 * overlay goes; an overlay is unlinked only when nothing names it, no process
 * has it open, and it was just merged or holds no data of its own.
 */
#include <string.h>

#include "agent/storage/drv_qcow2_ext.h"
#include "agent/storage/overlay.h"
#include "agent/storage/qcow2_common.h"
#include "agent/virt/dom.h"

static int check_empty(const char *path, int64_t deadline_ms, struct err *err)
{
	bool has_data = false;
	int r = qemuimg_has_data(path, &has_data, deadline_ms, err);

	if (r == 0 && has_data)
		return err_set(
			err, ERR_BUSY, 0,
			"the guest has written to '%s' since the cut, which would be lost; the file is kept",
			path);
	return r;
}

/* Back to one file; its overlay is then at the frozen name. */
static int exchange_back(const struct snapshot_disk *disk, int64_t deadline_ms,
			 struct err *err)
{
	int r = qcow2_check_unlocked(disk->source, err);

	if (r == 0)
		r = check_empty(disk->source, deadline_ms, err);
	if (r == 0)
		r = overlay_exchange(disk->source, disk->object, err);
	return r;
}

/* Only the prepared overlay, which names itself as its backing file. */
static int drop_prepared(const struct leg *leg,
			 const struct snapshot_disk *disk, int64_t deadline_ms,
			 struct err *err)
{
	struct qemuimg_info info;
	int r;

	if (overlay_exists(disk->object)) {
		r = qemuimg_info(disk->object, false, NULL, &info, deadline_ms,
				 err);
		if (r < 0)
			return r;
		if (strcmp(info.backing, disk->object) != 0)
			return err_set(
				err, ERR_BUSY, 0,
				"'%s' holds the guest's data and is not below '%s'; it is kept",
				disk->object, disk->source);
	}
	return overlay_unlink(disk->object, &leg->snap->id, err);
}

static int remove_offline(const struct leg *leg,
			  const struct snapshot_disk *disk, int64_t deadline_ms,
			  struct err *err)
{
	bool exchanged = false;
	int r = 0;

	if (overlay_exists(disk->source))
		r = ext_is_exchanged(disk, &exchanged, deadline_ms, err);
	if (r == 0 && exchanged)
		r = exchange_back(disk, deadline_ms, err);
	if (r == 0)
		r = drop_prepared(leg, disk, deadline_ms, err);
	return r;
}

/* Of a domain that is off. */
static int commit_file(const struct snapshot_disk *disk, int64_t deadline_ms,
		       struct err *err)
{
	struct qemuimg_info info;
	int r = qemuimg_info(disk->active, false, NULL, &info, deadline_ms,
			     err);

	if (r == 0 && strcmp(info.backing, disk->object) != 0)
		return err_set(err, ERR_BUSY, 0,
			       "'%s' stands on another file than '%s'",
			       disk->active, disk->object);
	return r < 0 ? r : qemuimg_commit(disk->active, deadline_ms, err);
}

/* What the guest wrote since the cut goes into the file below. */
static int merge(const struct leg *leg, const struct domain *now,
		 const struct snapshot_disk *disk, int64_t deadline_ms,
		 struct err *err)
{
	if (!leg->dom)
		return err_set(err, ERR_BUSY, 0,
			       "'%s' is in use and libvirt cannot be asked now",
			       disk->active);
	if (now->state != DOMAIN_OFF)
		return dom_commit_active(leg->dom, disk->target, deadline_ms,
					 err);
	return commit_file(disk, deadline_ms, err);
}

/* The definition goes back to the file below, where it names the overlay. */
static int restore_definition(const struct leg *leg,
			      const struct snapshot_disk *disk,
			      int64_t deadline_ms, struct err *err)
{
	const char *target = disk->target, *source = NULL;
	bool live = false, defined = false;
	int r = dom_names_file(leg->dom, disk->active, &live, &defined, err);

	if (r < 0)
		return r;
	if (live)
		return err_set(
			err, ERR_BUSY, 0,
			"'%s' is still in the chain of the running domain",
			disk->active);
	if (!defined && qcow2_check_chain(disk->object, deadline_ms, NULL) < 0)
		return 0;
	if (defined)
		source = disk->object;
	r = dom_edit_definition(leg->dom, &target, &source, 1, err);
	if (r == 0)
		r = dom_names_file(leg->dom, disk->active, &live, &defined,
				   err);
	if (r == 0 && (live || defined))
		return err_set(err, ERR_BUSY, 0,
			       "the definition still names '%s'", disk->active);
	return r;
}

static int remove_online(const struct leg *leg, const struct domain *now,
			 const struct snapshot_disk *disk, int64_t deadline_ms,
			 struct err *err)
{
	const struct disk *is = domain_disk(now, disk->target);
	bool merged = is && strcmp(is->source, disk->active) == 0;
	int r = 0;

	if (merged)
		r = merge(leg, now, disk, deadline_ms, err);
	if (r == 0 && leg->dom && is)
		r = restore_definition(leg, disk, deadline_ms, err);
	if (r == 0 && !merged && overlay_exists(disk->active)) {
		r = qcow2_check_unlocked(disk->active, err);
		if (r == 0)
			r = check_empty(disk->active, deadline_ms, err);
	}
	if (r == 0)
		r = overlay_unlink(disk->active, &leg->snap->id, err);
	return r;
}

int ext_remove_disk(const struct leg *leg, const struct domain *now,
		    const struct snapshot_disk *disk, int64_t deadline_ms,
		    struct err *err)
{
	if (ext_is_offline(disk))
		return remove_offline(leg, disk, deadline_ms, err);
	return remove_online(leg, now, disk, deadline_ms, err);
}
