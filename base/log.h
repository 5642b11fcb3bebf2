/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log.h - one line to journald or standard error
 *
 * Only main, the engine, control, the uplink and the collector's ingest log
 * above debug; all other code returns a struct err instead, so that each error
 * is logged once.  Any thread; never fails; may block as long as a write to
 * stderr or the journal's socket does, so it is not called inside the freeze
 * window.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/id.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* To the journal when stderr is connected to it (JOURNAL_STREAM) and the
 * build has libsystemd, else to stderr as "<N>" -less plain lines with time. */
void log_init(const char *program, enum log_level level);
bool log_level_parse(const char *text, enum log_level *ret);

/* What a line is about; each member may be NULL or left out. */
struct log_about {
	const struct id *op;
	const struct id *domain;
	const char *state;
	const char *error; /* err_name() */
};

void log_line(enum log_level level, const struct log_about *about,
	      const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, NULL, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__)

#endif
