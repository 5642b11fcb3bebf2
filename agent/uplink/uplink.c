/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink.c - outbox -> collector -> acknowledgement -> outbox: the states
 *
 *	  connected            WELCOME
 *	LOST -----------> ASKED -----------------> OPEN
 *	  ^               ^  |  ^                   |
 *	  |               +--+  +-- no ACK in time -+
 *	  |     no WELCOME in time                  |
 *	  +------------------ lost -----------------+
 *
 * The normal course: HELLO, WELCOME with what the collector has, then events
 * after that in batches, at most a window of them unacknowledged.  One batch a
 * turn of the loop, so that a long outbox does not hold up the engine.
 *
 * What can fail: messages and acknowledgements are lost with a connection or a
 * collector; HELLO asks what arrived and sending goes on from there, so the
 * collector may see events twice, but in order and without gaps.  The journal
 * cannot be read: tried again later; events are safe where they are.
 *
 * What a restart does: nothing is kept here; HELLO asks.
 *
 * BACKWARDS, from ASKED or OPEN and without a way out: the collector has
 * events of this epoch that the journal never made.  New ones would get
 * numbers that it knows already, and be taken for repeats.
 */
#include "agent/uplink/uplink.h"

#include <stdlib.h>
#include <string.h>

#include "agent/journal/journal.h"
#include "agent/uplink/uplink_private.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/codec.h"
#include "proto/link.h"
#include "proto/message.h"

#define LINK_QUEUE 64  /* messages: events wait in the journal, not there */
#define BUSY_MS 50     /* the link takes nothing now */
#define QUIET_MS 10000 /* between two lines about the same thing */

DEFINE_CLEANUP(struct uplink, uplink_free)

void uplink_after_ms(struct uplink *u, struct loop_timer *timer, int64_t ms)
{
	loop_timer_set(u->loop, timer, clock_ms() + ms);
}

/* --- log -------------------------------------------------------------- */

bool uplink_may_say(struct quiet *quiet)
{
	const int64_t now = clock_ms();

	if (now < quiet->until_ms) {
		quiet->skipped++;
		return false;
	}
	if (quiet->skipped > 0)
		log_info("uplink: %u lines like the following were left out",
			 quiet->skipped);
	*quiet = (struct quiet){ .until_ms = now + QUIET_MS };
	return true;
}

/* A connection that comes and goes is not told each time, but how it ended up
 * always is. */
static void tell_state(struct uplink *u)
{
	const bool open = u->state == OPEN;
	const bool first = open && !u->told;

	if (u->told && open == u->told_open)
		return;
	if (!first && clock_ms() < u->tell_from_ms) {
		loop_timer_set(u->loop, &u->tell, u->tell_from_ms);
		return;
	}
	if (open)
		log_info(
			"uplink: connected to '%s', which has %llu of %llu events",
			u->config.endpoint, (unsigned long long)u->acked,
			(unsigned long long)journal_last_seq(u->journal));
	else
		log_warning("uplink: no collector at '%s': %s",
			    u->config.endpoint, u->why_not_open);
	u->told = true;
	u->told_open = open;
	u->tell_from_ms = clock_ms() + QUIET_MS;
}

static void tell_expired(struct loop_timer *timer)
{
	tell_state(CONTAINER_OF(timer, struct uplink, tell));
}

/* --- states ----------------------------------------------------------- */

void uplink_enter(struct uplink *u, enum uplink_state state, const char *why)
{
	loop_timer_del(&u->send);
	loop_timer_del(&u->silence);
	loop_timer_del(&u->ping);
	u->state = state;
	if (why)
		u->why_not_open = why;
	/* BACKWARDS has a line of its own. */
	if (state == BACKWARDS)
		loop_timer_del(&u->tell);
	else
		tell_state(u);
}

int uplink_send_message(struct uplink *u, const struct message *message,
			struct err *err)
{
	void *data = NULL;
	size_t size = 0;
	int r;

	r = codec_pack(message, &data, &size, err);
	if (r == 0)
		r = link_send(u->link, NULL, data, size, err);
	free(data);
	if (r == 0 && u->state == OPEN)
		uplink_after_ms(u, &u->ping, u->config.ping_ms);
	return r;
}

