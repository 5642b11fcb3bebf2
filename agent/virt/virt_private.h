/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virt_private.h - what the files of this folder share */
#ifndef AGENT_VIRT_PRIVATE_H
#define AGENT_VIRT_PRIVATE_H

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "agent/virt/conn.h"
#include "base/err.h"
#include "base/id.h"

struct virt_dom {
	struct virt *virt;
	virConnectPtr conn; /* nobody else uses it meanwhile */
	virDomainPtr handle;
	struct id uuid;
	/* For messages: virDomainGetName() forgets the error to be told. */
	char name[DOMAIN_NAME];
};

/* A connection that is not known to be dead, from the pool or a new one. */
int virt_take(struct virt *virt, virConnectPtr *ret, struct err *err);
void virt_give(struct virt *virt, virConnectPtr conn); /* NULL is allowed */

/* The last libvirt error of this thread: ERR_ABSENT when it says that there is
 * no such domain, else ERR_VIRT; libvirt's code in err->sys. */
int virt_fail(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Is the domain still there, and in which state?  ERR_ABSENT when not. */
int dom_state(struct virt_dom *dom, enum domain_state *ret, struct err *err);
/* After libvirtd has gone: the same domain on another connection.  On failure
 * the old handle is kept. */
int dom_reopen(struct virt_dom *dom, struct err *err);

#endif
