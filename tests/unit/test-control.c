/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-control.c - the local socket: frames, peers that come and go, moments */
#include "proto/control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/loop.h"
#include "tests/lib/test.h"

#define WAIT_MS 5000
#define MOMENT                                     \
	"1\0web-1\0prepare\0begin\0-\0<domain/>\0" \
	"12345\0"

struct waiter {
	struct loop_timer timer;
	const unsigned *counter;
	unsigned want;
	int64_t deadline_ms;
};

static struct loop *loop;
static struct control *control;

static struct {
	unsigned received, closed;
	size_t size;
	enum control_kind kind;
	bool was_gone; /* control_is_gone() in the last `received` */
	bool close_it; /* control_close() in `received` */
	bool reply;    /* CONTROL_PASS in `received` */
	struct control_peer *peer;   /* the last */
	struct control_peer *victim; /* closed in `received` */
	char order[64];              /* r and c, as they came */
	char data[128];
} seen;

static void look(struct loop_timer *timer)
{
	struct waiter *w = CONTAINER_OF(timer, struct waiter, timer);

	if ((w->counter && *w->counter >= w->want) ||
	    clock_ms() >= w->deadline_ms)
		loop_stop(loop);
	else
		loop_timer_set(loop, timer, clock_ms() + 1);
}

static bool run_until(const unsigned *counter, unsigned want, int64_t ms)
{
	struct waiter w = { .timer.expired = look,
			    .counter = counter,
			    .want = want,
			    .deadline_ms = clock_ms() + ms };

	loop_timer_set(loop, &w.timer, clock_ms());
	assert_int_equal(loop_run(loop, NULL), 0);
	loop_timer_del(&w.timer);
	return counter && *counter >= want;
}

static void note(char c)
{
	size_t n = strlen(seen.order);

	if (n + 1 < sizeof(seen.order))
		seen.order[n] = c;
}

static void received(void *owner, struct control_peer *peer,
		     enum control_kind kind, const void *data, size_t size)
{
	assert_ptr_equal(owner, &seen);
	note('r');
	seen.received++;
	seen.peer = peer;
	seen.kind = kind;
	seen.size = size;
	memcpy(seen.data, data,
	       size < sizeof(seen.data) ? size : sizeof(seen.data));
	seen.was_gone = control_is_gone(peer);
	if (seen.victim)
		control_close(seen.victim);
	if (seen.reply)
		control_send(peer, CONTROL_PASS, NULL, 0, NULL);
	if (seen.close_it)
		control_close(peer);
}

static void closed(void *owner, struct control_peer *peer)
{
	assert_ptr_equal(owner, &seen);
	note('c');
	seen.closed++;
	/* No harm: it is on its way already. */
	control_close(peer);
	assert_true(control_is_gone(peer));
	if (seen.peer == peer)
		seen.peer = NULL;
}

static const struct control_ops ops = { received, closed };

static int setup(void **state)
{
	struct err err = { 0 };

	memset(&seen, 0, sizeof(seen));
	if (test_dir_make(state) || loop_new(&loop, &err))
		return -1;
	return control_new(&control, loop, test_path("sock"), -1, &ops, &seen,
			   &err);
}

static int teardown(void **state)
{
	control_free(control);
	loop_free(loop);
	return test_dir_remove(state);
}

static int dial(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, test_path("sock"));
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	return fd;
}

static void put(int fd, const void *data, size_t size)
{
	assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
}

static size_t frame(uint8_t *buf, int kind, const void *data, size_t size)
{
	uint32_t follows = htonl((uint32_t)size + 1);

	memcpy(buf, &follows, 4);
	buf[4] = (uint8_t)kind;
	memcpy(buf + 5, data, size);
	return size + 5;
}

static void put_frame(int fd, int kind, const void *data, size_t size)
{
	uint8_t buf[1024];

	put(fd, buf, frame(buf, kind, data, size));
}

