/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * session.h - one domain at work: its handle, its description, its legs
 *
 * Made by the first job of an operation that needs it and handed from job to
 * job, so that what prepare() opened is still open in the freeze window.
 * Worker threads, one at a time.
 */
#ifndef AGENT_ENGINE_SESSION_H
#define AGENT_ENGINE_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "agent/storage/driver.h"
#include "base/err.h"
#include "model/domain.h"
#include "model/op.h"

struct virt;

struct session_leg {
	const struct driver *driver;
	struct leg leg;
};

struct session {
	struct virt_dom *dom; /* NULL: libvirt is not to be asked, or has none */
	struct domain domain; /* as it was when the session was made */
	struct snapshot snap; /* what the legs work on; owned */
	struct session_leg *legs;
	size_t n_legs;
};

/*
 * `given` is the domain as a hook told of it: then libvirt is not asked.  A
 * domain that libvirt does not know any more is ERR_ABSENT, or with
 * `may_be_gone` a domain that is off and has no disks.
 */
int session_new(struct session **ret, struct virt *virt,
		const struct snapshot *snap, const struct domain *given,
		bool may_be_gone, struct err *err);
void session_free(struct session *session); /* NULL is allowed */

/* The domain is off and its files are locked against a start: from here on
 * libvirt is not asked about it, which would wait for a start that waits for
 * us.  Kept when a definition has to be edited. */
void session_let_go(struct session *session);

/* Group snap.disks, whose drivers are known, into legs. */
int session_make_legs(struct session *session,
		      const struct storage_config *config, struct err *err);

/* Call one function of each leg's driver, in order, until one fails. */
int session_prepare(struct session *session, int64_t deadline_ms,
		    struct err *err);
int session_cut(struct session *session, int64_t deadline_ms, struct err *err);
int session_settle(struct session *session, int64_t deadline_ms,
		   struct err *err);
/* All legs are tried; the first error is kept. */
int session_remove(struct session *session, int64_t deadline_ms,
		   struct err *err);
/* PRESENT when all legs are, ABSENT when none is. */
int session_inspect(struct session *session, enum leg_presence *ret,
		    int64_t deadline_ms, struct err *err);

#endif
