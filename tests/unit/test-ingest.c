/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-ingest.c - order, duplicates, commits and what is acknowledged */
#include "collector/ingest.h"

#include "base/clock.h"
#include "base/db.h"
#include "base/loop.h"
#include "collector/store.h"
#include "tests/lib/events.h"
#include "tests/lib/test.h"

#define EPOCH 7

/* What the collector said, as "W1:0 A1:3 P1 ": kind, peer, seq. */
static char said[1024];
static struct loop *loop;
static struct store *store;
static struct ingest *in;
static struct err err;
static unsigned gone; /* a peer that cannot be reached */

static struct link_peer peer_of(unsigned n)
{
	return (struct link_peer){ .size = 2, .route = { 0x80, (uint8_t)n } };
}

static int note(void *owner, const struct link_peer *peer,
		const struct message *message)
{
	char *end = said + strlen(said);
	unsigned n = peer->route[1];

	(void)owner;
	if (n == gone)
		return -ERR_ABSENT;
	if (message->kind == MESSAGE_WELCOME)
		sprintf(end, "W%u:%d ", n, (int)message->welcome.seq);
	else if (message->kind == MESSAGE_ACK)
		sprintf(end, "A%u:%d ", n, (int)message->ack.seq);
	else if (message->kind == MESSAGE_PING)
		sprintf(end, "P%u ", n);
	return 0;
}

static void start(void)
{
	const struct ingest_config config = { 100, 5, 20 };

	assert_ok(store_open(&store, test_path("c.db"), &err), err);
	assert_ok(ingest_new(&in, loop, store, &config, note, NULL, &err), err);
}

static void stop(void)
{
	ingest_free(in);
	store_close(store);
}

static int set_up(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -f '%s'*", test_path("c.db"));
	if (system(command) != 0)
		return -1;
	said[0] = '\0';
	gone = 0;
	assert_ok(loop_new(&loop, &err), err);
	start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stop();
	loop_free(loop);
	return 0;
}

/* Compare and forget. */
#define assert_said(text)                        \
	do {                                     \
		assert_string_equal(said, text); \
		said[0] = '\0';                  \
	} while (0)

static void say_hello(unsigned peer, unsigned host, uint64_t epoch)
{
	struct link_peer p = peer_of(peer);
	struct hello hello = test_hello(host, epoch, 0);

	ingest_hello(in, &p, &hello);
	ingest_flush(in);
}

/* Events from..to of the host; the text tells them apart. */
static void say_events(unsigned peer, unsigned host, uint64_t epoch,
		       uint64_t from, uint64_t to)
{
	struct link_peer p = peer_of(peer);
	struct message message = { .kind = MESSAGE_EVENTS };
	struct events *events = &message.events;

	events->host = test_id(TEST_HOST, host);
	events->epoch = epoch;
	events->items = calloc(to - from + 1, sizeof(*events->items));
	for (uint64_t seq = from; seq <= to; seq++) {
		struct event event = test_event(EVENT_REQUESTED, 1, 1000);

		snprintf(event.text, sizeof(event.text), "%d", (int)seq);
		events->items[events->n_items++] = test_item(seq, event);
	}
	ingest_events(in, &p, events);
	message_done(&message);
}

/* "1 2 3 ": seqs of the log in order, of one epoch. */
static const char *log_of(unsigned host, uint64_t epoch)
{
	static char text[512];
	struct id id = test_id(TEST_HOST, host);
	struct db_stmt *q;
	struct db *db;

	text[0] = '\0';
	assert_ok(db_open(&db, test_path("c.db"), 0, &err), err);
	q = db_query(db,
		     "SELECT e.seq FROM event e JOIN source s ON s.id=e.source"
		     " JOIN host h ON h.id=s.host WHERE h.uuid=? AND s.epoch=?"
		     " ORDER BY e.pos",
		     &err);
	db_bind_id(q, 1, &id);
	db_bind_int(q, 2, (int64_t)epoch);
	while (db_step(q, &err) > 0)
		sprintf(text + strlen(text), "%d ", (int)db_int(q, 0));
	db_close(db);
	return text;
}

static void change_database(const char *sql)
{
	struct db *db;

	assert_ok(db_open(&db, test_path("c.db"), 0, &err), err);
	assert_ok(db_exec(db, sql, &err), err);
	db_close(db);
}

static void events_are_acknowledged_after_the_commit(void **state)
{
	(void)state;
	say_hello(1, 1, EPOCH);
	assert_said("W1:0 ");
	say_events(1, 1, EPOCH, 1, 3);
	assert_said("");
	assert_string_equal(log_of(1, EPOCH), "");
	ingest_flush(in);
	assert_said("A1:3 ");
	assert_string_equal(log_of(1, EPOCH), "1 2 3 ");
}

