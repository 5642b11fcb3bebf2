/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * overlay.h - the files of external snapshots: names, making, exchange, removal
 *
 * Every file that is made here has the snapshot's UUID in its name, and only
 * such a file is ever unlinked.  What is done is on disk, folder entry
 * included, when a function returns 0.
 */
#ifndef AGENT_STORAGE_OVERLAY_H
#define AGENT_STORAGE_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "model/domain.h"

/* DIR/STEM.UUID.qcow2 beside `source`; STEM is the base name of `source`
 * without ".qcow2" and without the ".UUID" of an earlier snapshot.  `ret` has
 * DISK_SOURCE bytes; ERR_UNSUPPORTED: too long. */
int overlay_name(const char *source, const struct id *snapshot, char *ret,
		 struct err *err);

/* Anything there, a dangling link too; what cannot be looked at is there. */
bool overlay_exists(const char *path);

/*
 * An empty overlay at `path` over `backing` with owner, mode and security
 * label of `like`.  It appears there complete or not at all; an empty one over
 * `backing`, from an earlier try, is replaced; ERR_EXISTS: another file.
 */
int overlay_make(const char *path, const char *backing, const char *like,
		 int64_t size_bytes, int64_t deadline_ms, struct err *err);

/* Swap two files of one folder in one step, both locked against QEMU
 * meanwhile; ERR_BUSY: one is in use. */
int overlay_exchange(const char *a, const char *b, struct err *err);

/* Unlink a file of the snapshot, and what a broken overlay_make() left; what
 * is absent is success.  ERR_BUSY: it is in use. */
int overlay_unlink(const char *path, const struct id *snapshot,
		   struct err *err);

#endif
