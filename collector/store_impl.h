/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store_impl.h - what the files of the store share; for them alone
 */
#ifndef COLLECTOR_STORE_IMPL_H
#define COLLECTOR_STORE_IMPL_H

#include <stdint.h>

#include "base/err.h"
#include "collector/store.h"

struct db;

struct store {
	struct db *db;
	char *path;
	int lock; /* against a second collector; -1: none */
};

/*
 * store_apply.c: change VMs and trees as the event says.  *ret_vm is the row
 * of its VM, 0 for none.  0: done; 1: done, and *err says what is strange about
 * it; -ERR_INVALID: the event makes no sense.  On failure the caller undoes
 * what was changed so far.
 */
int store_apply(struct store *store, int64_t host, struct event *event,
		int64_t *ret_vm, struct err *err);

#endif
