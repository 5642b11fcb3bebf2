/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conn.h - connections to libvirtd: one for events, a pool for workers
 *
 * The event connection is opened by a worker, watched by keepalive, and opened
 * again (after 100 ms, doubling to 5 s) whenever it closes, so a restart of
 * libvirtd is survived.  libvirt's own event loop runs on a service thread;
 * what it reports is posted to our loop.
 *
 * While libvirtd runs a hook it blocks every call about that domain, and every
 * listing: so only worker threads make calls, through a struct virt_dom of
 * dom.h, each on a connection that no other job uses at that time.
 */
#ifndef AGENT_VIRT_CONN_H
#define AGENT_VIRT_CONN_H

#include <stdbool.h>

#include "base/err.h"
#include "base/id.h"
#include "model/domain.h"

struct loop;
struct virt;
struct worker_pool;

enum virt_event_kind {
	VIRT_EVENT_STATE,   /* state is the new one */
	VIRT_EVENT_DEFINED, /* made or changed */
	VIRT_EVENT_UNDEFINED,
	VIRT_EVENT_REBOOT,
	VIRT_EVENT_AGENT, /* the guest agent connected */
};

struct virt_event {
	enum virt_event_kind kind;
	struct id domain;
	char name[DOMAIN_NAME];
	enum domain_state state;
};

/* Called on the loop's thread. */
struct virt_ops {
	void (*up)(void *owner); /* connected (again): list what is there */
	void (*down)(void *owner, const char *why);
	void (*event)(void *owner, const struct virt_event *event);
};

/* Starts connecting; `uri` is copied.  A process has at most one. `ops` NULL:
 * no event connection (the guard process, tools): the pool only. */
int virt_new(struct virt **ret, struct loop *loop, struct worker_pool *pool,
	     const char *uri, const struct virt_ops *ops, void *owner,
	     struct err *err);
void virt_free(struct virt *virt);        /* after the workers have stopped */
bool virt_is_up(const struct virt *virt); /* loop thread */

#endif
