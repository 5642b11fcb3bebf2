/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qcow2_common.c - what both qcow2 drivers check before they touch a disk */
#include "agent/storage/qcow2_common.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/virt/dom.h"
#include "base/str.h"

/* An empty overlay, or the table of an internal snapshot, is far smaller. */
#define NEEDED_BYTES (1 << 20)

bool qcow2_claims(const char *name, const struct disk *disk,
		  const struct domain *domain, const char *previous,
		  const struct storage_config *config)
{
	const char *driver = QCOW2_NAME_EXTERNAL;

	if (!disk->is_disk || disk->type != DISK_FILE)
		return false;
	if (previous && (strcmp(previous, QCOW2_NAME_INTERNAL) == 0 ||
			 strcmp(previous, QCOW2_NAME_EXTERNAL) == 0))
		driver = previous;
	else if (config->qcow2_mode == QCOW2_INTERNAL ||
		 (config->qcow2_mode != QCOW2_EXTERNAL && domain->is_nova))
		driver = QCOW2_NAME_INTERNAL;
	return strcmp(driver, name) == 0;
}

static int check_format(const struct disk *disk, struct err *err)
{
	char shown[16];

	if (!disk->format[0])
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"disk '%s' has no format in its definition, and formats are not guessed; name it there (<driver type=...>), or leave it out with --disk",
			disk->target);
	if (strcmp(disk->format, "qcow2") != 0)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"disk '%s' is %s: only qcow2 files can be snapshotted in place; convert it with qemu-img convert, or leave it out with --disk",
			disk->target,
			str_show(shown, sizeof(shown), disk->format));
	return 0;
}

static int check_flags(const struct disk *disk, struct err *err)
{
	if (disk->readonly)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"disk '%s' is read-only, so there is nothing to snapshot; leave it out with --disk",
			disk->target);
	if (disk->shareable)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"disk '%s' is shareable: other domains may write to it, and would not be cut with it; leave it out with --disk",
			disk->target);
	if (disk->transient)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"disk '%s' is transient: its writes are dropped when the domain stops; leave it out with --disk",
			disk->target);
	return 0;
}

/* What QEMU would read as a protocol, or what cannot be shown and quoted. */
static int check_path(const struct disk *disk, struct err *err)
{
	char shown[80];

	if (disk->source[0] == '/' && str_is_clean(disk->source))
		return 0;
	return err_set(
		err, ERR_UNSUPPORTED, 0,
		"disk '%s': its file '%s' is not an absolute path without control characters; change the definition, or leave it out with --disk",
		disk->target, str_show(shown, sizeof(shown), disk->source));
}

int qcow2_check_migration(const struct domain *domain, struct err *err)
{
	if (!domain->migrating)
		return 0;
	return err_set(
		err, ERR_BUSY, 0,
		"domain '%s' is %s: its disks may belong to another host; %s",
		domain->name,
		domain->state == DOMAIN_OFF ? "migrated away"
					    : "being migrated",
		domain->state == DOMAIN_OFF ? "ask there"
					    : "try again when that is over");
}

int qcow2_check_disk(const struct leg *leg, const struct snapshot_disk *disk,
		     const struct disk **ret, struct err *err)
{
	const struct disk *is = domain_disk(leg->domain, disk->target);
	int r = qcow2_check_migration(leg->domain, err);

	if (r < 0)
		return r;
	if (!is || strcmp(is->source, disk->source) != 0)
		return err_set(
			err, ERR_BUSY, 0,
			"disk '%s' of '%s' has changed meanwhile; try again",
			disk->target, leg->domain->name);
	r = check_flags(is, err);
	if (r == 0)
		r = check_format(is, err);
	if (r == 0)
		r = check_path(is, err);
	if (r == 0)
		*ret = is;
	return r;
}

static int check_kind(const struct snapshot_disk *disk, bool in_place,
		      struct err *err)
{
	const char *path = disk->source;
	struct stat st;

	if ((in_place ? lstat(path, &st) : stat(path, &st)) < 0)
		return err_set(err, errno == ENOENT ? ERR_ABSENT : ERR_STORAGE,
			       errno, "disk '%s': cannot look at its file '%s'",
			       disk->target, path);
	if (S_ISLNK(st.st_mode))
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"disk '%s': '%s' is a symbolic link, and of a domain that is off the file itself must be exchanged; name the file in the definition",
			disk->target, path);
	if (!S_ISREG(st.st_mode))
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"disk '%s': '%s' is not a regular file; leave it out with --disk",
			disk->target, path);
	return 0;
}

