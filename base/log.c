/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log.c - one line to journald or standard error */
#include "base/log.h"

#include "config.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_LIBSYSTEMD
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#endif

#include "base/clock.h"
#include "base/str.h"

#define TEXT_SIZE 1024
#define FIELD_SIZE 128
#define MAX_FIELDS 8

static const char *const level_names[] = { "error", "warning", "info",
					   "debug" };

static atomic_int max_level = LOG_LEVEL_INFO;
static char identifier[32] = "snaptree";
static bool to_journal;

/* JOURNAL_STREAM is "device:inode" of what systemd connected stderr to. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
	       st.st_ino == ino;
}

void log_init(const char *program, enum log_level level)
{
	str_copy_cut(identifier, sizeof(identifier), program);
	max_level = (int)level;
	to_journal = stderr_is_journal();
}

bool log_level_parse(const char *text, enum log_level *ret)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		if (strcmp(level_names[i], text) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

#ifdef HAVE_LIBSYSTEMD

struct fields {
	char text[MAX_FIELDS][FIELD_SIZE];
	struct iovec iov[MAX_FIELDS + 1];
	int n;
};

static void add_field(struct fields *fields, const char *name,
		      const char *value)
{
	char *text = fields->text[fields->n];

	snprintf(text, FIELD_SIZE, "%s=%s", name, value);
	fields->iov[fields->n].iov_base = text;
	fields->iov[fields->n].iov_len = strlen(text);
	fields->n++;
}

static void add_about(struct fields *fields, const struct log_about *about)
{
	char id[ID_TEXT];

	if (about->op)
		add_field(fields, "SNAPTREE_OP", id_format(about->op, id));
	if (about->domain)
		add_field(fields, "SNAPTREE_DOMAIN",
			  id_format(about->domain, id));
	if (about->state)
		add_field(fields, "SNAPTREE_STATE", about->state);
	if (about->error)
		add_field(fields, "SNAPTREE_ERR", about->error);
}

static bool send_journal(enum log_level level, const struct log_about *about,
			 const char *text)
{
	/* syslog's numbers, of <syslog.h>, whose names are like ours */
	static const char *const priorities[] = { "3", "4", "6", "7" };
	char message[TEXT_SIZE + 8];
	struct fields fields = { .n = 0 };

	add_field(&fields, "PRIORITY", priorities[level]);
	add_field(&fields, "SYSLOG_IDENTIFIER", identifier);
	if (about)
		add_about(&fields, about);
	snprintf(message, sizeof(message), "MESSAGE=%s", text);
	fields.iov[fields.n].iov_base = message;
	fields.iov[fields.n].iov_len = strlen(message);
	return sd_journal_sendv(fields.iov, fields.n + 1) >= 0;
}

#else

static bool send_journal(enum log_level level, const struct log_about *about,
			 const char *text)
{
	(void)level;
	(void)about;
	(void)text;
	return false;
}

#endif

/* One write(): lines of several threads and processes stay whole. */
static void write_stderr(enum log_level level, const char *text)
{
	char line[TEXT_SIZE + 64], stamp[32] = "";
	int64_t now = clock_wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm tm;
	ssize_t n;
	int len;

	if (localtime_r(&seconds, &tm))
		strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	len = snprintf(line, sizeof(line), "%s.%03d %s: %s\n", stamp,
		       (int)(now % 1000), level_names[level], text);
	n = write(STDERR_FILENO, line, (size_t)len);
	(void)n; /* whom to tell? */
}

void log_line(enum log_level level, const struct log_about *about,
	      const char *fmt, ...)
{
	char raw[TEXT_SIZE], text[TEXT_SIZE];
	va_list ap;

	if ((int)level > max_level)
		return;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	/* A name from outside must not look like a line of ours. */
	str_show(text, sizeof(text), raw);
	if (!to_journal || !send_journal(level, about, text))
		write_stderr(level, text);
}
