/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-uplink.c - every event arrives once, in order, whatever is lost
 *
 * A collector made of link.h and codec.h, on the same loop, that can be told
 * to lose, forget and lie.
 */
#include "agent/uplink/uplink.h"

#include "agent/journal/journal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "proto/codec.h"
#include "proto/link.h"
#include "proto/message.h"
#include "tests/lib/test.h"

#define BATCH 10
#define WINDOW 40
#define ACK_MS 150
#define PATIENCE_MS 20000

static struct err err;

struct collector {
	struct link *link;
	struct link_peer agent;
	uint64_t epoch;    /* of the last HELLO */
	uint64_t last_seq; /* as it said */
	uint64_t committed;
	uint64_t told; /* of WELCOME and ACK */
	bool no_welcome, no_acks, no_commits, other_epoch;
	uint64_t lie; /* seq of the next WELCOME */
	bool any_gap; /* accepts one */
	bool dropped; /* anything of what came */
	unsigned n_hellos, n_batches, n_pings, n_repeats;
	uint64_t largest; /* bytes of events in one message */
	unsigned lose;    /* percent of messages and acknowledgements */
};

static struct loop *loop;
static struct journal *journal;
static struct uplink *uplink;
static struct collector c;
static char endpoint[128], journal_path[128];
static struct uplink_config config;

/* --- the collector ---------------------------------------------------- */

static bool is_lost(void)
{
	const bool lost = c.lose > 0 && (unsigned)random() % 100 < c.lose;

	c.dropped |= lost;
	return lost;
}

static void answer(const struct message *m)
{
	void *data = NULL;
	size_t size;

	if (is_lost())
		return;
	assert_ok(codec_pack(m, &data, &size, &err), err);
	link_send(c.link, &c.agent, data, size, NULL);
	free(data);
}

static void answer_hello(const struct hello *hello)
{
	struct message m = { .kind = MESSAGE_WELCOME };

	assert_true(id_equal(&hello->host, journal_host(journal)));
	assert_string_equal(hello->host_name, "hv-1");
	assert_string_equal(hello->version, "0.1");
	c.n_hellos++;
	c.epoch = hello->epoch;
	c.last_seq = hello->last_seq;
	if (c.no_welcome)
		return;
	m.welcome.epoch = c.epoch + c.other_epoch;
	m.welcome.seq = c.lie ? c.lie : c.committed;
	c.told = c.committed;
	answer(&m);
}

static void commit_event(const struct event_item *item)
{
	struct event event;
	char text[32];

	if (item->seq <= c.committed) {
		c.n_repeats++;
		return;
	}
	if (item->seq != c.committed + 1 && !c.any_gap) {
		/* only after a message that was lost, or not committed */
		assert_true(c.dropped);
		return;
	}
	assert_ok(codec_unpack_event(item->body, item->size, &event, &err),
		  err);
	snprintf(text, sizeof(text), "event %llu",
		 (unsigned long long)item->seq);
	assert_string_equal(event.text, text);
	event_done(&event);
	c.committed = item->seq;
}

static void take_events(const struct events *events)
{
	struct message m = { .kind = MESSAGE_ACK };
	uint64_t bytes = 0;

	c.n_batches++;
	assert_true(id_equal(&events->host, journal_host(journal)));
	assert_int_equal(events->epoch, journal_epoch(journal));
	assert_in_range(events->n_items, 1, BATCH);
	for (size_t i = 0; i < events->n_items; i++) {
		bytes += events->items[i].size;
		assert_int_equal(events->items[i].seq,
				 events->items[0].seq + i);
		if (!c.no_commits)
			commit_event(&events->items[i]);
	}
	if (bytes > c.largest)
		c.largest = bytes;
	c.dropped |= c.no_commits;
	if (c.no_acks || c.no_commits)
		return;
	m.ack.epoch = c.epoch;
	m.ack.seq = c.told = c.committed;
	answer(&m);
}

static void collector_received(void *owner, const struct link_peer *peer,
			       const void *data, size_t size)
{
	struct message m = { 0 };

	(void)owner;
	c.agent = *peer;
	if (is_lost())
		return;
	assert_ok(codec_unpack(data, size, &m, &err), err);
	switch (m.kind) {
	case MESSAGE_HELLO:
		answer_hello(&m.hello);
		break;
	case MESSAGE_EVENTS:
		take_events(&m.events);
		break;
	case MESSAGE_PING:
		c.n_pings++;
		break;
	default:
		fail_msg("message of kind %d", (int)m.kind);
	}
	message_done(&m);
}