static int check_space(const struct leg *leg, const struct snapshot_disk *disk,
		       const char *dir, struct err *err)
{
	const int64_t needed = leg->config->min_free_bytes +
			       (int64_t)leg->n_disks * NEEDED_BYTES;
	struct statvfs fs;
	uint64_t free_bytes;

	if (statvfs(dir, &fs) < 0)
		return err_set(err, ERR_STORAGE, errno, "disk '%s': '%s'",
			       disk->target, dir);
	if (fs.f_flag & ST_RDONLY)
		return err_set(
			err, ERR_STORAGE, 0,
			"disk '%s': '%s' is on a read-only file system; mount it writable, or leave the disk out with --disk",
			disk->target, dir);
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (needed > 0 && free_bytes < (uint64_t)needed)
		return err_set(
			err, ERR_STORAGE, 0,
			"disk '%s': no space: %" PRIu64 " MiB free, %" PRId64
			" MiB needed (min-free) in '%s'; make room there",
			disk->target, free_bytes >> 20,
			(needed + (1 << 20) - 1) >> 20, dir);
	return 0;
}

static int check_place(const struct leg *leg, const struct snapshot_disk *disk,
		       struct err *err)
{
	char copy[DISK_SOURCE];
	const char *dir;
	int r;

	str_copy(copy, sizeof(copy), disk->source);
	dir = dirname(copy);
	r = check_space(leg, disk, dir, err);
	if (r == 0 && access(dir, W_OK) < 0)
		r = err_set(err, ERR_STORAGE, errno,
			    "disk '%s': cannot write in '%s'", disk->target,
			    dir);
	return r;
}

int qcow2_check_file(const struct leg *leg, const struct snapshot_disk *disk,
		     bool in_place, struct qemuimg_info *ret,
		     int64_t deadline_ms, struct err *err)
{
	int r = check_kind(disk, in_place, err);

	if (r == 0)
		r = check_place(leg, disk, err);
	if (r == 0 && qcow2_is_off(leg)) {
		r = qcow2_check_unlocked(disk->source, err);
		if (r < 0)
			return err_wrap(err, r, "disk '%s'", disk->target);
	}
	if (r < 0)
		return r;
	r = qemuimg_info(disk->source, true, disk->name[0] ? disk->name : NULL,
			 ret, deadline_ms, err);
	if (r < 0)
		return err_wrap(
			err, r,
			"disk '%s' cannot be read as the qcow2 file it is defined as",
			disk->target);
	if (ret->is_corrupt)
		return err_set(
			err, ERR_STORAGE, 0,
			"disk '%s': '%s' is marked corrupt; repair it with qemu-img check first",
			disk->target, disk->source);
	return 0;
}

int qcow2_check_unchanged(const struct leg *leg,
			  const struct snapshot_disk *disk, bool planned_off,
			  struct err *err)
{
	const struct disk *is;
	int r = qcow2_check_disk(leg, disk, &is, err);

	if (r < 0)
		return r;
	if (qcow2_is_off(leg) != planned_off)
		return err_set(err, ERR_BUSY, 0,
			       "domain '%s' was %s meanwhile; try again",
			       leg->domain->name,
			       planned_off ? "started" : "stopped");
	return planned_off ? qcow2_check_unlocked(disk->source, err) : 0;
}

int qcow2_check_unlocked(const char *path, struct err *err)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = QCOW2_LOCKS_START,
		.l_len = QCOW2_LOCKS_LEN,
	};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_set(err, ERR_STORAGE, errno, "cannot open '%s'",
			       path);
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		r = err_set(err, ERR_STORAGE, errno,
			    "cannot ask for locks of '%s'", path);
	else if (lock.l_type != F_UNLCK)
		r = err_set(err, ERR_BUSY, 0,
			    "'%s' is in use by another process", path);
	else
		r = 0;
	close(fd);
	return r;
}

int qcow2_check_chain(const char *path, int64_t deadline_ms, struct err *err)
{
	char at[DISK_SOURCE];
	struct qemuimg_info info;

	str_copy(at, sizeof(at), path);
	for (int i = 0; i < QCOW2_CHAIN_MAX; i++) {
		int r = qemuimg_info(at, true, NULL, &info, deadline_ms, err);

		if (r < 0)
			return r;
		if (!info.backing[0])
			return 0;
		if (!info.backing_format[0])
			return err_set(
				err, ERR_UNSUPPORTED, 0,
				"'%s' does not name the format of the file below it; use qemu-img rebase -u -F",
				at);
		if (strcmp(info.backing_format, "qcow2") != 0)
			return 0;
		str_copy(at, sizeof(at), info.backing);
	}
	return err_set(err, ERR_UNSUPPORTED, 0,
		       "'%s' has more than %d files below it", path,
		       QCOW2_CHAIN_MAX);
}

int qcow2_describe(const struct leg *leg, struct domain *ret, struct err *err)
{
	if (leg->dom)
		return dom_describe(leg->dom, ret, err);
	return domain_copy(ret, leg->domain, err);
}

bool qcow2_is_off(const struct leg *leg)
{
	return leg->domain->state == DOMAIN_OFF;
}
