/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-query.c - what is answered, selectors, filters and bounds */
#include "collector/query.h"

#include "base/clock.h"
#include "base/loop.h"
#include "collector/ingest.h"
#include "collector/store.h"
#include "tests/lib/events.h"
#include "tests/lib/test.h"

#define MANY 450

static struct loop *loop;
static struct store *store;
static struct ingest *ingest;
static struct store_source sources[4];
static uint64_t seqs[4];
static struct err err;

/* The answer, all replies together; rows as their numbers. */
static struct {
	unsigned replies;
	char rows[8192];
	char facts[2048];
	char text[512];
	struct err err;
	uint64_t after;
	bool last;
} got;

static void add_row(unsigned n)
{
	size_t used = strlen(got.rows);

	snprintf(got.rows + used, sizeof(got.rows) - used, "%u ", n);
}

static unsigned number_of(const struct id *id)
{
	return (unsigned)id->b[14] << 8 | id->b[15];
}

static int take(void *arg, const struct reply *reply)
{
	(void)arg;
	assert_false(got.last);
	assert_int_equal(reply->id, 42);
	assert_true(reply->n_snapshots + reply->n_events + reply->n_vms +
			    reply->n_hosts <=
		    QUERY_ROWS);
	got.replies++;
	got.last = reply->last;
	got.err = reply->err;
	got.after = reply->after;
	str_copy(got.text, sizeof(got.text), reply->text);
	for (size_t i = 0; i < reply->n_vms; i++)
		add_row(number_of(&reply->vms[i].domain));
	for (size_t i = 0; i < reply->n_hosts; i++)
		add_row(number_of(&reply->hosts[i].host));
	for (size_t i = 0; i < reply->n_snapshots; i++)
		add_row(number_of(&reply->snapshots[i].id));
	for (size_t i = 0; i < reply->n_events; i++)
		add_row((unsigned)reply->events[i].seq);
	for (size_t i = 0; i < reply->n_facts; i++)
		sprintf(got.facts + strlen(got.facts), "%s=%s ",
			reply->facts[i].key, reply->facts[i].value);
	return 0;
}

static void ask(struct request request)
{
	const struct query query = { store, ingest, clock_ms(), 0 };

	memset(&got, 0, sizeof(got));
	request.id = 42;
	query_answer(&query, &request, take, NULL);
	assert_true(got.last);
}

#define ASK(...) ask((struct request){ __VA_ARGS__ })

#define assert_rows(want)                             \
	do {                                          \
		if (got.err.code)                     \
			fail_msg("%s", got.err.text); \
		assert_string_equal(got.rows, want);  \
	} while (0)

static int no_send(void *owner, const struct link_peer *peer,
		   const struct message *message)
{
	(void)owner;
	(void)peer;
	(void)message;
	return 0;
}

static void append(unsigned host, struct event event)
{
	struct hello hello = test_hello(host, 7, 0);
	struct event_item item = test_item(++seqs[host], event);

	assert_ok(store_put_source(store, &hello, 1, &sources[host], &err),
		  err);
	if (store_append(store, &sources[host], item.seq, item.body, item.size,
			 &err) < 0)
		fail_msg("%s", err.text);
	assert_ok(store_set_seq(store, &sources[host], item.seq, 1, &err), err);
	free(item.body);
}

static struct event named(struct event event, const char *name)
{
	str_copy(event.domain_name, sizeof(event.domain_name), name);
	return event;
}

static struct event labelled(struct event event, const char *label,
			     const char *tags, enum consistency consistency,
			     unsigned host)
{
	struct snapshot *snap = event.record;

	str_copy(snap->label, sizeof(snap->label), label);
	str_copy(snap->tags, sizeof(snap->tags), tags);
	snap->consistency = consistency;
	snap->host = test_id(TEST_HOST, host);
	return event;
}

/* VM 1 on host 1 with a tree, 2 on host 2, 3 named as 2 on host 1, 4 gone. */
static void fill(void)
{
	append(1, labelled(test_taken(1, 1, 0, 1000), "base", "gold day=1",
			   CONSISTENCY_FROZEN, 1));
	append(1, labelled(test_taken(1, 2, 1, 2000), "twin", "day=2",
			   CONSISTENCY_CRASH, 1));
	append(1, labelled(test_taken(1, 3, 1, 3000), "twin", "golden",
			   CONSISTENCY_OFFLINE, 1));
	append(2, labelled(named(test_taken(2, 4, 99, 2500), "twin-vm"), "base",
			   "", CONSISTENCY_FROZEN, 2));
	append(1, named(test_event(EVENT_DOMAIN_SEEN, 3, 4000), "twin-vm"));
	append(1, test_event(EVENT_DOMAIN_SEEN, 4, 4000));
	append(1, test_event(EVENT_DOMAIN_GONE, 4, 4100));
}

