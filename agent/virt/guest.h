/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest.h - the QEMU guest agent: ping, sync, freeze, thaw
 *
 * Every call sets the agent's response time-out (whole seconds, at least one)
 * so that it returns by about `deadline_ms`, and maps libvirt's answer to
 * ERR_GUEST (no channel, not running, refused), ERR_TIMEOUT (no answer) or
 * ERR_VIRT (the domain is gone or off, libvirtd is gone).  Worker threads.
 *
 * After a freeze that failed or timed out the guest may be frozen, or may
 * freeze later, when a hung agent goes on: a thaw is owed until guest_thaw()
 * has returned 0.
 */
#ifndef AGENT_VIRT_GUEST_H
#define AGENT_VIRT_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct virt_dom;

int guest_ping(struct virt_dom *dom, int64_t deadline_ms, struct err *err);

/* Ask the guest to write back what is dirty (guest-exec of `sync`), so that
 * the freeze has little left to do.  A guest that does not allow it, or is not
 * done by the deadline, is an error that the caller may ignore. */
int guest_sync(struct virt_dom *dom, int64_t deadline_ms, struct err *err);

/* *ret_n: file systems frozen.  0 of them is success here: the caller must not
 * call that frozen. */
int guest_freeze(struct virt_dom *dom, int64_t deadline_ms, int *ret_n,
		 struct err *err);

/* Thaw and make sure: 0 only when file systems were thawed (*ret_n of them) or
 * the agent itself said that it is not frozen (*ret_n 0), or the domain is not
 * running any more (*ret_n 0): then nothing of that freeze is left.  Asks again
 * until the deadline. */
int guest_thaw(struct virt_dom *dom, int64_t deadline_ms, int *ret_n,
	       struct err *err);

/* guest-fsfreeze-status. */
int guest_is_frozen(struct virt_dom *dom, int64_t deadline_ms, bool *ret,
		    struct err *err);

/* The same thaw through the agent channel's socket on the host, for when
 * libvirtd is gone.  0 as guest_thaw(); ERR_ABSENT when nobody listens
 * there: QEMU has ended; ERR_GUEST when we are not let in. */
int guest_thaw_channel(const char *path, int64_t deadline_ms, struct err *err);

#endif
