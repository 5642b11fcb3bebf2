/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * overlay.c - the files of external snapshots: names, making, exchange, removal
 *
 * An overlay is made under a temporary name (the final one with NEW behind it)
 * and renamed: so a crash leaves no half file under the final name, and it can
 * be given its own final name as backing file, which qemu-img refuses for the
 * name it works on.
 */
#include "agent/storage/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/storage/qcow2_common.h"
#include "agent/storage/qemuimg.h"
#include "base/str.h"

#define SUFFIX ".qcow2"
#define NEW ".new"
#define LABEL "security.selinux"
#define LABEL_MAX 1024

/* Length of `name` without an ending ".UUID". */
static size_t without_uuid(const char *name, size_t n)
{
	char text[ID_TEXT];
	struct id id;

	if (n <= ID_TEXT || name[n - ID_TEXT] != '.')
		return n;
	memcpy(text, name + n - (ID_TEXT - 1), ID_TEXT - 1);
	text[ID_TEXT - 1] = '\0';
	return id_parse(text, &id) ? n - ID_TEXT : n;
}

static size_t stem_length(const char *name)
{
	const size_t n = strlen(name), suffix = sizeof(SUFFIX) - 1;

	if (n > suffix && strcmp(name + n - suffix, SUFFIX) == 0)
		return without_uuid(name, n - suffix);
	return without_uuid(name, n);
}

int overlay_name(const char *source, const struct id *snapshot, char *ret,
		 struct err *err)
{
	const char *slash = strrchr(source, '/');
	const char *name = slash ? slash + 1 : source;
	const size_t dir = (size_t)(name - source), stem = stem_length(name);
	const size_t added = ID_TEXT + sizeof(SUFFIX) - 1 + sizeof(NEW) - 1;
	char id[ID_TEXT];

	if (stem + added > NAME_MAX || dir + stem + added >= DISK_SOURCE)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"its file name is too long to add a snapshot's UUID to; rename '%s'",
			name);
	snprintf(ret, DISK_SOURCE, "%.*s.%s" SUFFIX, (int)(dir + stem), source,
		 id_format(snapshot, id));
	return 0;
}

bool overlay_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 || errno != ENOENT;
}

static int sync_folder(const char *path, struct err *err)
{
	char copy[DISK_SOURCE];
	int fd, r = 0;

	str_copy(copy, sizeof(copy), path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		r = err_set(err, ERR_STORAGE, errno,
			    "cannot flush the folder of '%s'", path);
	if (fd >= 0)
		close(fd);
	return r;
}

static void temporary_name(const char *path, char *ret, size_t size)
{
	snprintf(ret, size, "%s" NEW, path);
}

/* Only ours can have this name: it is from a try that was cut short. */
static int make_file(const char *path, struct err *err)
{
	int fd;

	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(err, ERR_STORAGE, errno, "cannot replace '%s'",
			       path);
	fd = open(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC,
		  0600);
	if (fd < 0)
		return err_set(err, ERR_STORAGE, errno, "cannot create '%s'",
			       path);
	close(fd);
	return 0;
}

static int copy_label(int fd, const char *like, struct err *err)
{
	char label[LABEL_MAX];
	ssize_t n = getxattr(like, LABEL, label, sizeof(label));

	if (n < 0 && (errno == ENODATA || errno == ENOTSUP))
		return 0;
	if (n < 0 || fsetxattr(fd, LABEL, label, (size_t)n, 0) < 0)
		return err_set(err, ERR_STORAGE, errno,
			       "cannot give it the security label of '%s'",
			       like);
	return 0;
}

static int dress(int fd, const char *like, struct err *err)
{
	struct stat st;

	if (stat(like, &st) < 0)
		return err_set(err, ERR_STORAGE, errno, "cannot look at '%s'",
			       like);
	if (fchown(fd, st.st_uid, st.st_gid) < 0)
		return err_set(err, ERR_STORAGE, errno,
			       "cannot give it to the owner of '%s'", like);
	/* After chown(), which takes some bits away. */
	if (fchmod(fd, st.st_mode & 07777) < 0)
		return err_set(err, ERR_STORAGE, errno,
			       "cannot give it the mode of '%s'", like);
	return copy_label(fd, like, err);
}

static int finish_file(const char *path, const char *like, struct err *err)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), r;

	if (fd < 0)
		return err_set(err, ERR_STORAGE, errno, "cannot open '%s'",
			       path);
	r = dress(fd, like, err);
	if (r == 0 && fsync(fd) < 0)
		r = err_set(err, ERR_STORAGE, errno, "cannot flush it");
	close(fd);
	return r < 0 ? err_wrap(err, r, "'%s'", path) : 0;
}