static int set_up(void **state)
{
	static const struct ingest_config config = { 100, 5, 20 };
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -f '%s'*", test_path("c.db"));
	if (system(command) != 0)
		return -1;
	memset(sources, 0, sizeof(sources));
	memset(seqs, 0, sizeof(seqs));
	assert_ok(loop_new(&loop, &err), err);
	assert_ok(store_open(&store, test_path("c.db"), &err), err);
	assert_ok(ingest_new(&ingest, loop, store, &config, no_send, NULL,
			     &err),
		  err);
	assert_ok(store_begin(store, &err), err);
	fill();
	assert_ok(store_commit(store, &err), err);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ingest_free(ingest);
	store_close(store);
	loop_free(loop);
	return 0;
}

static void vms(void **state)
{
	(void)state;
	ASK(.kind = REQUEST_VMS);
	assert_rows("2 3 1 "); /* by name: twin-vm, twin-vm, vm-1 */
	ASK(.kind = REQUEST_VMS, .host = "host-1");
	assert_rows("3 1 ");
	ASK(.kind = REQUEST_VMS, .vm = "vm-1");
	assert_rows("1 ");
	ASK(.kind = REQUEST_VMS, .host = "nowhere");
	assert_int_equal(got.err.code, ERR_ABSENT);
}

static void trees(void **state)
{
	(void)state;
	ASK(.kind = REQUEST_TREE, .vm = "vm-1");
	assert_rows("1 1 2 3 "); /* the VM, then its snapshots */
	ASK(.kind = REQUEST_TREE, .vm = "b0000000-0000-7000-8000-000000000002");
	assert_rows("2 4 "); /* its parent is not known */
	ASK(.kind = REQUEST_TREE, .vm = "");
	assert_int_equal(got.err.code, ERR_ABSENT);
}

static void a_name_of_two_is_ambiguous(void **state)
{
	(void)state;
	ASK(.kind = REQUEST_TREE, .vm = "twin-vm");
	assert_int_equal(got.err.code, ERR_INVALID);
	assert_string_equal(
		got.err.text,
		"'twin-vm' fits 2 VMs:"
		" b0000000-0000-7000-8000-000000000002 twin-vm on host-2,"
		" b0000000-0000-7000-8000-000000000003 twin-vm on host-1");
	ASK(.kind = REQUEST_TREE, .vm = "b000");
	assert_int_equal(got.err.code, ERR_INVALID);
	ASK(.kind = REQUEST_TREE, .vm = "vm-4"); /* gone, but the only one */
	assert_rows("4 ");
	ASK(.kind = REQUEST_TREE, .vm = "vm-9");
	assert_int_equal(got.err.code, ERR_ABSENT);
	ASK(.kind = REQUEST_TREE, .vm = "b00"); /* too short for a prefix */
	assert_int_equal(got.err.code, ERR_ABSENT);
}

static void show(void **state)
{
	(void)state;
	ASK(.kind = REQUEST_SHOW, .snapshot = "vm-1@base");
	assert_rows("1 1 ");
	ASK(.kind = REQUEST_SHOW, .snapshot = "vm-1@head");
	assert_rows("1 3 ");
	ASK(.kind = REQUEST_SHOW,
	    .snapshot = "C0000000-0000-7000-8000-000000000004");
	assert_rows("2 4 ");
	ASK(.kind = REQUEST_SHOW,
	    .snapshot = "c0000000000070008000000000000004");
	assert_rows("2 4 ");
	ASK(.kind = REQUEST_SHOW, .snapshot = "vm-1@twin");
	assert_int_equal(got.err.code, ERR_INVALID);
	assert_contains(got.err.text, "000000000002");
	assert_contains(got.err.text, "000000000003");
	ASK(.kind = REQUEST_SHOW, .snapshot = "c000");
	assert_int_equal(got.err.code, ERR_INVALID);
	ASK(.kind = REQUEST_SHOW, .snapshot = "vm-1@none");
	assert_int_equal(got.err.code, ERR_ABSENT);
	ASK(.kind = REQUEST_SHOW, .snapshot = "vm-4@head");
	assert_int_equal(got.err.code, ERR_ABSENT);
	ASK(.kind = REQUEST_SHOW, .snapshot = "dddd");
	assert_int_equal(got.err.code, ERR_ABSENT);
	ASK(.kind = REQUEST_SHOW, .snapshot = "what");
	assert_int_equal(got.err.code, ERR_INVALID);
}

