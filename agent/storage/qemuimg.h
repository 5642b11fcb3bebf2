/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemuimg.h - qcow2 files, by qemu-img
 *
 * A format is always said and never probed: a guest that can write the first
 * sector of a raw disk could choose it.  Paths are absolute and clean (str.h),
 * so that QEMU does not take one for a protocol.  Worker threads; bounded by
 * the deadline.  ERR_BUSY: another process has the file open.
 */
#ifndef AGENT_STORAGE_QEMUIMG_H
#define AGENT_STORAGE_QEMUIMG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/domain.h"

struct qemuimg_info {
	int64_t size_bytes;        /* virtual */
	char backing[DISK_SOURCE]; /* whole path of the file below; "": none */
	char backing_format[16];   /* as the header names it; "": it does not */
	bool has_snapshot;         /* the one asked for */
	bool has_data_file;        /* data lives in another file */
	bool is_encrypted;
	bool is_corrupt;
};

/* `shared`: also while a QEMU writes to it.  `snapshot`: the name of an
 * internal snapshot to look for, or NULL. */
int qemuimg_info(const char *path, bool shared, const char *snapshot,
		 struct qemuimg_info *ret, int64_t deadline_ms,
		 struct err *err);

/* An overlay over `backing`, which is not opened.  A file that is there is
 * overwritten, and keeps its owner and mode. */
int qemuimg_create(const char *path, const char *backing, int64_t size_bytes,
		   int64_t deadline_ms, struct err *err);

/* Does the file hold data of its own, apart from what is below it? */
int qemuimg_has_data(const char *path, bool *ret, int64_t deadline_ms,
		     struct err *err);

/* Merge into the file below and empty it; safe to repeat. */
int qemuimg_commit(const char *path, int64_t deadline_ms, struct err *err);

int qemuimg_snapshot_create(const char *path, const char *name,
			    int64_t deadline_ms, struct err *err);
int qemuimg_snapshot_delete(const char *path, const char *name,
			    int64_t deadline_ms, struct err *err);

#endif