/* May the file at `path` be replaced by an empty overlay over `backing`? */
static int check_replaceable(const char *path, const char *backing,
			     int64_t deadline_ms, struct err *err)
{
	struct qemuimg_info info;
	bool has_data = false;
	int r;

	if (!overlay_exists(path))
		return 0;
	r = qemuimg_info(path, false, NULL, &info, deadline_ms, err);
	if (r == 0 && strcmp(info.backing, backing) != 0)
		return err_set(err, ERR_EXISTS, 0, "'%s' exists already", path);
	if (r == 0)
		r = qemuimg_has_data(path, &has_data, deadline_ms, err);
	if (r == 0 && has_data)
		return err_set(err, ERR_EXISTS, 0,
			       "'%s' exists already and has data", path);
	return r;
}

int overlay_make(const char *path, const char *backing, const char *like,
		 int64_t size_bytes, int64_t deadline_ms, struct err *err)
{
	char temporary[DISK_SOURCE + sizeof(NEW)];
	int r;

	temporary_name(path, temporary, sizeof(temporary));
	r = check_replaceable(path, backing, deadline_ms, err);
	if (r == 0)
		r = make_file(temporary, err);
	if (r < 0)
		return r;
	r = qemuimg_create(temporary, backing, size_bytes, deadline_ms, err);
	if (r == 0)
		r = finish_file(temporary, like, err);
	if (r == 0 && rename(temporary, path) < 0)
		r = err_set(err, ERR_STORAGE, errno, "cannot rename '%s'",
			    temporary);
	if (r < 0) {
		unlink(temporary);
		return r;
	}
	return sync_folder(path, err);
}

/* 0, and a descriptor that keeps every QEMU from opening the file. */
static int lock_file(const char *path, int *ret_fd, struct err *err)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = QCOW2_LOCKS_START,
		.l_len = QCOW2_LOCKS_LEN,
	};
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC), r = 0;

	if (fd < 0)
		return err_set(err, ERR_STORAGE, errno, "cannot open '%s'",
			       path);
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
		*ret_fd = fd;
		return 0;
	}
	if (errno == EAGAIN || errno == EACCES)
		r = err_set(err, ERR_BUSY, 0,
			    "'%s' is in use by another process", path);
	else
		r = err_set(err, ERR_STORAGE, errno, "cannot lock '%s'", path);
	close(fd);
	return r;
}

int overlay_exchange(const char *a, const char *b, struct err *err)
{
	int fd_a, fd_b, r;

	r = lock_file(a, &fd_a, err);
	if (r < 0)
		return r;
	r = lock_file(b, &fd_b, err);
	if (r < 0) {
		close(fd_a);
		return r;
	}
	if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) < 0)
		r = err_set(err, ERR_STORAGE, errno,
			    "cannot exchange '%s' with its overlay", a);
	close(fd_b);
	close(fd_a);
	return r < 0 ? r : sync_folder(a, err);
}

static int unlink_one(const char *path, struct err *err)
{
	int r = qcow2_check_unlocked(path, err);

	if (r < 0)
		return r;
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(err, ERR_STORAGE, errno, "cannot remove '%s'",
			       path);
	return 0;
}

int overlay_unlink(const char *path, const struct id *snapshot, struct err *err)
{
	char temporary[DISK_SOURCE + sizeof(NEW)], id[ID_TEXT];
	const char *slash = strrchr(path, '/');
	int r;

	if (!slash || !strstr(slash, id_format(snapshot, id)))
		return err_set(err, ERR_INVALID, 0,
			       "'%s' is not a file of snapshot %s", path, id);
	temporary_name(path, temporary, sizeof(temporary));
	if (!overlay_exists(path) && !overlay_exists(temporary))
		return 0;
	r = unlink_one(temporary, err);
	if (r == 0)
		r = unlink_one(path, err);
	return r < 0 ? r : sync_folder(path, err);
}