/* 0: it was closed; -1: nothing came. */
static ssize_t get(int fd, void *buf, size_t size, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return -1;
	n = recv(fd, buf, size, 0);
	return n < 0 && errno == ECONNRESET ? 0 : n;
}

static void test_byte_by_byte(void **state)
{
	uint8_t buf[256];
	int fd = dial();
	size_t n = frame(buf, CONTROL_HOOK, MOMENT, sizeof(MOMENT) - 1);

	(void)state;
	n += frame(buf + n, CONTROL_MESSAGE, "", 0);
	for (size_t i = 0; i < n; i++) {
		put(fd, buf + i, 1);
		run_until(NULL, 0, 0);
	}
	assert_true(run_until(&seen.received, 2, WAIT_MS));
	assert_int_equal(seen.kind, CONTROL_MESSAGE);
	assert_int_equal(seen.size, 0);
	assert_false(seen.was_gone);
	close(fd);
	assert_true(run_until(&seen.closed, 1, WAIT_MS));
}

static void test_many_in_one_write(void **state)
{
	uint8_t buf[400];
	size_t n = 0;
	int fd = dial();

	(void)state;
	for (int i = 0; i < 20; i++)
		n += frame(buf + n, CONTROL_MESSAGE, "abc", 3);
	put(fd, buf, n);
	assert_true(run_until(&seen.received, 20, WAIT_MS));
	close(fd);
}

/* A hook that tells: it sends, shuts down and is gone before we look. */
static void test_tell(void **state)
{
	int fd = dial();

	(void)state;
	put_frame(fd, CONTROL_HOOK, MOMENT, sizeof(MOMENT) - 1);
	shutdown(fd, SHUT_WR);
	close(fd);
	assert_true(run_until(&seen.closed, 1, WAIT_MS));
	assert_string_equal(seen.order, "rc");
	assert_true(seen.was_gone);
	assert_memory_equal(seen.data, MOMENT, sizeof(MOMENT) - 1);
}

/* Answering one who has gone kills nobody. */
static void test_tell_answered(void **state)
{
	int fd = dial();

	(void)state;
	seen.reply = true;
	put_frame(fd, CONTROL_HOOK, MOMENT, sizeof(MOMENT) - 1);
	close(fd);
	assert_true(run_until(&seen.closed, 1, WAIT_MS));
	assert_string_equal(seen.order, "rc");
}

/* One who only hung up its sending half still gets what was queued. */
static void test_half_closed_is_answered(void **state)
{
	uint8_t buf[16];
	int fd = dial();

	(void)state;
	seen.reply = true;
	put_frame(fd, CONTROL_HOOK, MOMENT, sizeof(MOMENT) - 1);
	shutdown(fd, SHUT_WR);
	assert_true(run_until(&seen.closed, 1, WAIT_MS));
	assert_int_equal(get(fd, buf, sizeof(buf), WAIT_MS), 5);
	assert_int_equal(get(fd, buf, sizeof(buf), WAIT_MS), 0);
	close(fd);
}

static void test_gate(void **state)
{
	uint8_t buf[16], want[16];
	int fd = dial();

	(void)state;
	put_frame(fd, CONTROL_HOOK, MOMENT, sizeof(MOMENT) - 1);
	assert_true(run_until(&seen.received, 1, WAIT_MS));
	assert_false(seen.was_gone);
	assert_int_equal(control_send(seen.peer, CONTROL_HOLD, "500", 3, NULL),
			 0);
	assert_int_equal(get(fd, buf, sizeof(buf), WAIT_MS), 8);
	assert_memory_equal(buf, want, frame(want, CONTROL_HOLD, "500", 3));

	run_until(NULL, 0, 20);
	assert_false(control_is_gone(seen.peer));
	assert_int_equal(control_send(seen.peer, CONTROL_PASS, NULL, 0, NULL),
			 0);
	control_close(seen.peer);
	assert_int_equal(seen.closed, 0); /* never from within */
	assert_true(run_until(&seen.closed, 1, WAIT_MS));
	assert_int_equal(get(fd, buf, sizeof(buf), WAIT_MS), 5);
	assert_int_equal(buf[4], CONTROL_PASS);
	assert_int_equal(get(fd, buf, sizeof(buf), WAIT_MS), 0);
	close(fd);
}

