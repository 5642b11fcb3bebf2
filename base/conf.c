/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conf.c - ini files (read with inih) into a struct, by a table of keys
 *
 * inih asks us for its lines.  That is how we know the line that a value is on,
 * how a line too long for inih is an error instead of two lines, and how an
 * unknown section is found that has no keys.  The first error ends the file.
 */
#include "base/conf.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define SHOW_SIZE 64

struct reader {
	const char *path;
	const struct conf_key *keys;
	size_t n_keys;
	void *target;
	FILE *file;
	unsigned line;
	bool *seen; /* by key */
	char *buf;  /* of getline() */
	size_t buf_size;
	int r; /* negative: failed, and err says why */
	struct err *err;
};

static int fail_at(struct reader *reader, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int fail_at(struct reader *reader, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	reader->r = err_set(reader->err, ERR_INVALID, 0, "%s:%u: %s",
			    reader->path, reader->line, text);
	return reader->r;
}

static bool has_section(const struct reader *reader, const char *name,
			size_t len)
{
	const char *section;

	for (size_t i = 0; i < reader->n_keys; i++) {
		section = reader->keys[i].section;
		if (strlen(section) == len && memcmp(section, name, len) == 0)
			return true;
	}
	return false;
}

static int check_section(struct reader *reader, const char *line)
{
	size_t len = strcspn(line + 1, "]");
	char show[SHOW_SIZE];

	str_show(show, sizeof(show), line);
	if (line[len + 1] != ']')
		return fail_at(reader, "no ']' in '%s'", show);
	if (!has_section(reader, line + 1, len))
		return fail_at(reader, "unknown section '%s'", show);
	return 0;
}

/* Leading blanks go: to inih they would mark a second line of a value. */
static int check_line(struct reader *reader, const char **ret, size_t len,
		      size_t room)
{
	const char *line = reader->buf + strspn(reader->buf, " \t");

	if (strlen(reader->buf) != len)
		return fail_at(reader, "line has a zero byte");
	if (strlen(line) >= room)
		return fail_at(reader, "line is longer than %zu bytes",
			       room - 1);
	*ret = line;
	return line[0] == '[' ? check_section(reader, line) : 0;
}

static char *next_line(char *str, int num, void *stream)
{
	struct reader *reader = stream;
	const char *line = NULL;
	ssize_t n;

	if (reader->r < 0)
		return NULL;
	n = getline(&reader->buf, &reader->buf_size, reader->file);
	if (n < 0) {
		if (!feof(reader->file))
			reader->r = err_set(reader->err, ERR_INVALID, errno,
					    "cannot read '%s'", reader->path);
		return NULL;
	}
	reader->line++;
	if (n > 0 && reader->buf[n - 1] == '\n')
		reader->buf[--n] = '\0';
	if (n > 0 && reader->buf[n - 1] == '\r')
		reader->buf[--n] = '\0';
	if (check_line(reader, &line, (size_t)n, (size_t)num) < 0)
		return NULL;
	return strcpy(str, line);
}

static const struct conf_key *find_key(const struct reader *reader,
				       const char *section, const char *name)
{
	for (size_t i = 0; i < reader->n_keys; i++) {
		if (strcmp(reader->keys[i].section, section) == 0 &&
		    strcmp(reader->keys[i].key, name) == 0)
			return &reader->keys[i];
	}
	return NULL;
}

static int take_value(struct reader *reader, const char *section,
		      const char *name, const char *value)
{
	const struct conf_key *key = find_key(reader, section, name);
	char show[SHOW_SIZE];

	str_show(show, sizeof(show), name);
	if (!*section)
		return fail_at(reader, "key '%s' before any [section]", show);
	if (!key)
		return fail_at(reader, "unknown key '%s' in [%s]", show,
			       section);
	if (reader->seen[key - reader->keys])
		return fail_at(reader, "key '%s' in [%s] is given twice", show,
			       section);
	reader->seen[key - reader->keys] = true;
	reader->r = conf_parse(key, value, reader->target, reader->err);
	if (reader->r < 0)
		err_wrap(reader->err, reader->r, "%s:%u", reader->path,
			 reader->line);
	return reader->r;
}

/* Called by inih; 0 is its failure. */
static int handle(void *user, const char *section, const char *name,
		  const char *value)
{
	struct reader *reader = user;

	return reader->r == 0 && take_value(reader, section, name, value) == 0;
}

static int read_open(struct reader *reader)
{
	int line = ini_parse_stream(next_line, reader, handle, reader);

	if (line < 0)
		return err_set(reader->err, ERR_NOMEM, 0, "cannot read '%s'",
			       reader->path);
	/* inih goes on after an error of its own, so ours may be a later one */
	if (line > 0 && (reader->r == 0 || (unsigned)line < reader->line)) {
		reader->line = (unsigned)line;
		return fail_at(reader, "neither a [section], 'key = value' nor "
				       "a comment");
	}
	return reader->r;
}

int conf_read(const char *path, const struct conf_key *keys, size_t n_keys,
	      void *target, struct err *err)
{
	struct reader reader = {
		.path = path,
		.keys = keys,
		.n_keys = n_keys,
		.target = target,
		.err = err,
	};
	int r;

	reader.file = fopen(path, "re");
	if (!reader.file)
		return err_set(err, errno == ENOENT ? ERR_ABSENT : ERR_INVALID,
			       errno, "cannot open '%s'", path);
	reader.seen = calloc(n_keys, sizeof(*reader.seen));
	if (reader.seen)
		r = read_open(&reader);
	else
		r = err_set(err, ERR_NOMEM, 0, "cannot read '%s'", path);
	free(reader.seen);
	free(reader.buf);
	fclose(reader.file);
	return r;
}
