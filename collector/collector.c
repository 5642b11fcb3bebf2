/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * collector.c - the daemon: owns loop, link, store, ingest and queries
 *
 * Start: loop and signals, database, then the socket, so that nobody is heard
 * before there is a place for what he says.  Stop: no more of the loop, a last
 * commit, its acknowledgements, then all in the opposite order.
 */
#include "collector/collector.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "collector/config.h"
#include "collector/ingest.h"
#include "collector/query.h"
#include "collector/store.h"
#include "proto/codec.h"
#include "proto/link.h"

#define RETRY_MS 1000
#define STATUS_MS 10000
#define LOG_MS 10000

struct collector {
	struct loop *loop;
	struct store *store;
	struct ingest *ingest;
	struct link *link;
	struct query query;
	struct loop_signal term, interrupt;
	struct loop_timer status, watchdog;
	int64_t next_log_ms; /* of a malformed message */
};

/* --- messages ----------------------------------------------------------- */

static int send_message(void *owner, const struct link_peer *peer,
			const struct message *message)
{
	struct collector *c = owner;
	struct err err = { 0 };
	void *data = NULL;
	size_t size;
	int r = codec_pack(message, &data, &size, &err);

	if (r == 0)
		r = link_send(c->link, peer, data, size, &err);
	if (r < 0)
		log_debug("cannot send: %s", err.text);
	free(data);
	return r;
}

struct asker {
	struct collector *collector;
	const struct link_peer *peer;
};

static int send_reply(void *arg, const struct reply *reply)
{
	const struct asker *asker = arg;
	const struct message message = {
		.kind = MESSAGE_REPLY,
		.reply = *reply, /* lent: not released here */
	};

	return send_message(asker->collector, asker->peer, &message);
}

static void answer(struct collector *c, const struct link_peer *peer,
		   const struct request *request)
{
	struct asker asker = { c, peer };

	query_answer(&c->query, request, send_reply, &asker);
}

static void malformed(struct collector *c, const struct err *why)
{
	int64_t now = clock_ms();

	c->query.n_malformed++;
	if (now < c->next_log_ms)
		return;
	c->next_log_ms = now + LOG_MS;
	log_warning("dropped a malformed message, %llu since the start: %s",
		    (unsigned long long)c->query.n_malformed, why->text);
}

static void received(void *owner, const struct link_peer *peer,
		     const void *data, size_t size)
{
	struct collector *c = owner;
	struct message message = { 0 };
	struct err err = { 0 };

	if (codec_unpack(data, size, &message, &err) < 0) {
		malformed(c, &err);
		return;
	}
	switch (message.kind) {
	case MESSAGE_HELLO:
		ingest_hello(c->ingest, peer, &message.hello);
		break;
	case MESSAGE_EVENTS:
		ingest_events(c->ingest, peer, &message.events);
		break;
	case MESSAGE_PING:
		ingest_ping(c->ingest, peer);
		break;
	case MESSAGE_REQUEST:
		answer(c, peer, &message.request);
		break;
	default:
		break; /* of a later version, or not for us */
	}
	message_done(&message);
}

/* --- start and stop ------------------------------------------------------- */

static void term_caught(struct loop_signal *sig)
{
	loop_stop(CONTAINER_OF(sig, struct collector, term)->loop);
}

static void interrupt_caught(struct loop_signal *sig)
{
	loop_stop(CONTAINER_OF(sig, struct collector, interrupt)->loop);
}

static void status_expired(struct loop_timer *timer)
{
	struct collector *c = CONTAINER_OF(timer, struct collector, status);
	const struct ingest_counts *n = ingest_counts(c->ingest);

	notify_status("%u agents connected, %llu events committed",
		      ingest_connected(c->ingest),
		      (unsigned long long)n->committed);
	loop_timer_set(c->loop, timer, clock_ms() + STATUS_MS);
}

static void watchdog_expired(struct loop_timer *timer)
{
	struct collector *c = CONTAINER_OF(timer, struct collector, watchdog);
	int64_t period_ms = notify_watchdog_period_ms();

	if (period_ms == 0)
		return;
	notify_watchdog();
	loop_timer_set(c->loop, timer, clock_ms() + period_ms);
}

/* A descriptor for each agent.  ZeroMQ's thread says nothing when they are
 * out, it only spins. */
static void raise_files_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warning("cannot raise the limit of open files");
}

static int open_loop(struct collector *c, struct err *err)
{
	int r = loop_new(&c->loop, err);

	c->term.caught = term_caught;
	c->interrupt.caught = interrupt_caught;
	c->status.expired = status_expired;
	c->watchdog.expired = watchdog_expired;
	if (r == 0)
		r = loop_signal_add(c->loop, &c->term, SIGTERM, err);
	if (r == 0)
		r = loop_signal_add(c->loop, &c->interrupt, SIGINT, err);
	return r;
}

static int open_parts(struct collector *c, const struct config *config,
		      struct err *err)
{
	static const struct link_ops ops = { .received = received };
	const struct link_config link = {
		.listen = true,
		.endpoint = config->endpoint,
		.queue = (size_t)config->queue,
	};
	const struct ingest_config ingest = { config->batch, config->flush_ms,
					      RETRY_MS };
	int r = open_loop(c, err);

	if (r == 0)
		r = store_open(&c->store, config->database, err);
	if (r == 0)
		r = ingest_new(&c->ingest, c->loop, c->store, &ingest,
			       send_message, c, err);
	if (r == 0)
		r = link_new(&c->link, c->loop, &link, &ops, c, err);
	return r;
}

int collector_new(struct collector **ret, const struct config *config,
		  struct err *err)
{
	struct collector *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	raise_files_limit();
	r = open_parts(c, config, err);
	if (r < 0) {
		collector_free(c);
		return r;
	}
	c->query.store = c->store;
	c->query.ingest = c->ingest;
	c->query.started_ms = clock_ms();
	*ret = c;
	return 0;
}

int collector_run(struct collector *c, struct err *err)
{
	int r;

	log_info("listening at %s", link_endpoint(c->link));
	notify_ready();
	status_expired(&c->status);
	watchdog_expired(&c->watchdog);
	r = loop_run(c->loop, err);

	notify_stopping();
	ingest_flush(c->ingest);
	log_info("stopped, %llu events were committed",
		 (unsigned long long)ingest_counts(c->ingest)->committed);
	return r;
}

void collector_free(struct collector *c)
{
	if (!c)
		return;
	loop_timer_del(&c->status);
	loop_timer_del(&c->watchdog);
	link_free(c->link);
	ingest_free(c->ingest);
	store_close(c->store);
	loop_free(c->loop);
	free(c);
}
