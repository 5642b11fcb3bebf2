/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * answer.h - rows -> replies of a bounded size; for query.c and its families
 *
 * An answer is started zeroed but for its first four members, rows are put in
 * after answer_room(), and answer_end() sends the last reply.
 */
#ifndef COLLECTOR_ANSWER_H
#define COLLECTOR_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/query.h"
#include "collector/store.h"

struct answer {
	const struct query *query;
	const struct request *request;
	query_send *send;
	void *arg;

	int64_t deadline_ms; /* clock_ms(): searching ends */
	struct reply reply;  /* being filled */
	unsigned n_rows;     /* in it */
	unsigned n_total;    /* in all replies */
	size_t bytes;        /* in it, about */
	const char *note;    /* goes into the last reply */
	bool gone;           /* `send` failed */
	struct err err;      /* goes into the last reply */
};

/* Room for one more row of about `size` bytes: what is there is sent when it
 * would be too much.  False: the asker has gone or the answer is full. */
bool answer_room(struct answer *answer, size_t size);
/* A row was put in, or could not be (NULL) for want of memory: false. */
bool answer_put(struct answer *answer, const void *row, size_t size);
/* Both in one; takes what *snap owns in any case. */
bool answer_snapshot(struct answer *answer, struct snapshot *snap, size_t size);
/* Why the answer is not all, for a person; a string literal. */
void answer_note(struct answer *answer, const char *text);
bool answer_is_late(const struct answer *answer);
void answer_end(struct answer *answer);

/* The host that the request names; row 0 when it names none. */
int answer_find_host(struct answer *answer, struct store_host *ret,
		     struct err *err);

/* query_list.c, query_log.c */
int query_list(struct answer *answer, struct err *err);
int query_events(struct answer *answer, struct err *err);

#endif