static void collector_start(void)
{
	static const struct link_ops ops = { .received = collector_received };
	const struct link_config link = { .listen = true,
					  .endpoint = endpoint,
					  .queue = 100 };

	assert_ok(link_new(&c.link, loop, &link, &ops, &c, &err), err);
}

static void collector_stop(void)
{
	link_free(c.link);
	c.link = NULL;
}

/* --- the loop, until something is true -------------------------------- */

static bool (*wanted)(void);
static int64_t give_up_ms;

static void look(struct loop_timer *timer)
{
	if ((wanted && wanted()) || clock_ms() >= give_up_ms)
		loop_stop(loop);
	else
		loop_timer_set(loop, timer, clock_ms() + 2);
}

static bool run_for(bool (*until)(void), int64_t ms)
{
	/* Static: an assertion that fails in the loop leaves it set. */
	static struct loop_timer timer;

	timer = (struct loop_timer){ .expired = look };
	wanted = until;
	give_up_ms = clock_ms() + ms;
	look(&timer);
	assert_ok(loop_run(loop, &err), err);
	loop_timer_del(&timer);
	return until && until();
}

#define run_until(until) assert_true(run_for(until, PATIENCE_MS))

static bool all_acked(void)
{
	return uplink_is_connected(uplink) && uplink_waiting(uplink) == 0;
}

static bool is_not_open(void)
{
	return !uplink_is_connected(uplink);
}

static bool has_three_hellos(void)
{
	return c.n_hellos >= 3;
}

static bool has_batch(void)
{
	return c.n_batches > 0;
}

static bool has_window(void)
{
	return c.committed >= WINDOW;
}

static bool has_pings(void)
{
	return c.n_pings >= 3;
}

/* --- the agent -------------------------------------------------------- */

static void put_events(unsigned n)
{
	struct event event = { .kind = EVENT_REQUESTED };

	event.seq = journal_last_seq(journal);
	assert_ok(journal_begin(journal, &err), err);
	for (unsigned i = 0; i < n; i++) {
		snprintf(event.text, sizeof(event.text), "event %llu",
			 (unsigned long long)event.seq + 1);
		assert_ok(journal_put_event(journal, &event, &err), err);
	}
	assert_ok(journal_commit(journal, &err), err);
	if (uplink)
		uplink_poke(uplink);
}

static void agent_start(void)
{
	assert_ok(uplink_new(&uplink, loop, journal, &config, &err), err);
	assert_false(uplink_is_connected(uplink));
}

static void agent_stop(void)
{
	uplink_free(uplink);
	uplink = NULL;
}

static int set_up(void **state)
{
	static unsigned n;

	(void)state;
	memset(&c, 0, sizeof(c));
	snprintf(endpoint, sizeof(endpoint), "ipc://%s/c-%u", test_dir_path, n);
	snprintf(journal_path, sizeof(journal_path), "%s/j-%u.db",
		 test_dir_path, n++);
	config = (struct uplink_config){
		.endpoint = endpoint,
		.host_name = "hv-1",
		.version = "0.1",
		.batch = BATCH,
		.window = WINDOW,
		.ack_timeout_ms = ACK_MS,
		.ping_ms = 60000,
		.keep = 100,
	};
	if (loop_new(&loop, &err) < 0)
		return -1;
	return journal_open(&journal, journal_path, &err);
}

static int tear_down(void **state)
{
	(void)state;
	agent_stop();
	collector_stop();
	journal_close(journal);
	loop_free(loop);
	return 0;
}

/* --- tests ------------------------------------------------------------ */

static void test_bad_config(void **state)
{
	(void)state;
	config.batch = 0;
	assert_fails(uplink_new(&uplink, loop, journal, &config, &err),
		     ERR_INVALID, err);
	config.batch = 1;
	config.endpoint = "nonsense";
	assert_int_not_equal(uplink_new(&uplink, loop, journal, &config, &err),
			     0);
	assert_null(uplink);
	uplink_free(NULL);
}

static void test_delivers(void **state)
{
	(void)state;
	put_events(95);
	collector_start();
	agent_start();
	assert_int_equal(uplink_waiting(uplink), 95);
	run_until(all_acked);
	assert_int_equal(c.last_seq, 95);
	assert_int_equal(c.committed, 95);
	assert_int_equal(c.n_repeats, 0);
	assert_int_equal(c.n_hellos, 1);
	assert_in_range(c.n_batches, 10, 12);
	assert_int_equal(journal_acked_seq(journal), 95);
	/* and what comes later, without a word from the collector before */
	put_events(1);
	assert_int_equal(uplink_waiting(uplink), 1);
	run_until(all_acked);
	assert_int_equal(c.committed, 96);
}

