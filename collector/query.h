/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * query.h - requests -> replies
 *
 * Loop thread.  Every answer only reads, and is bounded: a reply has at most
 * QUERY_ROWS rows and about QUERY_BYTES, an answer QUERY_ROWS_MAX rows, and a
 * search ends after QUERY_MS.  An answer that was cut off says so in the `text`
 * of its last reply.
 *
 * Rows come oldest first: snapshots of TREE parents before children, of LIST
 * by time, events by position; VMs and hosts by name.
 */
#ifndef COLLECTOR_QUERY_H
#define COLLECTOR_QUERY_H

#include <stdint.h>

#include "proto/message.h"

#define QUERY_ROWS 200
#define QUERY_BYTES (1 << 20)
#define QUERY_ROWS_MAX 20000
#define QUERY_MS 2000

struct ingest;
struct store;

struct query {
	struct store *store;
	const struct ingest *ingest;
	int64_t started_ms;   /* clock_ms() */
	uint64_t n_malformed; /* messages, counted by the owner */
};

/* Deliver one reply; negative: the asker is gone, the answer ends. */
typedef int query_send(void *arg, const struct reply *reply);

/* Always ends with a reply that is marked as the last, unless `send` failed. */
void query_answer(const struct query *query, const struct request *request,
		  query_send *send, void *arg);

#endif
