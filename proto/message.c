/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* message.c - words, release and lists of messages */
#include "proto/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

WORD_DEFINE(request_kind, REQUEST_KINDS)

static void events_done(struct events *events)
{
	for (size_t i = 0; i < events->n_items; i++)
		free(events->items[i].body);
	free(events->items);
}

void reply_done(struct reply *reply)
{
	for (size_t i = 0; i < reply->n_snapshots; i++)
		snapshot_done(&reply->snapshots[i]);
	for (size_t i = 0; i < reply->n_events; i++)
		event_done(&reply->events[i]);
	free(reply->snapshots);
	free(reply->vms);
	free(reply->events);
	free(reply->hosts);
	free(reply->facts);
	memset(reply, 0, sizeof(*reply));
}

void message_done(struct message *message)
{
	if (message->kind == MESSAGE_EVENTS)
		events_done(&message->events);
	if (message->kind == MESSAGE_REPLY)
		reply_done(&message->reply);
	memset(message, 0, sizeof(*message));
}

/* Always asks for the next power of two: no member is needed for the room, a
 * list that others made may grow as well, and mostly realloc() has nothing to
 * do. */
static void *grow(void *rows, size_t n, size_t row_size)
{
	size_t room = 1;

	while (room <= n)
		room *= 2;
	return reallocarray(rows, room, row_size);
}

#define ADD(reply, list)                                                       \
	__extension__({                                                        \
		struct reply *r_ = (reply);                                    \
		void *rows_ = grow(r_->list, r_->n_##list, sizeof(*r_->list)); \
		if (rows_) {                                                   \
			r_->list = rows_;                                      \
			memset(&r_->list[r_->n_##list], 0, sizeof(*r_->list)); \
		}                                                              \
		rows_ ? &r_->list[r_->n_##list++] : NULL;                      \
	})

struct snapshot *reply_add_snapshot(struct reply *reply)
{
	return ADD(reply, snapshots);
}

struct vm_row *reply_add_vm(struct reply *reply)
{
	return ADD(reply, vms);
}

struct event *reply_add_event(struct reply *reply)
{
	return ADD(reply, events);
}

struct host_row *reply_add_host(struct reply *reply)
{
	return ADD(reply, hosts);
}

int reply_add_fact(struct reply *reply, const char *key, const char *fmt, ...)
{
	struct fact *fact = ADD(reply, facts);
	char value[2 * sizeof(fact->value)];
	va_list ap;

	if (!fact)
		return -ERR_NOMEM;
	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	str_copy_cut(fact->key, sizeof(fact->key), key);
	str_copy_cut(fact->value, sizeof(fact->value), value);
	return 0;
}
