/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemuimg.c - qcow2 files, by qemu-img */
#include "agent/storage/qemuimg.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/proc.h"
#include "base/str.h"

/* The last line QEMU prints when it does not get its lock. */
#define LOCKED "Is another process using the image"

static int run(const char *const argv[], int64_t deadline_ms, char **ret_out,
	       struct err *err)
{
	struct err why = { 0 };
	int r = proc_run(argv, deadline_ms, ret_out, &why);

	if (r == 0)
		return 0;
	if (strstr(why.text, LOCKED)) {
		why.code = ERR_BUSY;
		r = -ERR_BUSY;
		str_copy(why.text, sizeof(why.text),
			 "another process has the image open");
	}
	if (err)
		*err = why;
	return r;
}

static const char *string_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static bool find_snapshot(const json_t *info, const char *name)
{
	const json_t *snapshot;
	size_t i;

	json_array_foreach(json_object_get(info, "snapshots"), i,
			   snapshot) if (strcmp(string_of(snapshot, "name"),
						name) == 0) return true;
	return false;
}

static bool read_info(const json_t *info, const char *snapshot,
		      struct qemuimg_info *ret)
{
	const json_t *size = json_object_get(info, "virtual-size");
	const json_t *data = json_object_get(
		json_object_get(info, "format-specific"), "data");
	const char *backing = string_of(info, "full-backing-filename");

	if (!backing[0])
		backing = string_of(info, "backing-filename");
	memset(ret, 0, sizeof(*ret));
	ret->size_bytes = json_integer_value(size);
	ret->has_snapshot = snapshot && find_snapshot(info, snapshot);
	ret->has_data_file = json_object_get(data, "data-file");
	ret->is_encrypted = json_is_true(json_object_get(info, "encrypted"));
	ret->is_corrupt = json_is_true(json_object_get(data, "corrupt"));
	return json_is_integer(size) &&
	       str_copy(ret->backing, sizeof(ret->backing), backing) &&
	       str_copy(ret->backing_format, sizeof(ret->backing_format),
			string_of(info, "backing-filename-format"));
}

int qemuimg_info(const char *path, bool shared, const char *snapshot,
		 struct qemuimg_info *ret, int64_t deadline_ms, struct err *err)
{
	const char *argv[] = { "qemu-img",
			       "info",
			       "-f",
			       "qcow2",
			       "--output=json",
			       path,
			       shared ? "-U" : NULL,
			       NULL };
	char *out = NULL;
	json_t *info;
	int r;

	r = run(argv, deadline_ms, &out, err);
	if (r < 0)
		return err_wrap(err, r, "'%s'", path);
	info = json_loads(out, 0, NULL);
	free(out);
	if (!info || !read_info(info, snapshot, ret))
		r = err_set(err, ERR_STORAGE, 0,
			    "qemu-img tells nothing usable of '%s'", path);
	json_decref(info);
	return r;
}

int qemuimg_create(const char *path, const char *backing, int64_t size_bytes,
		   int64_t deadline_ms, struct err *err)
{
	char size[32];
	const char *argv[] = { "qemu-img", "create", "-q",    "-f", "qcow2",
			       "-u",       "-F",     "qcow2", "-b", backing,
			       path,       size,     NULL };
	int r;

	snprintf(size, sizeof(size), "%" PRId64, size_bytes);
	r = run(argv, deadline_ms, NULL, err);
	return r < 0 ? err_wrap(err, r, "cannot make '%s'", path) : 0;
}

static int holds_data(const char *map, bool *ret)
{
	json_t *extents = json_loads(map, 0, NULL);
	const json_t *extent;
	size_t i;

	if (!json_is_array(extents)) {
		json_decref(extents);
		return -1;
	}
	*ret = false;
	json_array_foreach(extents, i, extent)
		/* QEMU before 6.1 does not say "present": then all is. */
		if (!json_is_false(json_object_get(extent, "present"))) *ret =
			true;
	json_decref(extents);
	return 0;
}

/* Without what is below, which may be missing, in use, or the file itself. */
static char *name_alone(const char *path)
{
	json_t *options;
	char *json, *name;

	options = json_pack("{s:s, s:n, s:{s:s, s:s}}", "driver", "qcow2",
			    "backing", "file", "driver", "file", "filename",
			    path);
	json = options ? json_dumps(options, JSON_COMPACT) : NULL;
	name = json ? str_printf("json:%s", json) : NULL;
	free(json);
	json_decref(options);
	return name;
}

int qemuimg_has_data(const char *path, bool *ret, int64_t deadline_ms,
		     struct err *err)
{
	char *name = name_alone(path);
	const char *argv[] = { "qemu-img", "map", "--output=json", name, NULL };
	char *out = NULL;
	int r;

	if (!name)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	r = run(argv, deadline_ms, &out, err);
	free(name);
	if (r < 0)
		return err_wrap(err, r, "'%s'", path);
	if (holds_data(out, ret) < 0)
		r = err_set(err, ERR_STORAGE, 0,
			    "qemu-img tells nothing usable of '%s'", path);
	free(out);
	return r;
}

int qemuimg_commit(const char *path, int64_t deadline_ms, struct err *err)
{
	const char *argv[] = { "qemu-img", "commit", "-q", "-f",
			       "qcow2",    path,     NULL };
	int r = run(argv, deadline_ms, NULL, err);

	return r < 0 ? err_wrap(err, r, "cannot commit '%s'", path) : 0;
}

/* qemu-img snapshot has no -f: the format goes with the name. */
static int change_snapshot(const char *path, const char *option,
			   const char *name, int64_t deadline_ms,
			   struct err *err)
{
	char *file = name_alone(path);
	const char *argv[] = { "qemu-img", "snapshot", "-q", option,
			       name,       file,       NULL };
	int r;

	if (!file)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	r = run(argv, deadline_ms, NULL, err);
	free(file);
	return r;
}

int qemuimg_snapshot_create(const char *path, const char *name,
			    int64_t deadline_ms, struct err *err)
{
	int r = change_snapshot(path, "-c", name, deadline_ms, err);

	return r < 0 ? err_wrap(err, r, "cannot snapshot '%s'", path) : 0;
}

int qemuimg_snapshot_delete(const char *path, const char *name,
			    int64_t deadline_ms, struct err *err)
{
	int r = change_snapshot(path, "-d", name, deadline_ms, err);

	return r < 0 ? err_wrap(err, r, "cannot delete a snapshot in '%s'",
				path)
		     : 0;
}
