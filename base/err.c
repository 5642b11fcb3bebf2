/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, enum err_code code, int sys, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!err)
		return -(int)code;

	err->code = code;
	err->sys = sys;
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);

	if (sys > 0 && n >= 0 && (size_t)n < sizeof(err->text))
		snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s",
			 strerror(sys));
	return -(int)code;
}

int err_wrap(struct err *err, int r, const char *fmt, ...)
{
	char cause[sizeof(err->text)];
	va_list ap;
	int n;

	if (!err)
		return r;

	memcpy(cause, err->text, sizeof(cause));
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);

	if (n >= 0 && (size_t)n < sizeof(err->text))
		snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s",
			 cause);
	return r;
}

const char *err_name(enum err_code code)
{
	switch (code) {
	case ERR_OK:
		return "OK";
#define X(name, wire, retry, text) \
	case ERR_##name:           \
		return #name;
		ERR_LIST(X)
#undef X
	}
	return "UNKNOWN";
}

int err_retryable(enum err_code code)
{
	switch (code) {
	case ERR_OK:
		return 0;
#define X(name, wire, retry, text) \
	case ERR_##name:           \
		return (retry);
		ERR_LIST(X)
#undef X
	}
	return 0;
}
