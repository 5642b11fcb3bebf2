/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-link.c - dialers and listeners over ipc and tcp */
#include "proto/link.h"

#include <zmq.h>

#include "base/clock.h"
#include "base/loop.h"
#include "proto/message.h"
#include "tests/lib/test.h"

#define WAIT_MS 10000
#define N_PEERS 40

struct side {
	struct link *link;
	unsigned received, connected, lost;
	size_t bytes;
	bool echo, free_it;
	struct link_peer peer; /* of the last message */
	char text[32];         /* its first bytes */
};

struct waiter {
	struct loop_timer timer;
	struct loop *loop;
	const unsigned *counter;
	unsigned want;
	int64_t deadline_ms;
};

static struct loop *loop;

static void look(struct loop_timer *timer)
{
	struct waiter *w = CONTAINER_OF(timer, struct waiter, timer);

	if ((w->counter && *w->counter >= w->want) ||
	    clock_ms() >= w->deadline_ms)
		loop_stop(w->loop);
	else
		loop_timer_set(w->loop, timer, clock_ms() + 2);
}

static bool run_until(const unsigned *counter, unsigned want, int64_t ms)
{
	struct waiter w = {
		.timer.expired = look,
		.loop = loop,
		.counter = counter,
		.want = want,
		.deadline_ms = clock_ms() + ms,
	};

	loop_timer_set(loop, &w.timer, clock_ms());
	assert_int_equal(loop_run(loop, NULL), 0);
	loop_timer_del(&w.timer);
	return counter && *counter >= want;
}

static void received(void *owner, const struct link_peer *peer,
		     const void *data, size_t size)
{
	struct side *side = owner;

	side->received++;
	side->bytes += size;
	memset(side->text, 0, sizeof(side->text));
	memcpy(side->text, data, size < 31 ? size : 31);
	if (peer)
		side->peer = *peer;
	if (side->echo)
		assert_int_equal(link_send(side->link, peer, data, size, NULL),
				 0);
	if (side->free_it) {
		link_free(side->link);
		side->link = NULL;
	}
}

static void connected(void *owner)
{
	((struct side *)owner)->connected++;
}

static void lost(void *owner)
{
	((struct side *)owner)->lost++;
}

static const struct link_ops ops = { received, connected, lost };

static void open_side(struct side *side, bool listen, const char *endpoint,
		      size_t queue)
{
	const struct link_config config = { listen, endpoint, queue };
	struct err err = { 0 };

	assert_ok(link_new(&side->link, loop, &config, &ops, side, &err), err);
}

static void talk(const char *endpoint)
{
	struct side listener = { .echo = true }, dialer = { 0 };
	struct err err = { 0 };

	open_side(&listener, true, endpoint, 100);
	open_side(&dialer, false, link_endpoint(listener.link), 100);
	assert_fails(link_send(dialer.link, NULL, "x", 1, &err), ERR_BUSY, err);
	assert_true(run_until(&dialer.connected, 1, WAIT_MS));
	assert_ok(link_send(dialer.link, NULL, "hello", 5, &err), err);
	assert_true(run_until(&dialer.received, 1, WAIT_MS));
	assert_string_equal(dialer.text, "hello");
	assert_string_equal(listener.text, "hello");

	/* Empty ones travel too, and the listener may speak unasked. */
	assert_ok(link_send(dialer.link, NULL, "", 0, &err), err);
	assert_true(run_until(&dialer.received, 2, WAIT_MS));
	assert_ok(link_send(listener.link, &listener.peer, "news", 4, &err),
		  err);
	assert_true(run_until(&dialer.received, 3, WAIT_MS));
	assert_string_equal(dialer.text, "news");

	link_free(dialer.link);
	link_free(listener.link);
}

static const char *ipc(const char *name)
{
	static char endpoint[160];

	snprintf(endpoint, sizeof(endpoint), "ipc://%s", test_path(name));
	return endpoint;
}

static void test_ipc(void **state)
{
	(void)state;
	talk(ipc("talk"));
}

static void test_tcp(void **state)
{
	(void)state;
	talk("tcp://127.0.0.1:*");
}

/* More messages than one turn takes, and no edge is missed: each answer is
 * waited for by both sides being idle. */
static void test_many_messages(void **state)
{
	struct side listener = { .echo = true }, dialer = { 0 };

	(void)state;
	open_side(&listener, true, ipc("many"), 5000);
	open_side(&dialer, false, ipc("many"), 5000);
	assert_true(run_until(&dialer.connected, 1, WAIT_MS));
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(link_send(dialer.link, NULL, "x", 1, NULL), 0);
	assert_true(run_until(&dialer.received, 2000, WAIT_MS));
	for (unsigned i = 1; i <= 200; i++) {
		assert_int_equal(link_send(dialer.link, NULL, "y", 1, NULL), 0);
		assert_true(run_until(&dialer.received, 2000 + i, WAIT_MS));
	}
	link_free(dialer.link);
	link_free(listener.link);
}

