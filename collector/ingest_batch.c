/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ingest_batch.c - what waits, its commit, and who is told of it
 *
 * The normal course: what arrives in one turn of the loop is committed at its
 * end when it is little, else it waits up to flush_ms for more; then each agent
 * of the batch gets one ACK.  What can fail: the commit.  Then all that waited
 * is dropped, high-water marks go back to the committed ones, and agents are
 * told to begin there (WELCOME) once a commit works again.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/ingest_impl.h"
#include "collector/store.h"

#define FEW 64 /* so many do not wait for others */
#define BYTES_MAX (16 << 20)

static void say_welcome(struct ingest *in, struct agent *agent)
{
	const struct message message = {
		.kind = MESSAGE_WELCOME,
		.welcome = { agent->hello.epoch, agent->source.seq },
	};

	agent->owes_welcome = false;
	ingest_say(in, agent, &message);
}

static void say_ack(struct ingest *in, struct agent *agent)
{
	const struct message message = {
		.kind = MESSAGE_ACK,
		.ack = { agent->hello.epoch, agent->source.seq },
	};

	ingest_say(in, agent, &message);
}

void ingest_join(struct ingest *in, struct agent *agent)
{
	if (agent->in_batch)
		return;
	agent->in_batch = true;
	agent->next_in_batch = in->batch;
	in->batch = agent;
}

bool ingest_make_room(struct ingest *in, size_t more)
{
	size_t room = in->n_waiting + more;
	struct waiting *waiting;

	if (room <= in->room)
		return true;
	room += room / 2;
	waiting = realloc(in->waiting, room * sizeof(*waiting));
	if (!waiting)
		return false;
	in->waiting = waiting;
	in->room = room;
	return true;
}

void ingest_drop_waiting(struct ingest *in)
{
	for (size_t i = 0; i < in->n_waiting; i++)
		free(in->waiting[i].body);
	in->n_waiting = 0;
	in->bytes = 0;
}

static struct agent *leave_batch(struct ingest *in)
{
	struct agent *agent = in->batch;

	if (agent) {
		in->batch = agent->next_in_batch;
		agent->next_in_batch = NULL;
		agent->in_batch = false;
	}
	return agent;
}

static bool is_empty(const struct ingest *in)
{
	return !in->batch;
}

static void note_unreadable(struct ingest *in, const struct waiting *w,
			    const struct err *why)
{
	const char *skipped;

	in->counts.unreadable++;
	skipped = ingest_may_log(&in->about_events);
	if (skipped)
		log_warning(
			"event %llu of host '%s' is kept but not understood: %s%s",
			(unsigned long long)w->seq, w->agent->hello.host_name,
			why->text, skipped);
}

static void note_strange(struct ingest *in, const struct waiting *w,
			 const struct err *why)
{
	const char *skipped = ingest_may_log(&in->about_events);

	if (skipped)
		log_warning("event %llu of host '%s' is applied, but %s%s",
			    (unsigned long long)w->seq,
			    w->agent->hello.host_name, why->text, skipped);
}

static int write_events(struct ingest *in, struct err *err)
{
	struct err why = { 0 };
	int r;

	for (size_t i = 0; i < in->n_waiting; i++) {
		struct waiting *w = &in->waiting[i];

		r = store_append(in->store, &w->agent->source, w->seq, w->body,
				 w->size, &why);
		if (r < 0) {
			*err = why;
			return r;
		}
		if (r == 1)
			note_unreadable(in, w, &why);
		else if (r > 1)
			note_strange(in, w, &why);
	}
	return 0;
}

static int write_sources(struct ingest *in, struct err *err)
{
	int r = 0;

	for (struct agent *a = in->batch; a && r == 0; a = a->next_in_batch) {
		struct store_source found = a->source;

		if (!a->unsaved)
			continue;
		r = store_put_source(in->store, &a->hello, a->heard_wall_ms,
				     &found, err);
		/* seq stays: ours is of the last commit, as that is. */
		a->source.host = found.host;
		a->source.source = found.source;
	}
	return r;
}

static int write_seqs(struct ingest *in, struct err *err)
{
	int r = 0;

	for (struct agent *a = in->batch; a && r == 0; a = a->next_in_batch) {
		if (a->taken != a->source.seq)
			r = store_set_seq(in->store, &a->source, a->taken,
					  a->heard_wall_ms, err);
	}
	return r;
}

static bool has_writes(const struct ingest *in)
{
	for (const struct agent *a = in->batch; a; a = a->next_in_batch) {
		if (a->unsaved || a->taken != a->source.seq)
			return true;
	}
	return false;
}

static int write_batch(struct ingest *in, struct err *err)
{
	int r = store_begin(in->store, err);

	if (r == 0)
		r = write_sources(in, err);
	if (r == 0)
		r = write_events(in, err);
	if (r == 0)
		r = write_seqs(in, err);
	if (r == 0)
		r = store_commit(in->store, err);
	if (r < 0)
		store_rollback(in->store);
	return r;
}

static void tell_batch(struct ingest *in)
{
	struct agent *agent;

	while ((agent = leave_batch(in))) {
		agent->source.seq = agent->taken;
		agent->unsaved = false;
		if (agent->owes_welcome)
			say_welcome(in, agent);
		else
			say_ack(in, agent);
	}
}

/* Rows that were made in the transaction are not there, so all agents of the
 * batch are saved anew; whoever has sent events since must begin again. */
static void forget_batch(struct ingest *in)
{
	struct agent *agent;

	while (leave_batch(in))
		;
	ingest_drop_waiting(in);
	for (agent = in->roster.all; agent; agent = agent->next) {
		agent->taken = agent->source.seq;
		agent->unsaved = true;
		agent->owes_welcome = true;
		if (agent->peer.size > 0)
			ingest_join(in, agent);
	}
}

static void commit_failed(struct ingest *in, const struct err *why)
{
	const char *skipped;

	in->counts.failures++;
	skipped = ingest_may_log(&in->about_failures);
	if (skipped)
		log_error(
			"nothing is taken from agents until this is repaired, cannot commit: %s%s",
			why->text, skipped);
	forget_batch(in);
	in->broken = true;
	loop_timer_set(in->loop, &in->timer, clock_ms() + in->config.retry_ms);
}

static void commit_done(struct ingest *in)
{
	if (in->broken)
		log_info("the database can be written again");
	in->broken = false;
	in->counts.committed += in->n_waiting;
	in->counts.commits++;
	ingest_drop_waiting(in);
	tell_batch(in);
}

void ingest_flush(struct ingest *in)
{
	struct err err = { 0 };

	loop_timer_del(&in->timer);
	if (is_empty(in)) {
		in->broken = false;
		return;
	}
	if (!has_writes(in)) {
		tell_batch(in);
		return;
	}
	if (write_batch(in, &err) < 0)
		commit_failed(in, &err);
	else
		commit_done(in);
}

void ingest_expired(struct loop_timer *timer)
{
	struct ingest *in = CONTAINER_OF(timer, struct ingest, timer);
	int64_t end_ms = in->first_ms + in->config.flush_ms;

	if (!in->broken && in->n_waiting > FEW && clock_ms() < end_ms)
		loop_timer_set(in->loop, timer, end_ms);
	else
		ingest_flush(in);
}

void ingest_schedule(struct ingest *in)
{
	if (in->broken)
		return;
	if ((int64_t)in->n_waiting >= in->config.batch ||
	    in->bytes >= BYTES_MAX) {
		ingest_flush(in);
	} else if (!in->timer.loop) {
		in->first_ms = clock_ms();
		loop_timer_set(in->loop, &in->timer, in->first_ms);
	}
}
