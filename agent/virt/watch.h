/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* watch.h - libvirt's events of one connection, in our words */
#ifndef AGENT_VIRT_WATCH_H
#define AGENT_VIRT_WATCH_H

#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "agent/virt/conn.h"
#include "base/err.h"

struct watch;

/* Takes `conn` over, also when it fails.  From now on `tell` is called on
 * libvirt's event thread; with NULL when the connection has closed. */
int watch_open(struct watch **ret, virConnectPtr conn,
	       void (*tell)(void *owner, const struct virt_event *event),
	       void *owner, struct err *err);
bool watch_is_alive(const struct watch *watch); /* asks nobody */
/* A call may still be under way when it returns: `owner` outlives libvirt's
 * event thread. */
void watch_close(struct watch *watch);

#endif
