/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * driver.h - what a storage backend must do
 *
 * A driver turns disks into snapshots of one kind.  It is given a leg: all
 * disks of one snapshot that this driver claimed, so that a backend able to
 * cut several disks at once may do so.  A driver keeps no state of its own
 * about snapshots; the storage itself is the truth and the journal is the
 * memory.
 *
 * Every call runs on a worker thread, one at a time for a leg, and may block
 * until `deadline_ms` (clock_ms()).  A driver never touches the journal, never
 * logs above debug, never calls another driver.
 *
 *	plan -> [journal] -> prepare -> [journal] -> cut -> settle -> inspect
 *	                        any failure, or a crash: remove
 *
 * To add one: write drv_NAME.c, add a line to DRIVERS in driver.c.
 */
#ifndef AGENT_STORAGE_DRIVER_H
#define AGENT_STORAGE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/domain.h"
#include "model/snapshot.h"

struct virt_dom;

#define QCOW2_MODES(X)             \
	X(AUTO, 1, "auto")         \
	X(EXTERNAL, 2, "external") \
	X(INTERNAL, 3, "internal")

enum qcow2_mode {
#define X(name, wire, word) QCOW2_##name = (wire),
	QCOW2_MODES(X)
#undef X
};

struct storage_config {
	enum qcow2_mode qcow2_mode; /* AUTO: internal for Nova's domains */
	int64_t min_free_bytes;     /* left on the file system before a cut */
};

struct leg {
	const struct storage_config *config;
	const struct snapshot *snap; /* id, for names */
	const struct domain *domain; /* as it is now; state says how to work */
	struct virt_dom *dom; /* NULL: libvirt cannot be asked (a gate) */
	struct snapshot_disk **disks; /* of snap */
	size_t n_disks;
	void *state; /* what the driver keeps between prepare and release */
};

enum leg_presence { LEG_ABSENT, LEG_PARTIAL, LEG_PRESENT };

struct driver {
	const char *name; /* stored with each disk's record, never changed */

	/* Is this disk mine?  `previous` is the driver of the disk's last
	 * snapshot, or NULL: a disk keeps its driver while it has snapshots.
	 * No I/O. */
	bool (*claims)(const struct disk *disk, const struct domain *domain,
		       const char *previous,
		       const struct storage_config *config);

	/* Check that the cut can succeed and fill object, name, active and
	 * size_bytes of each disk (target, role, driver and source are there).
	 * Changes nothing outside; its result is journaled before prepare(). */
	int (*plan)(struct leg *leg, int64_t deadline_ms, struct err *err);

	/* All that can be done before the freeze window, so that the window
	 * holds only cut().  Checks again that the domain is as planned. */
	int (*prepare)(struct leg *leg, int64_t deadline_ms, struct err *err);

	/* Capture all disks of the leg; inside the freeze window. */
	int (*cut)(struct leg *leg, int64_t deadline_ms, struct err *err);

	/* After the thaw: tidy what need not be done inside.  An error is
	 * noted and harmless.  May be NULL. */
	int (*settle)(struct leg *leg, int64_t deadline_ms, struct err *err);

	/* Ask the storage, not the journal: is every disk's snapshot there? */
	int (*inspect)(struct leg *leg, enum leg_presence *ret,
		       int64_t deadline_ms, struct err *err);

	/* Undo plan, prepare and cut, whatever of it happened; what is absent
	 * is success.  Never loses what a guest wrote: ERR_BUSY when it cannot
	 * be undone now, and why. */
	int (*remove)(struct leg *leg, int64_t deadline_ms, struct err *err);

	/* Forget leg->state.  May be NULL. */
	void (*release)(struct leg *leg);
};

/* NULL when no such driver was built in. */
const struct driver *driver_by_name(const char *name);

/* The first that claims the disk, or NULL. */
const struct driver *driver_for(const struct disk *disk,
				const struct domain *domain,
				const char *previous,
				const struct storage_config *config);

#endif
