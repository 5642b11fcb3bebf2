/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink_events.c - from the outbox into messages, within the window
 *
 * The crash story is in uplink.c.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/journal/journal.h"
#include "agent/uplink/uplink_private.h"
#include "base/log.h"
#include "proto/message.h"

#define BATCH_BYTES (1 << 20)
#define BUSY_MS 50    /* the link takes nothing now */
#define FAULT_MS 2000 /* the journal cannot be read */

/* The events of one message, as they are copied out of the journal. */
struct batch {
	struct message message;
	unsigned max;
	size_t bytes;
	uint64_t after; /* the newest in it */
	bool no_memory;
};

static bool batch_add(void *arg, uint64_t seq, const void *body, size_t size)
{
	struct batch *b = arg;
	struct events *events = &b->message.events;
	struct event_item *item = &events->items[events->n_items];

	if (events->n_items > 0 && b->bytes + size > BATCH_BYTES)
		return false;
	item->body = malloc(size > 0 ? size : 1);
	if (!item->body) {
		b->no_memory = true;
		return false;
	}
	if (size > 0)
		memcpy(item->body, body, size);
	item->seq = b->after = seq;
	item->size = size;
	b->bytes += size;
	return ++events->n_items < b->max;
}

static unsigned window_left(const struct uplink *u)
{
	const uint64_t flying = u->sent - u->acked;

	if (flying >= u->config.window)
		return 0;
	return u->config.window - (unsigned)flying;
}

static int fill_batch(struct uplink *u, struct batch *b, struct err *err)
{
	struct events *events = &b->message.events;
	int r;

	b->message.kind = MESSAGE_EVENTS;
	events->host = *journal_host(u->journal);
	events->epoch = journal_epoch(u->journal);
	b->max = window_left(u);
	if (b->max > u->config.batch)
		b->max = u->config.batch;
	events->items = calloc(b->max, sizeof(*events->items));
	if (!events->items)
		return err_set(err, ERR_NOMEM, 0, "out of memory");

	r = journal_each_event(u->journal, u->sent, batch_add, b, err);
	if (r == 0 && b->no_memory)
		r = err_set(err, ERR_NOMEM, 0, "out of memory");
	return r;
}

/* A collector that was set back by more than the journal keeps. */
static void note_gap(struct uplink *u, uint64_t first)
{
	if (first != u->sent + 1 && uplink_may_say(&u->about_journal))
		log_error("uplink: the collector at '%s' lacks events %llu to "
			  "%llu, which the journal no longer has",
			  u->config.endpoint, (unsigned long long)u->sent + 1,
			  (unsigned long long)first - 1);
}

static int send_batch(struct uplink *u, struct err *err)
{
	struct batch b = { 0 };
	int r = fill_batch(u, &b, err);

	if (r == 0 && b.message.events.n_items > 0) {
		note_gap(u, b.message.events.items[0].seq);
		r = uplink_send_message(u, &b.message, err);
		if (r == 0)
			u->sent = b.after;
	}
	message_done(&b.message);
	return r;
}

static bool has_more(const struct uplink *u)
{
	return u->state == OPEN && u->sent < journal_last_seq(u->journal) &&
	       window_left(u) > 0;
}

void uplink_send_events(struct uplink *u)
{
	const uint64_t before = u->sent;
	struct err err = { 0 };
	int r;

	if (!has_more(u))
		return;
	r = send_batch(u, &err);
	if (r < 0) {
		if (r != -ERR_BUSY && uplink_may_say(&u->about_journal))
			log_error("uplink: cannot send events: %s", err.text);
		uplink_after_ms(u, &u->send,
				r == -ERR_BUSY ? BUSY_MS : FAULT_MS);
		return;
	}
	if (u->sent == before)
		return;
	if (!u->silence.loop)
		uplink_after_ms(u, &u->silence, u->config.ack_timeout_ms);
	uplink_poke(u);
}

void uplink_poke(struct uplink *u)
{
	/* A timer that is set already may wait for the link or the journal. */
	if (has_more(u) && !u->send.loop)
		uplink_after_ms(u, &u->send, 0);
}