static void test_resumes(void **state)
{
	(void)state;
	put_events(30);
	c.committed = 17;
	collector_start();
	agent_start();
	run_until(all_acked);
	assert_int_equal(c.committed, 30);
	assert_int_equal(c.n_repeats, 0);
	assert_int_equal(c.n_batches, 2);

	/* a new process asks again and has nothing to send */
	agent_stop();
	journal_close(journal);
	assert_ok(journal_open(&journal, journal_path, &err), err);
	agent_start();
	assert_int_equal(uplink_waiting(uplink), 0);
	run_until(all_acked);
	assert_int_equal(c.n_batches, 2);
}

static void test_window(void **state)
{
	(void)state;
	put_events(100);
	c.no_acks = true;
	config.ack_timeout_ms = 60000;
	collector_start();
	agent_start();
	run_until(has_window);
	run_for(NULL, 100);
	assert_int_equal(c.committed, WINDOW);
	assert_int_equal(uplink_waiting(uplink), 100);
}

static void test_lost_acks(void **state)
{
	(void)state;
	put_events(15);
	c.no_acks = true;
	collector_start();
	agent_start();
	run_until(has_batch);
	/* the WELCOME after the time-out stands for them */
	run_until(all_acked);
	assert_int_equal(c.committed, 15);
	assert_in_range(c.n_hellos, 2, 3);
}

static void test_collector_without_commits(void **state)
{
	(void)state;
	put_events(15);
	c.no_commits = true;
	collector_start();
	agent_start();
	run_until(has_three_hellos);
	assert_int_equal(journal_acked_seq(journal), 0);
	assert_int_equal(uplink_waiting(uplink), 15);
	c.no_commits = false;
	run_until(all_acked);
	assert_int_equal(c.committed, 15);
	assert_int_equal(c.n_repeats, 0);
}

static void test_no_welcome(void **state)
{
	(void)state;
	put_events(5);
	c.no_welcome = true;
	collector_start();
	agent_start();
	run_until(has_three_hellos);
	assert_false(uplink_is_connected(uplink));
	assert_int_equal(c.n_batches, 0);
	c.no_welcome = false;
	run_until(all_acked);
}

static void test_other_epoch(void **state)
{
	(void)state;
	put_events(5);
	c.other_epoch = true;
	c.lie = 3;
	collector_start();
	agent_start();
	run_until(has_three_hellos);
	assert_false(uplink_is_connected(uplink));
	assert_int_equal(c.n_batches, 0);
	assert_int_equal(journal_acked_seq(journal), 0);
	c.other_epoch = false;
	c.lie = 0;
	run_until(all_acked);
}

static void test_listener_restarts(void **state)
{
	(void)state;
	agent_start(); /* before the collector */
	put_events(12);
	run_for(NULL, 50);
	assert_false(uplink_is_connected(uplink));
	collector_start();
	run_until(all_acked);

	for (int i = 0; i < 3; i++) {
		collector_stop();
		run_until(is_not_open);
		put_events(12);
		run_for(NULL, 20);
		collector_start();
		run_until(all_acked);
	}
	assert_int_equal(c.committed, 48);
	assert_int_equal(c.n_repeats, 0);
	assert_true(c.n_hellos >= 4);
}

static void stays_silent(unsigned n_batches)
{
	const unsigned n_hellos = c.n_hellos;

	put_events(50);
	run_for(NULL, 3 * ACK_MS);
	assert_false(uplink_is_connected(uplink));
	assert_int_equal(c.n_batches, n_batches);
	assert_int_equal(c.n_hellos, n_hellos);
	assert_int_equal(c.n_pings, 0);
	assert_int_equal(uplink_waiting(uplink),
			 journal_last_seq(journal) -
				 journal_acked_seq(journal));
}

static bool has_hello(void)
{
	return c.n_hellos > 0;
}

static void test_journal_went_back(void **state)
{
	(void)state;
	put_events(5);
	c.lie = 6;
	config.ping_ms = 20;
	collector_start();
	agent_start();
	run_until(has_hello);
	run_for(NULL, 50);
	stays_silent(0);
	assert_int_equal(journal_acked_seq(journal), 0);
	/* nor after a connection of its own */
	collector_stop();
	run_for(NULL, 50);
	c.lie = 0;
	collector_start();
	stays_silent(0);
}

static void test_ack_of_what_was_never_made(void **state)
{
	struct message m = { .kind = MESSAGE_ACK };

	(void)state;
	put_events(5);
	collector_start();
	agent_start();
	run_until(all_acked);
	m.ack.epoch = c.epoch;
	m.ack.seq = 6;
	answer(&m);
	run_until(is_not_open);
	assert_int_equal(journal_acked_seq(journal), 5);
	stays_silent(1);
}

