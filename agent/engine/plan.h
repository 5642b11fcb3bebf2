/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan.h - which disks, which drivers, which names
 *
 * Worker thread; reads libvirt and storage, changes nothing.
 */
#ifndef AGENT_ENGINE_PLAN_H
#define AGENT_ENGINE_PLAN_H

#include <stdint.h>

#include "base/err.h"
#include "model/op.h"

struct session;
struct storage_config;

struct plan_request {
	const char *disks; /* targets, single spaces; "": all wanted */
	enum freeze freeze;
	const struct snapshot *head; /* the domain's present head, or NULL */
	const struct storage_config *storage;
	int64_t deadline_ms;
};

/*
 * Fill session->snap: disks with their final names, parent, consistency that
 * can be had at best, and a note when that is less than was preferred.
 * ERR_INVALID or ERR_UNSUPPORTED name the disk, the cause and what to do.
 */
int plan_make(struct session *session, const struct plan_request *request,
	      struct err *err);

/* The domain is still what was planned: running or not, same disks, same files.
 * ERR_BUSY when it is not. */
int plan_check(const struct session *session, const struct domain *now,
	       struct err *err);

#endif
