/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exitcode.h - the exit codes, in one table
 *
 * Scripts depend on the numbers: they are never changed, and --help prints
 * them from here.  Pure functions.
 */
#ifndef CLI_EXITCODE_H
#define CLI_EXITCODE_H

#include <stdbool.h>

#include "base/err.h"

/*       name        number  meaning */
#define EXITCODES(X)                                                  \
	X(OK, 0, "success")                                           \
	X(FAILED, 1, "the operation failed, or output was lost")      \
	X(USAGE, 2, "the command line or a value in it is wrong")     \
	X(NOT_FOUND, 3, "no such VM, snapshot or host")               \
	X(UNREACHABLE, 4, "the agent or collector cannot be reached") \
	X(BUSY, 5, "busy, or no answer in time; try again")           \
	X(INTERRUPTED, 130, "interrupted by Ctrl-C")

enum exitcode {
#define X(name, number, text) EXIT_##name = (number),
	EXITCODES(X)
#undef X
};

/* `unreachable`: the error is of the connection, not of the answer. */
enum exitcode exitcode_of(const struct err *err, bool unreachable);

/* What the reader could do about it; NULL when nothing general is known. */
const char *exitcode_hint(const struct err *err, bool unreachable);

#endif