static void duplicates_have_no_effect_but_an_ack(void **state)
{
	(void)state;
	say_hello(1, 1, EPOCH);
	say_events(1, 1, EPOCH, 1, 3);
	say_events(1, 1, EPOCH, 2, 5);
	ingest_flush(in);
	assert_said("W1:0 A1:5 ");
	say_events(1, 1, EPOCH, 1, 5);
	ingest_flush(in);
	assert_said("A1:5 ");
	assert_string_equal(log_of(1, EPOCH), "1 2 3 4 5 ");
	assert_int_equal(ingest_counts(in)->duplicates, 2 + 5);
}

static void after_a_gap_it_says_where_to_go_on(void **state)
{
	(void)state;
	say_hello(1, 1, EPOCH);
	say_events(1, 1, EPOCH, 1, 2);
	say_events(1, 1, EPOCH, 4, 6);
	say_events(1, 1, EPOCH, 7, 9);
	ingest_flush(in);
	assert_said("W1:0 W1:2 ");
	say_events(1, 1, EPOCH, 10, 11);
	ingest_flush(in);
	assert_said(""); /* told already */
	say_events(1, 1, EPOCH, 3, 4);
	ingest_flush(in);
	assert_said("A1:4 ");
	assert_string_equal(log_of(1, EPOCH), "1 2 3 4 ");
}

static void a_new_epoch_begins_at_0(void **state)
{
	(void)state;
	say_hello(1, 1, EPOCH);
	say_events(1, 1, EPOCH, 1, 2);
	say_hello(1, 1, EPOCH + 1);
	assert_said("W1:0 A1:2 W1:0 ");
	say_events(1, 1, EPOCH, 3, 3); /* of before: dropped */
	say_events(1, 1, EPOCH + 1, 1, 3);
	ingest_flush(in);
	assert_said("A1:3 ");
	assert_string_equal(log_of(1, EPOCH), "1 2 ");
	assert_string_equal(log_of(1, EPOCH + 1), "1 2 3 ");
	say_hello(1, 1, EPOCH); /* the old journal is back */
	assert_said("W1:2 ");
}

static void two_agents_share_a_commit(void **state)
{
	(void)state;
	say_hello(1, 1, EPOCH);
	say_hello(2, 2, EPOCH);
	assert_said("W1:0 W2:0 ");
	uint64_t commits = ingest_counts(in)->commits;

	say_events(1, 1, EPOCH, 1, 2);
	say_events(2, 2, EPOCH, 1, 3);
	ingest_flush(in);
	assert_non_null(strstr(said, "A1:2 "));
	assert_non_null(strstr(said, "A2:3 "));
	assert_int_equal(ingest_counts(in)->commits, commits + 1);
	assert_string_equal(log_of(1, EPOCH), "1 2 ");
	assert_string_equal(log_of(2, EPOCH), "1 2 3 ");
}

static void a_full_batch_does_not_wait(void **state)
{
	(void)state;
	say_hello(1, 1, EPOCH);
	say_events(1, 1, EPOCH, 1, 100);
	assert_said("W1:0 A1:100 ");
}

static void stop_loop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

static void run_for(int64_t ms)
{
	struct loop_timer timer = { .expired = stop_loop };

	loop_timer_set(loop, &timer, clock_ms() + ms);
	assert_ok(loop_run(loop, &err), err);
}

static void the_loop_commits_by_itself(void **state)
{
	(void)state;
	say_hello(1, 1, EPOCH);
	say_events(1, 1, EPOCH, 1, 2); /* few */
	run_for(50);
	assert_said("W1:0 A1:2 ");
	say_events(1, 1, EPOCH, 3, 90); /* many */
	run_for(50);
	assert_said("A1:90 ");
}

static void a_failed_commit_acknowledges_nothing(void **state)
{
	(void)state;
	say_hello(1, 1, EPOCH);
	say_hello(2, 2, EPOCH);
	say_events(1, 1, EPOCH, 1, 2);
	ingest_flush(in);
	assert_said("W1:0 W2:0 A1:2 ");

	change_database("CREATE TRIGGER t BEFORE UPDATE ON source"
			" BEGIN SELECT RAISE(ABORT, 'no space'); END");
	say_events(1, 1, EPOCH, 3, 4);
	say_events(2, 2, EPOCH, 1, 1);
	ingest_flush(in);
	assert_said("");
	assert_int_equal(ingest_counts(in)->failures, 1);
	assert_string_equal(log_of(1, EPOCH), "1 2 ");
	assert_string_equal(log_of(2, EPOCH), "");
	say_events(1, 1, EPOCH, 5, 6);
	run_for(60); /* it is tried again, and fails */
	assert_said("");
	assert_true(ingest_counts(in)->failures > 1);

	change_database("DROP TRIGGER t");
	run_for(60);
	assert_non_null(strstr(said, "W1:2 "));
	assert_non_null(strstr(said, "W2:0 "));
	said[0] = '\0';
	say_events(1, 1, EPOCH, 3, 6);
	ingest_flush(in);
	assert_said("A1:6 ");
	assert_string_equal(log_of(1, EPOCH), "1 2 3 4 5 6 ");
}