static void test_gate_that_gave_up(void **state)
{
	int fd = dial();

	(void)state;
	put_frame(fd, CONTROL_HOOK, MOMENT, sizeof(MOMENT) - 1);
	assert_true(run_until(&seen.received, 1, WAIT_MS));
	close(fd);
	assert_true(control_is_gone(seen.peer));
	assert_true(run_until(&seen.closed, 1, WAIT_MS));
}

static void test_cut_off(void **state)
{
	static const uint8_t bad[][5] = {
		{ 0, 0, 0, 0, 1 },             /* no room for the kind */
		{ 0x01, 0x00, 0x00, 0x02, 5 }, /* one byte more than allowed */
		{ 0xff, 0xff, 0xff, 0xff, 5 },
	};
	uint8_t buf[1];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		int fd = dial();

		put(fd, bad[i], 5);
		assert_true(run_until(&seen.closed, i + 1, WAIT_MS));
		assert_int_equal(get(fd, buf, 1, WAIT_MS), 0);
		close(fd);
	}
	assert_int_equal(seen.received, 0);
}

static void test_unknown_kind_is_skipped(void **state)
{
	int fd = dial();

	(void)state;
	put_frame(fd, 99, "future", 6);
	put_frame(fd, CONTROL_MESSAGE, "x", 1);
	assert_true(run_until(&seen.received, 1, WAIT_MS));
	assert_int_equal(seen.kind, CONTROL_MESSAGE);
	close(fd);
}

/* Both ways, by a child that does what it is told in one go. */
static void test_longest(void **state)
{
	uint8_t *data = calloc(1, CONTROL_MAX + 5);
	size_t n = frame(data, CONTROL_MESSAGE, data + 5, CONTROL_MAX);
	int fd = dial(), status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		size_t got = 0;
		ssize_t r = send(fd, data, n, MSG_NOSIGNAL) == (ssize_t)n;

		while (r > 0 && got < n) {
			r = recv(fd, data, n, 0);
			got += r > 0 ? (size_t)r : 0;
		}
		_exit(got == n ? 0 : 1);
	}
	close(fd);
	assert_true(run_until(&seen.received, 1, WAIT_MS));
	assert_int_equal(seen.size, CONTROL_MAX);
	assert_int_equal(control_send(seen.peer, CONTROL_MESSAGE, data,
				      CONTROL_MAX, NULL),
			 0);
	control_close(seen.peer);
	assert_true(run_until(&seen.closed, 1, WAIT_MS));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	free(data);
}

static void test_slow_reader(void **state)
{
	char *data = calloc(1, CONTROL_MAX + 1);
	struct err err = { 0 };
	int fd = dial(), r = 0, n;

	(void)state;
	put_frame(fd, CONTROL_MESSAGE, "x", 1);
	assert_true(run_until(&seen.received, 1, WAIT_MS));
	assert_fails(control_send(seen.peer, CONTROL_MESSAGE, data,
				  CONTROL_MAX + 1, &err),
		     ERR_INVALID, err);
	for (n = 0; n < 100 && r == 0; n++)
		r = control_send(seen.peer, CONTROL_MESSAGE, data, 1 << 20,
				 &err);
	assert_fails(r, ERR_BUSY, err);
	assert_in_range(n, 30, 40);
	assert_fails(control_send(seen.peer, CONTROL_PASS, NULL, 0, &err),
		     ERR_ABSENT, err);
	assert_true(run_until(&seen.closed, 1, WAIT_MS));
	close(fd);
	free(data);
}