static void test_nonsense(void **state)
{
	struct message m = { .kind = MESSAGE_ACK };

	(void)state;
	put_events(5);
	collector_start();
	agent_start();
	run_until(all_acked);
	for (int i = 0; i < 20; i++)
		assert_ok(link_send(c.link, &c.agent, "\xff\xffrubbish", 9,
				    &err),
			  err);
	m.ack.epoch = c.epoch + 1; /* not ours */
	m.ack.seq = 99;
	answer(&m);
	m = (struct message){ .kind = MESSAGE_WELCOME }; /* not asked for */
	m.welcome.epoch = c.epoch;
	answer(&m);
	m = (struct message){ .kind = MESSAGE_PING };
	answer(&m);
	m = (struct message){ .kind = MESSAGE_REQUEST };
	answer(&m);
	run_for(NULL, 100);
	put_events(5);
	run_until(all_acked);
	assert_int_equal(c.committed, 10);
	assert_int_equal(c.n_repeats, 0);
	assert_int_equal(c.n_hellos, 1);
}

static void test_pings(void **state)
{
	(void)state;
	config.ping_ms = 20;
	collector_start();
	agent_start();
	run_until(has_pings);
	assert_int_equal(c.n_hellos, 1);
}

/* The collector was restored from a backup; the journal still has what is
 * missing there. */
static void test_collector_went_back(void **state)
{
	(void)state;
	put_events(50);
	collector_start();
	agent_start();
	run_until(all_acked);
	collector_stop();
	run_until(is_not_open);
	c.committed = 20;
	collector_start();
	run_until(all_acked);
	assert_int_equal(c.committed, 50);
	assert_int_equal(journal_acked_seq(journal), 50);
}

static void test_collector_went_back_too_far(void **state)
{
	(void)state;
	config.keep = 5;
	put_events(50);
	collector_start();
	agent_start();
	run_until(all_acked);
	collector_stop();
	run_until(is_not_open);
	c.committed = 20;
	c.any_gap = true;
	collector_start();
	run_until(all_acked);
	assert_int_equal(c.committed, 50);
}

static void test_large_events(void **state)
{
	struct event event = { .kind = EVENT_TAKEN };
	struct snapshot_disk *disk;

	(void)state;
	event.record = malloc(sizeof(*event.record));
	assert_non_null(event.record);
	snapshot_init(event.record);
	for (int i = 0; i < 100; i++) {
		assert_ok(snapshot_add_disk(event.record, &disk, &err), err);
		memset(disk->source, 's', sizeof(disk->source) - 1);
		memset(disk->object, 'o', sizeof(disk->object) - 1);
		memset(disk->active, 'a', sizeof(disk->active) - 1);
	}
	for (unsigned i = 1; i <= 12; i++) {
		snprintf(event.text, sizeof(event.text), "event %u", i);
		assert_ok(journal_put_event(journal, &event, &err), err);
	}
	event_done(&event);
	collector_start();
	agent_start();
	run_until(all_acked);
	assert_int_equal(c.committed, 12);
	assert_in_range(c.largest, 600000, 1 << 20);
	assert_int_equal(c.n_batches, 4);
}

static void restart_agent(void)
{
	agent_stop();
	journal_close(journal);
	assert_ok(journal_open(&journal, journal_path, &err), err);
	agent_start();
}

static void test_storm(void **state)
{
	unsigned left = 5000;

	(void)state;
	srandom(7);
	config.batch = BATCH;
	config.keep = 50;
	config.ack_timeout_ms = 40;
	c.lose = 3;
	collector_start();
	agent_start();
	while (left > 0) {
		unsigned n = (unsigned)random() % 300 + 1;

		n = n < left ? n : left;
		left -= n;
		put_events(n);
		run_for(NULL, random() % 60);
		switch (random() % 6) {
		case 0:
			collector_stop();
			run_for(NULL, random() % 30);
			collector_start();
			break;
		case 1:
			restart_agent();
			break;
		}
	}
	c.lose = 0;
	run_until(all_acked);
	assert_int_equal(c.committed, 5000);
	assert_int_equal(journal_acked_seq(journal), 5000);
	assert_int_equal(c.told, 5000);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_bad_config),
		T(test_delivers),
		T(test_resumes),
		T(test_window),
		T(test_lost_acks),
		T(test_collector_without_commits),
		T(test_no_welcome),
		T(test_other_epoch),
		T(test_listener_restarts),
		T(test_journal_went_back),
		T(test_ack_of_what_was_never_made),
		T(test_nonsense),
		T(test_pings),
		T(test_collector_went_back),
		T(test_collector_went_back_too_far),
		T(test_large_events),
		T(test_storm),
	};

	log_init("test-uplink", LOG_LEVEL_DEBUG);
	return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