static void a_host_first_heard_in_a_failed_commit(void **state)
{
	(void)state;
	change_database("CREATE TRIGGER t BEFORE INSERT ON event"
			" BEGIN SELECT RAISE(ABORT, 'no space'); END");
	say_hello(1, 1, EPOCH);
	assert_said("W1:0 ");
	say_events(1, 1, EPOCH, 1, 2);
	say_hello(2, 2, EPOCH); /* in the batch that fails */
	assert_said("");
	change_database("DROP TRIGGER t");
	run_for(60);
	assert_non_null(strstr(said, "W1:0 "));
	assert_non_null(strstr(said, "W2:0 "));
	said[0] = '\0';
	say_events(2, 2, EPOCH, 1, 1);
	ingest_flush(in);
	assert_said("A2:1 ");
	assert_string_equal(log_of(2, EPOCH), "1 ");
}

static void a_restart_goes_on_where_it_was(void **state)
{
	(void)state;
	say_hello(1, 1, EPOCH);
	say_events(1, 1, EPOCH, 1, 3);
	ingest_flush(in);
	say_events(1, 1, EPOCH, 4, 5); /* lost with the process */
	stop();
	start();
	said[0] = '\0';
	say_events(1, 1, EPOCH, 6, 7); /* it does not know us yet */
	ingest_flush(in);
	assert_said("");
	say_hello(1, 1, EPOCH);
	assert_said("W1:3 ");
	say_events(1, 1, EPOCH, 4, 7);
	ingest_flush(in);
	assert_said("A1:7 ");
	assert_string_equal(log_of(1, EPOCH), "1 2 3 4 5 6 7 ");
}

static void an_unreadable_event_does_not_stop_its_agent(void **state)
{
	struct link_peer p = peer_of(1);
	struct message message = { .kind = MESSAGE_EVENTS };
	struct events *events = &message.events;

	(void)state;
	say_hello(1, 1, EPOCH);
	events->host = test_id(TEST_HOST, 1);
	events->epoch = EPOCH;
	events->n_items = 3;
	events->items = calloc(3, sizeof(*events->items));
	events->items[0] = test_item(1, test_taken(1, 1, 0, 1000));
	events->items[1] = (struct event_item){ 2, strdup("\xff\xff"), 2 };
	events->items[2] = test_item(3, test_taken(1, 2, 1, 2000));
	ingest_events(in, &p, events);
	message_done(&message);
	ingest_flush(in);
	assert_said("W1:0 A1:3 ");
	assert_string_equal(log_of(1, EPOCH), "1 2 3 ");
	assert_int_equal(ingest_counts(in)->unreadable, 1);
}

static void strangers_are_not_heard(void **state)
{
	struct link_peer p = peer_of(9);

	(void)state;
	say_events(9, 1, EPOCH, 1, 1);
	ingest_ping(in, &p);
	say_hello(1, 1, EPOCH);
	say_events(1, 2, EPOCH, 1, 1);     /* another host */
	say_events(1, 1, EPOCH + 1, 1, 1); /* another epoch */
	ingest_flush(in);
	assert_said("W1:0 ");
	assert_int_equal(ingest_counts(in)->strangers, 4);
	assert_int_equal(ingest_counts(in)->committed, 0);
}

static void the_newest_connection_of_a_host_counts(void **state)
{
	struct link_peer p = peer_of(1);
	int64_t seen;

	(void)state;
	say_hello(1, 1, EPOCH);
	say_events(1, 1, EPOCH, 1, 2);
	say_hello(2, 1, EPOCH);
	assert_said("W1:0 A1:2 W2:2 ");
	say_events(1, 1, EPOCH, 3, 3);
	ingest_ping(in, &p);
	say_events(2, 1, EPOCH, 3, 4);
	ingest_flush(in);
	assert_said("A2:4 ");
	assert_int_equal(ingest_connected(in), 1);
	gone = 2;
	say_events(2, 1, EPOCH, 5, 5);
	ingest_flush(in);
	assert_false(ingest_is_connected(in, &(struct id){ { 0 } }, &seen));
	assert_int_equal(ingest_connected(in), 0);
}

static void a_ping_is_answered(void **state)
{
	struct link_peer p = peer_of(1);

	(void)state;
	say_hello(1, 1, EPOCH);
	ingest_ping(in, &p);
	assert_said("W1:0 P1 ");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(events_are_acknowledged_after_the_commit),
		T(duplicates_have_no_effect_but_an_ack),
		T(after_a_gap_it_says_where_to_go_on),
		T(a_new_epoch_begins_at_0),
		T(two_agents_share_a_commit),
		T(a_full_batch_does_not_wait),
		T(the_loop_commits_by_itself),
		T(a_failed_commit_acknowledges_nothing),
		T(a_host_first_heard_in_a_failed_commit),
		T(a_restart_goes_on_where_it_was),
		T(an_unreadable_event_does_not_stop_its_agent),
		T(strangers_are_not_heard),
		T(the_newest_connection_of_a_host_counts),
		T(a_ping_is_answered),
	};

	return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
