/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * edit.h - what pin, unpin, label, tag and describe have in common
 */
#ifndef CLI_EDIT_H
#define CLI_EDIT_H

#include <stddef.h>

#include "base/err.h"

struct cli;

/*
 * Ask for the change that cli->request tells of (`edit` and what goes with it)
 * for the first n operands, and say what has become of each.  With several,
 * all are looked up before the first is changed, so that one that is mistyped
 * changes nothing.
 *
 * JSON: "snapshots", as they are now, and "changed", how many were not so.
 */
int edit_snapshots(struct cli *cli, int n, struct err *err);

/* Operand 1 into dst; or nothing, when it is missing and --remove was given,
 * whose setter has set request.edit. */
int edit_take_text(struct cli *cli, char *dst, size_t size, const char *what,
		   struct err *err);

#endif