static void list(void **state)
{
	(void)state;
	ASK(.kind = REQUEST_LIST);
	assert_rows("1 2 4 3 ");
	ASK(.kind = REQUEST_LIST, .limit = 2);
	assert_rows("4 3 ");
	ASK(.kind = REQUEST_LIST, .vm = "vm-1", .limit = 2);
	assert_rows("2 3 ");
	ASK(.kind = REQUEST_LIST, .host = "host-2");
	assert_rows("4 ");
	ASK(.kind = REQUEST_LIST, .label_like = "b*");
	assert_rows("1 4 ");
	ASK(.kind = REQUEST_LIST, .tag = "gold");
	assert_rows("1 ");
	ASK(.kind = REQUEST_LIST, .consistency = CONSISTENCY_CRASH);
	assert_rows("2 ");
	ASK(.kind = REQUEST_LIST, .origin = ORIGIN_HOOK);
	assert_rows("");
	ASK(.kind = REQUEST_LIST, .since_ms = 2000, .until_ms = 2500);
	assert_rows("2 4 ");
	ASK(.kind = REQUEST_LIST, .vm = "vm-1", .since_ms = 2000);
	assert_rows("2 3 ");
}

static void events(void **state)
{
	(void)state;
	ASK(.kind = REQUEST_EVENTS);
	assert_rows("1 2 3 1 4 5 6 ");
	assert_int_equal(got.after, 7);
	ASK(.kind = REQUEST_EVENTS, .limit = 2);
	assert_rows("5 6 ");
	assert_int_equal(got.after, 7);
	ASK(.kind = REQUEST_EVENTS, .vm = "vm-1", .limit = 2);
	assert_rows("2 3 ");
	assert_int_equal(got.after, 7);
	ASK(.kind = REQUEST_EVENTS, .host = "host-2");
	assert_rows("1 ");
	ASK(.kind = REQUEST_EVENTS, .since_ms = 4000);
	assert_rows("4 5 6 ");
	ASK(.kind = REQUEST_EVENTS, .after = 5);
	assert_rows("5 6 ");
	assert_int_equal(got.after, 7);
	ASK(.kind = REQUEST_EVENTS, .after = 2, .limit = 2);
	assert_rows("3 1 ");
	assert_int_equal(got.after, 4);
	ASK(.kind = REQUEST_EVENTS, .after = 7);
	assert_rows("");
	assert_int_equal(got.after, 7);
	ASK(.kind = REQUEST_EVENTS, .after = UINT64_MAX);
	assert_rows("");
}

static void hosts_and_status(void **state)
{
	struct link_peer peer = { .size = 1, .route = { 1 } };
	struct hello hello = test_hello(1, 7, 6);

	(void)state;
	ingest_hello(ingest, &peer, &hello);
	ingest_flush(ingest);
	ASK(.kind = REQUEST_HOSTS);
	assert_rows("1 2 ");
	ASK(.kind = REQUEST_STATUS);
	assert_contains(got.facts, "hosts=2 ");
	assert_contains(got.facts, "hosts-connected=1 ");
	assert_contains(got.facts, " vms=3 ");
	assert_contains(got.facts, "snapshots=4 ");
	assert_contains(got.facts, " events=7 ");
}

static void no_orders_are_taken(void **state)
{
	(void)state;
	ASK(.kind = REQUEST_CREATE, .vm = "vm-1");
	assert_int_equal(got.err.code, ERR_UNSUPPORTED);
	assert_contains(got.err.text, "run this on the host of the VM");
	ASK(.kind = REQUEST_THAW, .vm = "vm-1");
	assert_int_equal(got.err.code, ERR_UNSUPPORTED);
	ASK(.kind = (enum request_kind)0);
	assert_int_equal(got.err.code, ERR_UNSUPPORTED);
}

static void long_answers_come_in_parts(void **state)
{
	(void)state;
	assert_ok(store_begin(store, &err), err);
	for (unsigned n = 0; n < MANY; n++)
		append(1, test_taken(7, 1000 + n, n ? 999 + n : 0, 5000 + n));
	assert_ok(store_commit(store, &err), err);
	ASK(.kind = REQUEST_TREE, .vm = "vm-7");
	assert_int_equal(got.replies, 3);
	ASK(.kind = REQUEST_LIST, .vm = "vm-7");
	assert_int_equal(got.replies, 3);
	assert_memory_equal(got.rows, "1000 1001 ", 10);
	ASK(.kind = REQUEST_EVENTS, .vm = "vm-7");
	assert_int_equal(got.replies, 3);
	ASK(.kind = REQUEST_SHOW, .snapshot = "c000");
	assert_int_equal(got.err.code, ERR_INVALID);
	assert_contains(got.err.text, ", ...");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(vms),
		T(trees),
		T(a_name_of_two_is_ambiguous),
		T(show),
		T(list),
		T(events),
		T(hosts_and_status),
		T(no_orders_are_taken),
		T(long_answers_come_in_parts),
	};

	return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
