/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* answer.c - rows -> replies of a bounded size */
#include "collector/answer.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "collector/select.h"

static void send_reply(struct answer *a, bool last)
{
	a->reply.id = a->request->id;
	a->reply.last = last;
	if (!a->gone && a->send(a->arg, &a->reply) < 0)
		a->gone = true;
	reply_done(&a->reply);
	a->reply = (struct reply){ 0 };
	a->n_rows = 0;
	a->bytes = 0;
}

bool answer_room(struct answer *a, size_t size)
{
	if (a->n_rows > 0 &&
	    (a->n_rows == QUERY_ROWS || a->bytes + size > QUERY_BYTES))
		send_reply(a, false);
	if (a->n_total == QUERY_ROWS_MAX)
		answer_note(a, "the answer was cut off, there is more");
	return !a->gone && a->n_total < QUERY_ROWS_MAX;
}

bool answer_put(struct answer *a, const void *row, size_t size)
{
	if (!row) {
		err_set(&a->err, ERR_NOMEM, 0,
			"the collector is out of memory");
		return false;
	}
	a->n_rows++;
	a->n_total++;
	a->bytes += size;
	return true;
}

bool answer_snapshot(struct answer *a, struct snapshot *snap, size_t size)
{
	struct snapshot *to = NULL;

	if (answer_room(a, size)) {
		to = reply_add_snapshot(&a->reply);
		answer_put(a, to, size);
	}
	if (to)
		*to = *snap;
	else
		snapshot_done(snap);
	return to != NULL;
}

void answer_note(struct answer *a, const char *text)
{
	a->note = text;
}

bool answer_is_late(const struct answer *a)
{
	return clock_ms() >= a->deadline_ms;
}

void answer_end(struct answer *a)
{
	a->reply.err = a->err;
	if (a->note)
		str_copy(a->reply.text, sizeof(a->reply.text), a->note);
	send_reply(a, true);
}

int answer_find_host(struct answer *a, struct store_host *ret, struct err *err)
{
	memset(ret, 0, sizeof(*ret));
	if (!a->request->host[0])
		return 0;
	return select_host(a->query->store, a->request->host, ret, err);
}
