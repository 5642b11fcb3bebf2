/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * proc.h - run a program to its end, bounded
 *
 * For tools that have no library: qemu-img.  Worker threads only: it blocks.
 * argv[0] is looked up in PATH; the environment is ours with LC_ALL=C; all
 * descriptors but 0 (from /dev/null), 1 and 2 are closed in the child, which
 * leads a process group of its own.  It is killed when the calling thread ends,
 * and so when the daemon is killed: setpriv (util-linux) sees to that before it
 * runs the program, since nothing may be left at work that a restart does not
 * know of.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdint.h>

#include "base/err.h"

/*
 * Runs argv (NULL-terminated).  0 when it exits with 0 before `deadline_ms`
 * (clock_ms()); then *ret_out, when asked for, is its whole standard output
 * (malloc'd, terminated, at most 16 MiB).  Else ERR_STORAGE with the last line
 * of its standard error, or ERR_TIMEOUT after the whole group was killed and
 * reaped.  ret_out may be NULL.
 */
int proc_run(const char *const argv[], int64_t deadline_ms, char **ret_out,
	     struct err *err);

#endif
