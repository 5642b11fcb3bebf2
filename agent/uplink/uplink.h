/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink.h - outbox -> collector -> acknowledgement -> outbox
 *
 * Loop thread.  Says HELLO after each connection, resumes after the seq that
 * WELCOME names, keeps a bounded number of events in flight, and starts again
 * from the last acknowledged one when no ACK came in time or the connection
 * was lost.  An agent without a collector has no uplink.
 *
 * A WELCOME with a seq above what this journal ever gave out means that the
 * journal went back in time (restored from a backup): it is logged and reported
 * once, and nothing is sent until an operator looks.
 */
#ifndef AGENT_UPLINK_UPLINK_H
#define AGENT_UPLINK_UPLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct journal;
struct loop;
struct uplink;

struct uplink_config {
	const char *endpoint; /* "tcp://collector:7711" */
	const char *host_name;
	const char *version;
	unsigned batch;  /* events of one message */
	unsigned window; /* events in flight */
	int64_t ack_timeout_ms;
	int64_t ping_ms; /* sign of life when there is nothing to say */
	unsigned keep;   /* acknowledged events kept for local reading */
};

int uplink_new(struct uplink **ret, struct loop *loop, struct journal *journal,
	       const struct uplink_config *config, struct err *err);
void uplink_free(struct uplink *uplink);

/* There may be something new in the outbox.  Cheap; call after each commit. */
void uplink_poke(struct uplink *uplink);

bool uplink_is_connected(const struct uplink *uplink); /* WELCOME was heard */
uint64_t uplink_waiting(const struct uplink *uplink);  /* events not acked */

#endif
