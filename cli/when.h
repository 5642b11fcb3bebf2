/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * when.h - times and spans as people write and read them
 *
 * Milliseconds of Unix time, local time zone unless said otherwise.  The
 * writers return `buf`, of WHEN_TEXT bytes.  What cannot be shown is "-".
 */
#ifndef CLI_WHEN_H
#define CLI_WHEN_H

#include <stdint.h>

#include "base/err.h"

#define WHEN_TEXT 48
#define WHEN_END INT64_C(253402300800000) /* year 10000: no time of ours */

/* "2026-01-02", "2026-01-02 03:04[:05]", with T and Z too, "now", "today",
 * "yesterday", or a span before `now_ms` as "90s", "15min", "2h", "3d". */
int when_parse(const char *text, int64_t now_ms, int64_t *ret, struct err *err);

/* A span with its unit, as in configuration files, from 1 ms to 365 days. */
int when_parse_span(const char *text, int64_t *ret, struct err *err);

const char *when_short(int64_t ms, char *buf); /* "2026-01-02 03:04" */
const char *when_full(int64_t ms, char *buf);  /* with ms and zone */
const char *when_iso(int64_t ms, char *buf);   /* UTC, for programs */
const char *when_age(int64_t ms, int64_t now_ms, char *buf); /* "3d" */
const char *when_span(int64_t ms, char *buf); /* "34 ms", "1.2 s" */

#endif