/* Each frame of one peer closes another, which has more to say. */
static void test_close_another(void **state)
{
	int victim = dial(), fd;

	(void)state;
	put_frame(victim, CONTROL_MESSAGE, "x", 1);
	assert_true(run_until(&seen.received, 1, WAIT_MS));
	seen.victim = seen.peer;
	fd = dial();
	run_until(NULL, 0, 20);
	put_frame(victim, CONTROL_MESSAGE, "y", 1);
	put_frame(fd, CONTROL_MESSAGE, "z", 1);
	assert_true(run_until(&seen.received, 2, WAIT_MS));
	seen.victim = NULL;
	assert_true(run_until(&seen.closed, 1, WAIT_MS));
	put_frame(fd, CONTROL_MESSAGE, "w", 1);
	assert_true(run_until(&seen.received, 3, WAIT_MS));
	close(victim);
	close(fd);
	assert_true(run_until(&seen.closed, 2, WAIT_MS));
}

static void test_close_in_callback(void **state)
{
	int fd = dial();

	(void)state;
	seen.close_it = true;
	put_frame(fd, CONTROL_MESSAGE, "x", 1);
	put_frame(fd, CONTROL_MESSAGE, "y", 1);
	assert_true(run_until(&seen.closed, 1, WAIT_MS));
	assert_string_equal(seen.order, "rc");
	close(fd);
}

static void test_many_peers(void **state)
{
	unsigned refused = 0;
	int fds[300];
	char c;

	(void)state;
	for (int i = 0; i < 300; i++) {
		fds[i] = dial();
		if (i % 50 == 49)
			run_until(NULL, 0, 100);
	}
	for (int i = 0; i < 300; i++)
		refused += get(fds[i], &c, 1, 0) == 0;
	assert_int_equal(refused, 300 - 256);
	for (int i = 0; i < 300; i++)
		close(fds[i]);
	assert_true(run_until(&seen.closed, 256, WAIT_MS));

	/* And there is room again. */
	fds[0] = dial();
	put_frame(fds[0], CONTROL_MESSAGE, "x", 1);
	assert_true(run_until(&seen.received, 1, WAIT_MS));
	close(fds[0]);
}

static void test_stranger_is_refused(void **state)
{
	int status;
	pid_t child;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(test_path("sock"), 0666), 0);
	assert_int_equal(chmod(test_dir_path, 0755), 0);
	child = fork();
	if (child == 0) {
		char buf[8];
		int fd;

		if (setresuid(65534, 65534, 65534) < 0)
			_exit(2);
		fd = dial();
		send(fd, "\0\0\0\1\5", 5, MSG_NOSIGNAL);
		_exit(get(fd, buf, sizeof(buf), WAIT_MS) == 0 ? 0 : 1);
	}
	run_until(&seen.received, 1, 300);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(seen.received, 0);
	assert_int_equal(seen.closed, 0);
}