static void say_hello(struct uplink *u, const char *why)
{
	struct message m = { .kind = MESSAGE_HELLO };

	m.hello.host = *journal_host(u->journal);
	str_copy_cut(m.hello.host_name, sizeof(m.hello.host_name),
		     u->config.host_name);
	str_copy_cut(m.hello.version, sizeof(m.hello.version),
		     u->config.version);
	m.hello.epoch = journal_epoch(u->journal);
	m.hello.last_seq = journal_last_seq(u->journal);

	uplink_enter(u, ASKED, why);
	uplink_after_ms(u, &u->silence, u->config.ack_timeout_ms);
	if (uplink_send_message(u, &m, NULL) < 0)
		uplink_after_ms(u, &u->send, BUSY_MS);
}

static void on_connected(void *owner)
{
	struct uplink *u = owner;

	if (u->state != BACKWARDS)
		say_hello(u, "it has not answered yet");
}

static void on_lost(void *owner)
{
	struct uplink *u = owner;

	if (u->state != BACKWARDS)
		uplink_enter(u, LOST, "the connection was lost");
}

static void send_expired(struct loop_timer *timer)
{
	struct uplink *u = CONTAINER_OF(timer, struct uplink, send);

	if (u->state == ASKED)
		say_hello(u, NULL);
	else
		uplink_send_events(u);
}

static void silence_expired(struct loop_timer *timer)
{
	struct uplink *u = CONTAINER_OF(timer, struct uplink, silence);

	say_hello(u, u->state == OPEN ? "it does not acknowledge events"
				      : "it does not answer");
}

static void ping_expired(struct loop_timer *timer)
{
	struct uplink *u = CONTAINER_OF(timer, struct uplink, ping);
	const struct message m = { .kind = MESSAGE_PING };

	/* One that cannot be sent is not missed: something else waits. */
	if (uplink_send_message(u, &m, NULL) < 0)
		uplink_after_ms(u, &u->ping, u->config.ping_ms);
}

/* --- life ------------------------------------------------------------- */

static int copy_text(const char **text, struct err *err)
{
	*text = strdup(*text);
	return *text ? 0 : err_set(err, ERR_NOMEM, 0, "out of memory");
}

static int copy_config(struct uplink *u, const struct uplink_config *config,
		       struct err *err)
{
	int r;

	if (config->batch == 0 || config->window == 0 ||
	    config->ack_timeout_ms <= 0 || config->ping_ms <= 0)
		return err_set(err, ERR_INVALID, 0,
			       "uplink: batch, window and times must not be 0");
	u->config = *config;
	u->config.host_name = u->config.version = NULL;
	r = copy_text(&u->config.endpoint, err);
	if (r < 0)
		return r;
	u->config.host_name = config->host_name;
	r = copy_text(&u->config.host_name, err);
	if (r < 0)
		return r;
	u->config.version = config->version;
	return copy_text(&u->config.version, err);
}

static int open_link(struct uplink *u, struct err *err)
{
	static const struct link_ops ops = {
		.received = uplink_received,
		.connected = on_connected,
		.lost = on_lost,
	};
	const struct link_config config = {
		.endpoint = u->config.endpoint,
		.queue = LINK_QUEUE,
	};

	return link_new(&u->link, u->loop, &config, &ops, u, err);
}

int uplink_new(struct uplink **ret, struct loop *loop, struct journal *journal,
	       const struct uplink_config *config, struct err *err)
{
	CLEANUP(uplink_freep) struct uplink *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	u->loop = loop;
	u->journal = journal;
	u->acked = u->sent = journal_acked_seq(journal);
	u->send.expired = send_expired;
	u->silence.expired = silence_expired;
	u->ping.expired = ping_expired;
	u->tell.expired = tell_expired;
	r = copy_config(u, config, err);
	if (r == 0)
		r = open_link(u, err);
	if (r < 0)
		return err_wrap(err, r, "cannot reach the collector");

	/* Also say when it does not come to a connection at all. */
	u->why_not_open = "no connection";
	u->tell_from_ms = clock_ms() + QUIET_MS;
	tell_state(u);
	*ret = TAKE(u);
	return 0;
}

void uplink_free(struct uplink *u)
{
	if (!u)
		return;
	loop_timer_del(&u->send);
	loop_timer_del(&u->silence);
	loop_timer_del(&u->ping);
	loop_timer_del(&u->tell);
	link_free(u->link);
	free((void *)(uintptr_t)u->config.endpoint);
	free((void *)(uintptr_t)u->config.host_name);
	free((void *)(uintptr_t)u->config.version);
	free(u);
}

bool uplink_is_connected(const struct uplink *u)
{
	return u->state == OPEN;
}

uint64_t uplink_waiting(const struct uplink *u)
{
	const uint64_t last = journal_last_seq(u->journal);

	return last > u->acked ? last - u->acked : 0;
}
