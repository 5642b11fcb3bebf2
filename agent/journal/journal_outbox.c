/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal_outbox.c - events until the collector has them, and a while longer
 *
 * The normal course: an event gets the next number in the transaction of the
 * state it tells of; the uplink sends it; the acknowledgement moves `acked` on
 * and trims what is older than the kept ones.
 *
 * What can fail: any write, with its whole transaction; the number is then
 * given again, so the collector sees no gap.
 *
 * What a restart does: the uplink goes on after what the collector has
 * committed.  A lost `acked` only means that the collector is asked.
 */
#include "agent/journal/journal.h"

#include <stdlib.h>

#include "agent/journal/journal_private.h"
#include "proto/codec.h"

/* Old rows that one acknowledgement trims beyond twice what it acknowledged:
 * after a smaller `keep` was configured the loop is not held for long. */
#define TRIM_MAX 500

static int insert(struct journal *j, const struct event *event,
		  const void *body, size_t size, struct err *err)
{
	struct db_stmt *q = db_query(
		j->db,
		"INSERT INTO outbox (time_ms, kind, body) VALUES (?, ?, ?)",
		err);

	db_bind_int(q, 1, event->time_ms);
	db_bind_int(q, 2, (int64_t)event->kind);
	db_bind_blob(q, 3, body, size);
	return db_run(q, err);
}

int journal_put_event(struct journal *j, struct event *event, struct err *err)
{
	void *body = NULL;
	size_t size = 0;
	int r;

	r = codec_pack_event(event, &body, &size, err);
	if (r == 0)
		r = insert(j, event, body, size, err);
	free(body);
	if (r < 0)
		return err_wrap(err, r, "cannot journal event '%s'",
				event_kind_word(event->kind));
	event->seq = j->written.last = (uint64_t)db_last_rowid(j->db);
	journal_settle(j);
	return 0;
}

uint64_t journal_last_seq(const struct journal *j)
{
	return j->committed.last;
}

uint64_t journal_acked_seq(const struct journal *j)
{
	return j->committed.acked;
}

static int set_acked(struct journal *j, uint64_t seq, struct err *err)
{
	struct db_stmt *q = db_query(j->db, "UPDATE meta SET acked=?", err);

	db_bind_int(q, 1, (int64_t)seq);
	return db_run(q, err);
}

static int trim(struct journal *j, uint64_t upto, uint64_t limit,
		struct err *err)
{
	struct db_stmt *q = db_query(
		j->db,
		"DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox"
		" WHERE seq <= ? ORDER BY seq LIMIT ?)",
		err);

	db_bind_int(q, 1, (int64_t)upto);
	db_bind_int(q, 2, (int64_t)limit);
	return db_run(q, err);
}

static int write_ack(struct journal *j, uint64_t seq, unsigned keep,
		     struct err *err)
{
	const uint64_t fresh = seq - j->written.acked;
	int r = set_acked(j, seq, err);

	if (r == 0 && seq > keep)
		r = trim(j, seq - keep, 2 * fresh + TRIM_MAX, err);
	if (r == 0)
		j->written.acked = seq;
	return r;
}

int journal_ack(struct journal *j, uint64_t seq, unsigned keep, struct err *err)
{
	const bool own = !db_in_transaction(j->db);
	int r = 0;

	if (seq > j->written.last)
		return err_set(err, ERR_PROTO, 0,
			       "event %llu was acknowledged but never made",
			       (unsigned long long)seq);
	if (seq <= j->written.acked)
		return 0;
	if (own)
		r = journal_begin(j, err);
	if (r == 0)
		r = write_ack(j, seq, keep, err);
	if (own && r == 0)
		r = journal_commit(j, err);
	if (own && r < 0)
		journal_rollback(j);
	return r;
}

int journal_each_event(struct journal *j, uint64_t after,
		       bool (*each)(void *arg, uint64_t seq, const void *body,
				    size_t size),
		       void *arg, struct err *err)
{
	struct db_stmt *q = db_query(
		j->db,
		"SELECT seq, body FROM outbox WHERE seq > ? ORDER BY seq", err);
	const void *body;
	size_t size;
	int r;

	db_bind_int(q, 1, (int64_t)after);
	while ((r = db_step(q, err)) > 0) {
		body = db_blob(q, 1, &size);
		if (!each(arg, (uint64_t)db_int(q, 0), body, size))
			break;
	}
	db_reset(q);
	return r < 0 ? err_wrap(err, r, "cannot read events") : 0;
}