static void test_reconnection(void **state)
{
	struct side listener = { .echo = true }, dialer = { 0 };
	struct link_peer old;
	struct err err = { 0 };
	char endpoint[64];

	(void)state;
	open_side(&listener, true, "tcp://127.0.0.1:*", 100);
	strcpy(endpoint, link_endpoint(listener.link));
	open_side(&dialer, false, endpoint, 100);
	assert_true(run_until(&dialer.connected, 1, WAIT_MS));
	assert_ok(link_send(dialer.link, NULL, "a", 1, &err), err);
	assert_true(run_until(&dialer.received, 1, WAIT_MS));
	old = listener.peer;

	link_free(listener.link);
	assert_true(run_until(&dialer.lost, 1, WAIT_MS));
	assert_fails(link_send(dialer.link, NULL, "b", 1, &err), ERR_BUSY, err);

	open_side(&listener, true, endpoint, 100);
	assert_true(run_until(&dialer.connected, 2, WAIT_MS));
	assert_fails(link_send(listener.link, &old, "x", 1, &err), ERR_ABSENT,
		     err);
	assert_ok(link_send(dialer.link, NULL, "c", 1, &err), err);
	assert_true(run_until(&dialer.received, 2, WAIT_MS));
	assert_string_equal(dialer.text, "c");
	assert_int_equal(dialer.lost, 1);
	link_free(dialer.link);
	link_free(listener.link);
}

static void test_peer_that_left(void **state)
{
	struct side listener = { 0 }, dialer = { 0 };
	struct err err = { 0 };
	int r = 0;

	(void)state;
	open_side(&listener, true, ipc("left"), 100);
	open_side(&dialer, false, ipc("left"), 100);
	assert_true(run_until(&dialer.connected, 1, WAIT_MS));
	assert_ok(link_send(dialer.link, NULL, "a", 1, &err), err);
	assert_true(run_until(&listener.received, 1, WAIT_MS));
	link_free(dialer.link);
	for (int i = 0; i < 500 && r == 0; i++) {
		run_until(NULL, 0, 10);
		r = link_send(listener.link, &listener.peer, "b", 1, &err);
	}
	assert_fails(r, ERR_ABSENT, err);
	link_free(listener.link);
}

/* A peer that is connected but does not read: the queue fills, nothing blocks. */
static void fill(struct link *link, const struct link_peer *peer)
{
	static char block[256 * 1024];
	struct err err = { 0 };
	int r = 0, n;

	for (n = 0; n < 10000 && r == 0; n++)
		r = link_send(link, peer, block, sizeof(block), &err);
	assert_fails(r, ERR_BUSY, err);
	assert_in_range(n, 10, 9999);
}

static void test_full_queues(void **state)
{
	struct side listener = { 0 }, dialer = { 0 };
	struct err err = { 0 };

	(void)state;
	open_side(&listener, true, ipc("full"), 10);
	open_side(&dialer, false, ipc("full"), 10);
	assert_true(run_until(&dialer.connected, 1, WAIT_MS));
	assert_ok(link_send(dialer.link, NULL, "a", 1, &err), err);
	assert_true(run_until(&listener.received, 1, WAIT_MS));
	fill(dialer.link, NULL);
	fill(listener.link, &listener.peer);

	/* When the other side reads again, there is room again. */
	run_until(NULL, 0, 500);
	assert_ok(link_send(dialer.link, NULL, "b", 1, &err), err);
	assert_ok(link_send(listener.link, &listener.peer, "b", 1, &err), err);
	link_free(dialer.link);
	link_free(listener.link);
}

static void test_many_peers(void **state)
{
	struct side listener = { .echo = true }, dialers[N_PEERS] = { 0 };

	(void)state;
	open_side(&listener, true, ipc("peers"), 100);
	for (int i = 0; i < N_PEERS; i++)
		open_side(&dialers[i], false, ipc("peers"), 100);
	for (int i = 0; i < N_PEERS; i++)
		assert_true(run_until(&dialers[i].connected, 1, WAIT_MS));
	for (int i = 0; i < N_PEERS; i++) {
		char text[32];
		int n = snprintf(text, sizeof(text), "I am %d", i);

		assert_int_equal(link_send(dialers[i].link, NULL, text,
					   (size_t)n, NULL),
				 0);
	}
	for (int i = 0; i < N_PEERS; i++) {
		char text[32];

		assert_true(run_until(&dialers[i].received, 1, WAIT_MS));
		snprintf(text, sizeof(text), "I am %d", i);
		assert_string_equal(dialers[i].text, text);
	}
	for (int i = 0; i < N_PEERS; i++)
		link_free(dialers[i].link);
	link_free(listener.link);
}

