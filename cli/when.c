/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* when.c - reading and writing of times */
#include "cli/when.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/conf.h"
#include "base/str.h"

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

int when_parse_span(const char *text, int64_t *ret, struct err *err)
{
	static const struct conf_key key = {
		.section = "",
		.key = "span",
		.type = CONF_DURATION,
		.min = 1,
		.max = 365 * DAY,
	};
	char shown[64];

	if (conf_parse(&key, text, ret, NULL) == 0)
		return 0;
	return err_set(err, ERR_INVALID, 0,
		       "'%s' is not a span of time up to 365 days (write it "
		       "as 500ms, 30s, 5min, 2h or 1d)",
		       str_show(shown, sizeof(shown), text));
}

/* The format's text may be followed by nothing, or by 'Z' for UTC. */
static bool parse_format(const char *text, const char *format, int64_t *ret)
{
	struct tm tm = { .tm_isdst = -1 }, same;
	const char *end = strptime(text, format, &tm);
	bool utc = end && strcmp(end, "Z") == 0;
	time_t t;

	if (!end || (*end && !utc))
		return false;
	same = tm;
	t = utc ? timegm(&same) : mktime(&same);
	/* February 30th is taken by strptime() and moved by mktime(). */
	if (same.tm_mday != tm.tm_mday || same.tm_mon != tm.tm_mon)
		return false;
	*ret = (int64_t)t * 1000;
	return t > 0;
}

static bool parse_day(const char *text, int64_t now_ms, int64_t *ret)
{
	time_t now = (time_t)(now_ms / 1000);
	struct tm tm;
	int back;

	if (strcmp(text, "now") == 0) {
		*ret = now_ms;
		return true;
	}
	if (strcmp(text, "today") == 0)
		back = 0;
	else if (strcmp(text, "yesterday") == 0)
		back = 1;
	else
		return false;
	if (!localtime_r(&now, &tm))
		return false;
	tm.tm_mday -= back;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_isdst = -1;
	*ret = (int64_t)mktime(&tm) * 1000;
	return true;
}

int when_parse(const char *text, int64_t now_ms, int64_t *ret, struct err *err)
{
	static const char *const formats[] = {
		"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d",
		"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M",
	};
	char shown[64];
	int64_t span;

	/* strptime() skips spaces and takes signs; a time has neither. */
	if (isdigit((unsigned char)text[0]))
		for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
			if (parse_format(text, formats[i], ret))
				return 0;
	if (parse_day(text, now_ms, ret))
		return 0;
	if (when_parse_span(text, &span, NULL) == 0) {
		*ret = now_ms - span;
		return 0;
	}
	str_show(shown, sizeof(shown), text);
	return err_set(err, ERR_INVALID, 0,
		       "'%s' is not a time (write it as 2026-01-02, "
		       "'2026-01-02 03:04', or 2h or 3d for that long ago)",
		       shown);
}

static bool to_local(int64_t ms, struct tm *ret)
{
	time_t t = (time_t)(ms / 1000);

	return ms > 0 && ms < WHEN_END && localtime_r(&t, ret);
}

const char *when_short(int64_t ms, char *buf)
{
	struct tm tm;

	if (!to_local(ms, &tm) ||
	    strftime(buf, WHEN_TEXT, "%Y-%m-%d %H:%M", &tm) == 0)
		strcpy(buf, "-");
	return buf;
}

const char *when_full(int64_t ms, char *buf)
{
	char day[WHEN_TEXT], zone[WHEN_TEXT];
	struct tm tm;

	if (!to_local(ms, &tm) ||
	    strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &tm) == 0 ||
	    strftime(zone, sizeof(zone), "%z", &tm) == 0)
		return strcpy(buf, "-");
	snprintf(buf, WHEN_TEXT, "%.24s.%03d %.8s", day, (int)(ms % 1000),
		 zone);
	return buf;
}

const char *when_iso(int64_t ms, char *buf)
{
	time_t t = (time_t)(ms / 1000);
	char day[WHEN_TEXT];
	struct tm tm;

	if (ms < 0 || ms >= WHEN_END || !gmtime_r(&t, &tm) ||
	    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return strcpy(buf, "-");
	snprintf(buf, WHEN_TEXT, "%.32s.%03dZ", day, (int)(ms % 1000));
	return buf;
}

const char *when_age(int64_t ms, int64_t now_ms, char *buf)
{
	static const struct {
		int64_t from, unit;
		const char *name;
	} steps[] = {
		{ 2 * 365 * DAY, 365 * DAY, "y" },
		{ 2 * DAY, DAY, "d" },
		{ 2 * HOUR, HOUR, "h" },
		{ 2 * MINUTE, MINUTE, "min" },
		{ 0, SECOND, "s" },
	};
	int64_t age = ms > 0 ? now_ms - ms : 0;

	/* A host's clock may be ahead of ours. */
	if (ms <= 0 || ms >= WHEN_END || age < 0)
		return strcpy(buf, ms > 0 && ms < WHEN_END ? "0s" : "-");
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (age >= steps[i].from) {
			snprintf(buf, WHEN_TEXT, "%lld%s",
				 (long long)(age / steps[i].unit),
				 steps[i].name);
			break;
		}
	return buf;
}

const char *when_span(int64_t ms, char *buf)
{
	if (ms < 0)
		return strcpy(buf, "-");
	if (ms < SECOND)
		snprintf(buf, WHEN_TEXT, "%d ms", (int)ms);
	else if (ms < 2 * MINUTE)
		snprintf(buf, WHEN_TEXT, "%.1f s", (double)ms / SECOND);
	else
		snprintf(buf, WHEN_TEXT, "%lld min", (long long)(ms / MINUTE));
	return buf;
}
