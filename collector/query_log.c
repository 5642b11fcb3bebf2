/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * query_log.c - EVENTS: the newest of the log, or what came after a position
 *
 * The log has no index but its position, so that ingest only ever appends: a
 * filter is a walk, which ends in time.  The newest are searched from the end
 * back and then sent the right way round.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "collector/answer.h"
#include "collector/select.h"
#include "proto/codec.h"

struct log_search {
	struct answer *answer;
	int64_t vm;   /* row; 0: any */
	int64_t host; /* row; 0: any */
	uint32_t limit;
	uint32_t n;
	int64_t first; /* position of the oldest to send; 0: none yet */
	int64_t last;  /* the newest looked at: the asker goes on from there */
};

static bool is_wanted(const struct log_search *s, const struct store_event *e)
{
	const struct request *req = s->answer->request;

	if (s->vm && e->vm != s->vm)
		return false;
	if (s->host && e->host != s->host)
		return false;
	return e->time_ms >= req->since_ms &&
	       (!req->until_ms || e->time_ms <= req->until_ms);
}

static void read_event(const struct store_event *e, struct event *ret)
{
	*ret = (struct event){ 0 };
	if (codec_unpack_event(e->body, e->size, ret, NULL) < 0) {
		*ret = (struct event){ .time_ms = e->time_ms };
		snprintf(ret->text, sizeof(ret->text),
			 "the collector cannot read this event (%zu bytes)",
			 e->size);
	}
	ret->seq = e->seq;
	ret->host = e->host_id;
	str_copy(ret->host_name, sizeof(ret->host_name), e->host_name);
}

static bool put_event(struct answer *a, const struct store_event *e)
{
	struct event *to;

	if (!answer_room(a, e->size))
		return false;
	to = reply_add_event(&a->reply);
	if (to)
		read_event(e, to);
	return answer_put(a, to, e->size);
}

static bool look_back(void *arg, const struct store_event *e)
{
	struct log_search *s = arg;

	if (e->pos > s->last)
		s->last = e->pos;
	if (answer_is_late(s->answer)) {
		answer_note(
			s->answer,
			"the search took too long, older events were not looked at");
		return false;
	}
	if (!is_wanted(s, e))
		return true;
	if (s->n == QUERY_ROWS_MAX) {
		answer_note(s->answer, "there are more, older ones");
		return false;
	}
	s->first = e->pos;
	return ++s->n != s->limit;
}

static bool send_forward(void *arg, const struct store_event *e)
{
	struct log_search *s = arg;

	if (answer_is_late(s->answer)) {
		answer_note(
			s->answer,
			"the search took too long, go on from where it ended");
		return false;
	}
	if (is_wanted(s, e)) {
		if (!put_event(s->answer, e))
			return false;
		s->n++;
	}
	s->last = e->pos;
	return !s->limit || s->n != s->limit;
}

static int send_newest(struct log_search *s, struct err *err)
{
	struct store *store = s->answer->query->store;
	int r = store_events_back(store, look_back, s, err);
	int64_t last = s->last;

	if (r < 0 || !s->first)
		return r;
	s->limit = s->n;
	s->n = 0;
	s->answer->deadline_ms = clock_ms() + QUERY_MS;
	r = store_events_after(store, s->first - 1, send_forward, s, err);
	s->last = last;
	return r;
}

static int find_filters(struct log_search *s, struct err *err)
{
	const struct request *req = s->answer->request;
	struct store_host host;
	struct store_vm vm = { 0 };
	int r = answer_find_host(s->answer, &host, err);

	if (r == 0 && req->vm[0])
		r = select_vm(s->answer->query->store, req->vm, &vm, err);
	s->host = host.host;
	s->vm = vm.vm;
	return r;
}

int query_events(struct answer *a, struct err *err)
{
	const struct request *req = a->request;
	struct log_search s = { .answer = a, .limit = req->limit };
	int r = find_filters(&s, err);

	if (r < 0)
		return r;
	if (req->after == 0) {
		r = send_newest(&s, err);
	} else if (req->after <= INT64_MAX) {
		s.last = (int64_t)req->after;
		r = store_events_after(a->query->store, s.last, send_forward,
				       &s, err);
	} else {
		s.last = INT64_MAX;
	}
	a->reply.after = (uint64_t)s.last;
	return r;
}
