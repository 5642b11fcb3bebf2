/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ingest.c - what agents say: order and duplicates
 *
 * An agent goes on from the seq of the WELCOME, several batches ahead of the
 * ACKs.  `taken` is how far it has come, `source.seq` how far that is committed.
 * A restart knows the committed marks and nothing else; agents say HELLO.
 */
#include "collector/ingest.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "collector/ingest_impl.h"
#include "collector/store.h"

#define CONNECTED_MS 90000
#define GAP_MS 1000
#define LOG_MS 10000

int ingest_new(struct ingest **ret, struct loop *loop, struct store *store,
	       const struct ingest_config *config, ingest_send *send,
	       void *owner, struct err *err)
{
	struct ingest *in = calloc(1, sizeof(*in));

	if (!in)
		return err_set(err, ERR_NOMEM, 0, "cannot start to ingest");
	in->loop = loop;
	in->store = store;
	in->config = *config;
	in->send = send;
	in->owner = owner;
	in->timer.expired = ingest_expired;
	*ret = in;
	return 0;
}

void ingest_free(struct ingest *in)
{
	if (!in)
		return;
	loop_timer_del(&in->timer);
	ingest_drop_waiting(in);
	free(in->waiting);
	roster_done(&in->roster);
	free(in);
}

const char *ingest_may_log(struct quiet *quiet)
{
	int64_t now = clock_ms();

	if (now < quiet->next_ms) {
		quiet->skipped++;
		return NULL;
	}
	quiet->text[0] = '\0';
	if (quiet->skipped > 0)
		snprintf(quiet->text, sizeof(quiet->text),
			 " (and %u like it before)", quiet->skipped);
	quiet->next_ms = now + LOG_MS;
	quiet->skipped = 0;
	return quiet->text;
}

void ingest_say(struct ingest *in, struct agent *agent,
		const struct message *message)
{
	if (agent->peer.size == 0)
		return;
	/* Its queue is full or it has gone: it will ask when it is back. */
	if (in->send(in->owner, &agent->peer, message) == -ERR_ABSENT)
		roster_set_route(&in->roster, agent, NULL);
}

static void heard(struct agent *agent)
{
	agent->heard_ms = clock_ms();
	agent->heard_wall_ms = clock_wall_ms();
}

/* --- what agents say ---------------------------------------------------- */

static void stranger(struct ingest *in, const char *what)
{
	const char *skipped;

	in->counts.strangers++;
	skipped = ingest_may_log(&in->about_strangers);
	if (skipped)
		log_debug("dropped %s%s", what, skipped);
}

static void check_history(struct ingest *in, const struct agent *agent)
{
	const char *skipped;

	if (agent->hello.last_seq >= agent->source.seq)
		return;
	skipped = ingest_may_log(&in->about_hosts);
	if (skipped)
		log_warning(
			"host '%s' knows events up to %llu, but %llu are here:"
			" its journal went back in time%s",
			agent->hello.host_name,
			(unsigned long long)agent->hello.last_seq,
			(unsigned long long)agent->source.seq, skipped);
}

/* Whose journal it is now, and how far we have it. */
static int load_source(struct ingest *in, struct agent *agent,
		       const struct hello *hello)
{
	struct store_source source;
	struct err err = { 0 };
	const char *skipped;
	int r = store_find_source(in->store, &hello->host, hello->epoch,
				  &source, &err);

	if (r < 0) {
		skipped = ingest_may_log(&in->about_failures);
		if (skipped)
			log_error("cannot look up host '%s': %s%s",
				  hello->host_name, err.text, skipped);
		return r;
	}
	agent->hello = *hello;
	agent->source = source;
	agent->taken = source.seq;
	agent->gap_ms = 0;
	return 0;
}

void ingest_hello(struct ingest *in, const struct link_peer *peer,
		  const struct hello *hello)
{
	struct agent *agent;

	if (id_is_null(&hello->host)) {
		stranger(in, "HELLO without a host");
		return;
	}
	agent = roster_add(&in->roster, &hello->host);
	if (!agent) {
		stranger(in, "HELLO of one host too many");
		return;
	}
	/* So that what it has sent already counts. */
	if (agent->in_batch && !in->broken)
		ingest_flush(in);
	if (load_source(in, agent, hello) < 0)
		return;
	roster_set_route(&in->roster, agent, peer);
	heard(agent);
	check_history(in, agent);
	agent->unsaved = true;
	agent->owes_welcome = true;
	ingest_join(in, agent);
	ingest_schedule(in);
}

static void take(struct ingest *in, struct agent *agent,
		 struct event_item *item)
{
	in->waiting[in->n_waiting++] =
		(struct waiting){ agent, item->seq, item->body, item->size };
	in->bytes += item->size;
	item->body = NULL;
	agent->taken = item->seq;
	agent->gap_ms = 0;
}

/* An agent sends several batches ahead: one WELCOME for all that follow the
 * gap, and again only if it does not take heed. */
static void report_gap(struct ingest *in, struct agent *agent)
{
	int64_t now = clock_ms();

	in->counts.gaps++;
	if (agent->gap_ms && now < agent->gap_ms + GAP_MS)
		return;
	agent->gap_ms = now;
	agent->owes_welcome = true;
	ingest_join(in, agent);
}

static struct agent *sender_of(struct ingest *in, const struct link_peer *peer,
			       const struct events *events)
{
	struct agent *agent = roster_by_route(&in->roster, peer);

	if (!agent)
		stranger(in, "EVENTS of someone who did not say HELLO");
	else if (!id_equal(&agent->hello.host, &events->host) ||
		 agent->hello.epoch != events->epoch)
		stranger(in,
			 "EVENTS for another host or epoch than of its HELLO");
	else
		return agent;
	return NULL;
}

void ingest_events(struct ingest *in, const struct link_peer *peer,
		   struct events *events)
{
	struct agent *agent = sender_of(in, peer, events);

	if (!agent)
		return;
	heard(agent);
	if (in->broken || !ingest_make_room(in, events->n_items))
		return;
	for (size_t i = 0; i < events->n_items; i++) {
		struct event_item *item = &events->items[i];

		if (item->seq > agent->taken + 1) {
			report_gap(in, agent);
			break;
		}
		ingest_join(in, agent);
		if (item->seq == agent->taken + 1)
			take(in, agent, item);
		else
			in->counts.duplicates++;
	}
	ingest_schedule(in);
}

void ingest_ping(struct ingest *in, const struct link_peer *peer)
{
	const struct message message = { .kind = MESSAGE_PING };
	struct agent *agent = roster_by_route(&in->roster, peer);

	if (!agent) {
		stranger(in, "PING of someone who did not say HELLO");
		return;
	}
	heard(agent);
	ingest_say(in, agent, &message);
}

/* --- asked by queries ---------------------------------------------------- */

static bool is_connected(const struct agent *agent)
{
	return agent->peer.size > 0 &&
	       clock_ms() - agent->heard_ms < CONNECTED_MS;
}

bool ingest_is_connected(const struct ingest *in, const struct id *host,
			 int64_t *ret_seen_ms)
{
	const struct agent *agent = roster_by_host(&in->roster, host);

	if (!agent)
		return false;
	*ret_seen_ms = agent->heard_wall_ms;
	return is_connected(agent);
}

unsigned ingest_connected(const struct ingest *in)
{
	unsigned n = 0;

	for (const struct agent *a = in->roster.all; a; a = a->next)
		n += is_connected(a);
	return n;
}

const struct ingest_counts *ingest_counts(const struct ingest *in)
{
	return &in->counts;
}
