/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * roster.h - the agents that said HELLO, by host and by route
 *
 * Plain memory, loop thread.  Agents stay until roster_done(), so a pointer to
 * one holds as long; their number is bounded (ROSTER_MAX), since anyone who can
 * reach the endpoint can say HELLO.
 */
#ifndef COLLECTOR_ROSTER_H
#define COLLECTOR_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "collector/store.h"
#include "proto/link.h"
#include "proto/message.h"

#define ROSTER_MAX 65536
#define ROSTER_SLOTS 16384

struct agent {
	struct hello hello;    /* as last said */
	struct link_peer peer; /* size 0: none that lives */
	int64_t heard_ms;      /* clock_ms() */
	int64_t heard_wall_ms;

	struct store_source source; /* rows and committed high-water mark */
	uint64_t taken; /* high-water mark with what waits for the commit */
	bool unsaved;   /* the HELLO is not in the database yet */
	bool in_batch;  /* in the list of those to be told of the commit */
	bool owes_welcome;
	int64_t gap_ms; /* when WELCOME was said for a gap; 0: none since */

	struct agent *next_in_batch;
	struct agent *next_by_host, *next_by_route;
	struct agent *next; /* of all */
};

struct roster {
	struct agent *by_host[ROSTER_SLOTS];
	struct agent *by_route[ROSTER_SLOTS];
	struct agent *all;
	size_t n;
};

void roster_done(struct roster *roster);

/* NULL when there is none. */
struct agent *roster_by_host(const struct roster *roster,
			     const struct id *host);
struct agent *roster_by_route(const struct roster *roster,
			      const struct link_peer *peer);

/* The one there is, or a new one; NULL when memory or ROSTER_MAX is out. */
struct agent *roster_add(struct roster *roster, const struct id *host);
/* The agent is now reached by `peer` and whoever was there is not any more;
 * NULL: it cannot be reached. */
void roster_set_route(struct roster *roster, struct agent *agent,
		      const struct link_peer *peer);

#endif
