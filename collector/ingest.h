/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ingest.h - order, deduplicate, batch, commit, acknowledge
 *
 *	HELLO  -> the agent is known; WELCOME with the committed seq
 *	EVENTS -> what is next in order waits for the batch; ACK after the commit
 *
 * The promise: an ACK or WELCOME with seq n is sent only when all events of
 * that (host, epoch) up to n are in a commit that returned.  Each event is in
 * the log once and in order, whatever is repeated, lost or restarted.
 *
 * Loop thread.  Nothing that an agent sends is an error here: it is dropped and
 * counted.  When the database cannot be written, nothing is acknowledged or
 * taken until it can be again, which is tried every `retry_ms`.
 */
#ifndef COLLECTOR_INGEST_H
#define COLLECTOR_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "collector/roster.h"
#include "proto/link.h"
#include "proto/message.h"

struct ingest;
struct loop;
struct store;

struct ingest_config {
	int64_t batch; /* events of one commit: that many are not waited for */
	int64_t flush_ms; /* the longest that an event waits for others */
	int64_t retry_ms; /* after a commit failed */
};

struct ingest_counts {
	uint64_t committed; /* events */
	uint64_t commits;
	uint64_t duplicates; /* events that were there already */
	uint64_t gaps;       /* batches cut off where an event was missing */
	uint64_t unreadable; /* events logged but not applied */
	uint64_t strangers;  /* messages not of an agent that said HELLO */
	uint64_t failures;   /* commits */
};

/* `send` delivers to a peer: 0, or negative when it cannot now. */
typedef int ingest_send(void *owner, const struct link_peer *peer,
			const struct message *message);

int ingest_new(struct ingest **ret, struct loop *loop, struct store *store,
	       const struct ingest_config *config, ingest_send *send,
	       void *owner, struct err *err);
/* What waits is dropped: it was not acknowledged. */
void ingest_free(struct ingest *ingest);

void ingest_hello(struct ingest *ingest, const struct link_peer *peer,
		  const struct hello *hello);
/* Takes the bodies of the items it wants out of *events. */
void ingest_events(struct ingest *ingest, const struct link_peer *peer,
		   struct events *events);
void ingest_ping(struct ingest *ingest, const struct link_peer *peer);

/* Commit what waits, now. */
void ingest_flush(struct ingest *ingest);

/* Heard of within the last 90 s?  *ret_seen_ms is Unix time; it is left alone
 * for a host that has not been heard of since the start. */
bool ingest_is_connected(const struct ingest *ingest, const struct id *host,
			 int64_t *ret_seen_ms);
unsigned ingest_connected(const struct ingest *ingest);
const struct ingest_counts *ingest_counts(const struct ingest *ingest);

#endif
