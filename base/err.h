/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * err.h - one error, carried by value
 *
 * A function that can fail returns 0, or a negated enum err_code, and takes
 * `struct err *err` as its last argument.  On failure it fills *err; on
 * success it leaves *err alone.  NULL is allowed: the code alone is returned.
 *
 * The code is for programs: it is stored in the journal and sent on the wire,
 * so numbers are never reused.  The text is for people: innermost cause last,
 * "cannot snapshot 'vda': rbd_snap_create 'vms/web-1@s42': Read-only file
 * system".  No capital, no full stop, subjects in single quotes.
 *
 * Nothing below main and the engine logs an error; it returns one.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

/*       name      wire  retry  what it means to the reader */
#define ERR_LIST(X)                                             \
	X(NOMEM, 1, 1, "out of memory")                         \
	X(INVALID, 2, 0, "request or configuration is invalid") \
	X(ABSENT, 3, 0, "object does not exist")                \
	X(EXISTS, 4, 0, "object already exists")                \
	X(BUSY, 5, 1, "object is in use by another operation")  \
	X(TIMEOUT, 6, 1, "deadline passed")                     \
	X(GUEST, 7, 1, "guest agent did not do as asked")       \
	X(VIRT, 8, 1, "libvirt refused or failed")              \
	X(STORAGE, 9, 1, "storage backend refused or failed")   \
	X(JOURNAL, 10, 0, "journal cannot be read or written")  \
	X(PROTO, 11, 0, "message is malformed")                 \
	X(UNSUPPORTED, 12, 0, "driver cannot do this")

enum err_code {
	ERR_OK = 0,
#define X(name, wire, retry, text) ERR_##name = (wire),
	ERR_LIST(X)
#undef X
};

struct err {
	enum err_code code;
	int sys;        /* errno or library code behind it, 0 when none */
	char text[240]; /* always terminated; truncated, never allocated */
};

/* Both return -code, so that a caller can write `return err_set(...)`. */
int err_set(struct err *err, enum err_code code, int sys, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Put "context: " in front of the text that is there.  `r` is passed through. */
int err_wrap(struct err *err, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

const char *err_name(enum err_code code); /* "STORAGE", for journal and CLI */
int err_retryable(enum err_code code);

#endif
