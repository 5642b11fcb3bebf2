/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink_hear.c - what the collector says: WELCOME and ACK
 *
 * It is believed only about our epoch and up to what the journal made.  The
 * crash story is in uplink.c.
 */
#include "agent/journal/journal.h"
#include "agent/uplink/uplink_private.h"
#include "base/log.h"
#include "proto/codec.h"
#include "proto/message.h"

static void go_backwards(struct uplink *u, uint64_t seq)
{
	uplink_enter(u, BACKWARDS, NULL);
	log_error(
		"uplink: the collector at '%s' has event %llu of this journal, "
		"whose last is %llu: the journal went back in time, nothing is "
		"sent; set it aside to begin a new one",
		u->config.endpoint, (unsigned long long)seq,
		(unsigned long long)journal_last_seq(u->journal));
}

/* May `seq` of `epoch` be taken? */
static bool is_ours(struct uplink *u, uint64_t epoch, uint64_t seq,
		    const char *what)
{
	if (epoch != journal_epoch(u->journal)) {
		if (uplink_may_say(&u->about_input))
			log_warning("uplink: '%s' sent %s of another epoch",
				    u->config.endpoint, what);
		return false;
	}
	if (seq > journal_last_seq(u->journal)) {
		go_backwards(u, seq);
		return false;
	}
	return true;
}

static void note_acked(struct uplink *u, uint64_t seq)
{
	struct err err = { 0 };

	u->acked = seq;
	if (u->sent < seq)
		u->sent = seq;
	/* Not needed to go on: the next one tells the journal again. */
	if (journal_ack(u->journal, seq, u->config.keep, &err) < 0 &&
	    uplink_may_say(&u->about_journal))
		log_error("uplink: cannot note acknowledged events: %s",
			  err.text);
}

static void got_welcome(struct uplink *u, const struct welcome *welcome)
{
	/* One more than was asked for would set `sent` back for nothing. */
	if (u->state != ASKED ||
	    !is_ours(u, welcome->epoch, welcome->seq, "a welcome"))
		return;
	u->sent = welcome->seq;
	note_acked(u, welcome->seq);
	uplink_enter(u, OPEN, NULL);
	uplink_after_ms(u, &u->ping, u->config.ping_ms);
	uplink_poke(u);
}

static void got_ack(struct uplink *u, const struct ack *ack)
{
	if (u->state != OPEN ||
	    !is_ours(u, ack->epoch, ack->seq, "an acknowledgement"))
		return;
	if (ack->seq <= u->acked)
		return;
	note_acked(u, ack->seq);
	if (u->sent > u->acked)
		uplink_after_ms(u, &u->silence, u->config.ack_timeout_ms);
	else
		loop_timer_del(&u->silence);
	uplink_poke(u);
}

void uplink_received(void *owner, const struct link_peer *peer,
		     const void *data, size_t size)
{
	struct uplink *u = owner;
	struct message m = { 0 };
	struct err err = { 0 };

	(void)peer;
	if (codec_unpack(data, size, &m, &err) < 0) {
		if (uplink_may_say(&u->about_input))
			log_warning("uplink: dropped a message of '%s': %s",
				    u->config.endpoint, err.text);
		return;
	}
	/* A ping needs no answer, and other kinds are not for us yet. */
	if (m.kind == MESSAGE_WELCOME)
		got_welcome(u, &m.welcome);
	else if (m.kind == MESSAGE_ACK)
		got_ack(u, &m.ack);
	message_done(&m);
}
