/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ingest_impl.h - what the files of ingest share; for them alone
 */
#ifndef COLLECTOR_INGEST_IMPL_H
#define COLLECTOR_INGEST_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "collector/ingest.h"
#include "collector/roster.h"

/* One line of its kind each LOG_MS; the others are counted in the next. */
struct quiet {
	int64_t next_ms;
	unsigned skipped;
	char text[40];
};

struct waiting {
	struct agent *agent;
	uint64_t seq;
	void *body;
	size_t size;
};

struct ingest {
	struct loop *loop;
	struct store *store;
	struct ingest_config config;
	ingest_send *send;
	void *owner;

	struct roster roster;
	struct waiting *waiting; /* in order of arrival */
	size_t n_waiting, room;
	size_t bytes;
	int64_t first_ms;    /* when the oldest came */
	struct agent *batch; /* whom to tell of the commit */
	bool broken;         /* the last commit failed */
	struct loop_timer timer;
	struct ingest_counts counts;
	struct quiet about_failures, about_events, about_strangers, about_hosts;
};

/* ingest.c */
/* What to put at the end of the line; NULL: not now. */
const char *ingest_may_log(struct quiet *quiet);
void ingest_say(struct ingest *in, struct agent *agent,
		const struct message *message);

/* ingest_batch.c */

/* The agent is told (WELCOME when that is owed, else ACK) after the next commit. */
void ingest_join(struct ingest *in, struct agent *agent);
/* Commit at the end of this turn of the loop, or now when the batch is full. */
void ingest_schedule(struct ingest *in);
bool ingest_make_room(struct ingest *in, size_t more);
void ingest_drop_waiting(struct ingest *in);
void ingest_expired(struct loop_timer *timer); /* in->timer */

#endif