static void test_socket_file(void **state)
{
	struct control *other;
	struct err err = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(stat(test_path("sock"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_fails(control_new(&other, loop, test_path("sock"), -1, &ops,
				 &seen, &err),
		     ERR_EXISTS, err);
	assert_contains(err.text, "somebody listens");
	test_write("plain", "x", 1);
	assert_fails(control_new(&other, loop, test_path("plain"), -1, &ops,
				 &seen, &err),
		     ERR_EXISTS, err);
	assert_int_equal(stat(test_path("plain"), &st), 0);
	assert_fails(control_new(&other, loop, "/nowhere/sock", -1, &ops, &seen,
				 &err),
		     ERR_INVALID, err);
}

static int listening(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

static void test_stale_socket(void **state)
{
	struct control *other;
	struct err err = { 0 };
	struct stat st;

	(void)state;
	close(listening(test_path("stale")));
	assert_ok(control_new(&other, loop, test_path("stale"), -1, &ops, &seen,
			      &err),
		  err);
	assert_int_equal(stat(test_path("stale"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	control_free(other);
	assert_int_equal(stat(test_path("stale"), &st), -1);
}

/* The socket of systemd stays when we go; what was written before we came is
 * read. */
static void test_passed_socket(void **state)
{
	struct err err = { 0 };
	struct stat st;
	int fd;

	(void)state;
	control_free(control);
	fd = listening(test_path("sock"));
	close(dial());
	{
		int hook = dial();

		put_frame(hook, CONTROL_HOOK, MOMENT, sizeof(MOMENT) - 1);
		close(hook);
	}
	assert_ok(control_new(&control, loop, NULL, fd, &ops, &seen, &err),
		  err);
	assert_true(run_until(&seen.closed, 2, WAIT_MS));
	assert_int_equal(seen.received, 1);
	control_free(control);
	control = NULL;
	assert_int_equal(stat(test_path("sock"), &st), 0);

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_fails(control_new(&control, loop, NULL, fd, &ops, &seen, &err),
		     ERR_INVALID, err);
	control = NULL;
	close(fd);
}

static void test_moment(void **state)
{
	struct moment m;
	struct err err = { 0 };

	(void)state;
	assert_ok(control_parse_moment(MOMENT, sizeof(MOMENT) - 1, &m, &err),
		  err);
	assert_string_equal(m.domain, "web-1");
	assert_string_equal(m.operation, "prepare");
	assert_string_equal(m.sub, "begin");
	assert_string_equal(m.extra, "-");
	assert_string_equal(m.xml, "<domain/>");
	assert_int_equal(m.deadline_ms, 12345);
	/* A later hook may say more. */
	assert_ok(control_parse_moment(MOMENT "more", sizeof(MOMENT "more"), &m,
				       &err),
		  err);
	for (size_t n = 0; n < sizeof(MOMENT) - 1; n++)
		assert_fails(control_parse_moment(MOMENT, n, &m, &err),
			     ERR_PROTO, err);
}

static void test_bad_moments(void **state)
{
	static const struct {
		const char *data;
		size_t size;
	} bad[] = {
#define BAD(text) { text, sizeof(text) }
		BAD("2\0web\0prepare\0begin\0-\0\0"
		    "0"),
		BAD("1\0\0prepare\0begin\0-\0\0"
		    "0"),
		BAD("1\0web\0\0begin\0-\0\0"
		    "0"),
		BAD("1\0we\nb\0prepare\0begin\0-\0\0"
		    "0"),
		BAD("1\0w\xff\0prepare\0begin\0-\0\0"
		    "0"),
		BAD("1\0web\0prepare\0begin\0\033\0\0"
		    "0"),
		BAD("1\0web\0prepare\0begin\0-\0\0"),
		BAD("1\0web\0prepare\0begin\0-\0\0-1"),
		BAD("1\0web\0prepare\0begin\0-\0\0 1"),
		BAD("1\0web\0prepare\0begin\0-\0\0"
		    "1x"),
		BAD("1\0web\0prepare\0begin\0-\0\0"
		    "99999999999999999999"),
	};
	char longest[400] = "1";
	struct moment m;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(control_parse_moment(bad[i].data, bad[i].size, &m,
						  &err),
			     ERR_PROTO, err);
	memset(longest + 2, 'x', 256);
	memcpy(longest + 259,
	       "p\0b\0-\0\0"
	       "0",
	       9);
	assert_fails(control_parse_moment(longest, 300, &m, &err), ERR_PROTO,
		     err);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_byte_by_byte),
		TEST(test_many_in_one_write),
		TEST(test_tell),
		TEST(test_tell_answered),
		TEST(test_half_closed_is_answered),
		TEST(test_gate),
		TEST(test_gate_that_gave_up),
		TEST(test_cut_off),
		TEST(test_unknown_kind_is_skipped),
		TEST(test_longest),
		TEST(test_slow_reader),
		TEST(test_close_another),
		TEST(test_close_in_callback),
		TEST(test_many_peers),
		TEST(test_stranger_is_refused),
		TEST(test_socket_file),
		TEST(test_stale_socket),
		TEST(test_passed_socket),
		cmocka_unit_test(test_moment),
		cmocka_unit_test(test_bad_moments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
