/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * select.h - what a person wrote -> the host, VM or snapshot that is meant
 *
 * A VM or host is named by its exact name, its UUID or a unique prefix of that
 * (4 hexadecimal digits or more); a snapshot by VM@LABEL, VM@head, or UUID or
 * prefix.  ERR_ABSENT when nothing fits; ERR_INVALID when several do, with up to
 * 8 of them in the text, or when the text cannot be a selector at all.
 *
 * VMs that are gone are meant only when no other has that name.
 */
#ifndef COLLECTOR_SELECT_H
#define COLLECTOR_SELECT_H

#include "base/err.h"
#include "collector/store.h"

int select_vm(struct store *store, const char *text, struct store_vm *ret,
	      struct err *err);
int select_host(struct store *store, const char *text, struct store_host *ret,
		struct err *err);
/* *ret is the caller's (snapshot_done). */
int select_snapshot(struct store *store, const char *text, struct snapshot *ret,
		    struct store_vm *ret_vm, struct err *err);

#endif