/* What our own dialer would not send. */
static void test_strangers(void **state)
{
	struct side listener = { 0 };
	char *longest = calloc(1, MESSAGE_MAX + 1);
	void *context = zmq_ctx_new();
	void *socket = zmq_socket(context, ZMQ_DEALER);
	const int linger = 0;
	char name[100];

	(void)state;
	open_side(&listener, true, ipc("strangers"), 100);
	zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
	memset(name, 'n', sizeof(name));
	assert_int_equal(zmq_connect(socket, ipc("strangers")), 0);

	/* Two frames: dropped; the next is fine. */
	zmq_send(socket, "a", 1, ZMQ_SNDMORE);
	zmq_send(socket, "b", 1, 0);
	zmq_send(socket, "c", 1, 0);
	assert_true(run_until(&listener.received, 1, WAIT_MS));
	assert_string_equal(listener.text, "c");
	assert_int_equal(link_dropped(listener.link), 1);

	/* The longest there may be, then one too long: cut off, unread. */
	zmq_send(socket, longest, MESSAGE_MAX, 0);
	assert_true(run_until(&listener.received, 2, WAIT_MS));
	zmq_send(socket, longest, MESSAGE_MAX + 1, 0);
	run_until(&listener.received, 3, 300);
	assert_int_equal(listener.received, 2);

	/* It connects again, and all is well. */
	zmq_send(socket, "d", 1, 0);
	assert_true(run_until(&listener.received, 3, WAIT_MS));
	assert_string_equal(listener.text, "d");
	zmq_close(socket);

	/* A name longer than we keep. */
	socket = zmq_socket(context, ZMQ_DEALER);
	zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
	zmq_setsockopt(socket, ZMQ_ROUTING_ID, name, sizeof(name));
	assert_int_equal(zmq_connect(socket, ipc("strangers")), 0);
	zmq_send(socket, "e", 1, 0);
	for (int i = 0; i < 500 && link_dropped(listener.link) < 2; i++)
		run_until(NULL, 0, 10);
	assert_int_equal(link_dropped(listener.link), 2);
	assert_int_equal(listener.received, 3);

	zmq_close(socket);
	zmq_ctx_term(context);
	link_free(listener.link);
	free(longest);
}

static void test_too_long_to_send(void **state)
{
	struct side listener = { 0 };
	struct link_peer peer = { .size = 5 };
	struct err err = { 0 };

	(void)state;
	open_side(&listener, true, ipc("long"), 100);
	assert_fails(link_send(listener.link, &peer, "", MESSAGE_MAX + 1, &err),
		     ERR_INVALID, err);
	assert_fails(link_send(listener.link, &peer, "", 0, &err), ERR_ABSENT,
		     err);
	link_free(listener.link);
}

static void test_freed_in_callback(void **state)
{
	struct side listener = { .free_it = true }, dialer = { 0 };

	(void)state;
	open_side(&listener, true, ipc("freed"), 100);
	open_side(&dialer, false, ipc("freed"), 100);
	assert_true(run_until(&dialer.connected, 1, WAIT_MS));
	for (int i = 0; i < 10; i++)
		assert_int_equal(link_send(dialer.link, NULL, "x", 1, NULL), 0);
	assert_true(run_until(&listener.received, 1, WAIT_MS));
	assert_true(run_until(&dialer.lost, 1, WAIT_MS));
	assert_int_equal(listener.received, 1);
	link_free(dialer.link);
}

static void test_bad_endpoints(void **state)
{
	const struct link_config bad = { true, "nonsense", 10 };
	const struct link_config bad_dial = { false, "tcp://", 10 };
	struct side listener = { 0 };
	struct link_config taken = { .listen = true, .queue = 10 };
	struct link *link;
	struct err err = { 0 };

	(void)state;
	assert_fails(link_new(&link, loop, &bad, &ops, NULL, &err), ERR_INVALID,
		     err);
	assert_contains(err.text, "'nonsense'");
	assert_fails(link_new(&link, loop, &bad_dial, &ops, NULL, &err),
		     ERR_INVALID, err);
	open_side(&listener, true, "tcp://127.0.0.1:*", 10);
	taken.endpoint = link_endpoint(listener.link);
	assert_fails(link_new(&link, loop, &taken, &ops, NULL, &err),
		     ERR_EXISTS, err);
	link_free(listener.link);
	link_free(NULL);
}

static int setup(void **state)
{
	return test_dir_make(state) || loop_new(&loop, NULL);
}

static int teardown(void **state)
{
	loop_free(loop);
	return test_dir_remove(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipc),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_many_messages),
		cmocka_unit_test(test_reconnection),
		cmocka_unit_test(test_peer_that_left),
		cmocka_unit_test(test_full_queues),
		cmocka_unit_test(test_many_peers),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_too_long_to_send),
		cmocka_unit_test(test_freed_in_callback),
		cmocka_unit_test(test_bad_endpoints),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
