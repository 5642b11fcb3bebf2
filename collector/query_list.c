/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * query_list.c - LIST: the newest snapshots that a filter lets through
 *
 * The search goes from the newest back and keeps row numbers; the answer turns
 * them round.  It filters the unpacked records, so each filter is one line and
 * needs no index; a time range is the exception, which is searched by index.
 */
#include <stdlib.h>

#include "base/str.h"
#include "collector/answer.h"
#include "collector/select.h"
#include "model/tags.h"
#include "proto/codec.h"

struct list_search {
	struct answer *answer;
	struct id host; /* nil: any */
	uint32_t limit;
	int64_t *rows; /* newest first */
	uint32_t n, room;
};

static bool is_wanted(const struct list_search *s, const struct snapshot *snap)
{
	const struct request *req = s->answer->request;

	if (!id_is_null(&s->host) && !id_equal(&s->host, &snap->host))
		return false;
	if (req->consistency && req->consistency != snap->consistency)
		return false;
	if (req->origin && req->origin != snap->origin)
		return false;
	if (req->label_like[0] && !str_matches(req->label_like, snap->label))
		return false;
	return !req->tag[0] || tags_have(snap->tags, req->tag);
}

static bool keep_row(struct list_search *s, int64_t row)
{
	if (s->n == s->room) {
		uint32_t room = s->room ? 2 * s->room : QUERY_ROWS;
		int64_t *rows = realloc(s->rows, room * sizeof(*rows));

		if (!rows)
			return answer_put(s->answer, NULL, 0);
		s->rows = rows;
		s->room = room;
	}
	s->rows[s->n++] = row;
	return true;
}

static bool each_listed(void *arg, const struct store_record *record)
{
	struct list_search *s = arg;
	struct snapshot snap = { 0 };
	bool wanted;

	if (answer_is_late(s->answer)) {
		answer_note(
			s->answer,
			"the search took too long, older snapshots were not looked at");
		return false;
	}
	if (codec_unpack_snapshot(record->body, record->size, &snap, NULL) < 0)
		return true;
	wanted = is_wanted(s, &snap);
	snapshot_done(&snap);
	if (!wanted)
		return true;
	if (s->n == QUERY_ROWS_MAX) {
		answer_note(s->answer, "there are more, older ones");
		return false;
	}
	return keep_row(s, record->record) && s->n != s->limit;
}

static int send_listed(struct list_search *s, struct err *err)
{
	struct answer *a = s->answer;
	struct snapshot snap;
	size_t size;
	int r;

	while (s->n > 0) {
		r = store_get_snapshot(a->query->store, s->rows[--s->n], &snap,
				       &size, err);
		if (r < 0)
			return r;
		if (!answer_snapshot(a, &snap, size))
			break;
	}
	return 0;
}

int query_list(struct answer *a, struct err *err)
{
	const struct request *req = a->request;
	struct list_search s = { .answer = a, .limit = req->limit };
	struct store_vm vm = { 0 };
	struct store_host host;
	int r = answer_find_host(a, &host, err);

	if (r == 0 && req->vm[0])
		r = select_vm(a->query->store, req->vm, &vm, err);
	if (r < 0)
		return r;
	s.host = host.row.host;
	r = store_newest(a->query->store, vm.vm, req->since_ms,
			 req->until_ms ? req->until_ms : INT64_MAX, each_listed,
			 &s, err);
	if (r == 0 && a->err.code == ERR_OK)
		r = send_listed(&s, err);
	free(s.rows);
	return r;
}
