/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-loop.c - order, deletion inside callbacks, posts, signals */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/loop.h"

static struct loop *loop;
static struct err err;
static char trace[256];
static size_t enough; /* length of the trace that stops the loop */

static void note(char c)
{
	size_t n = strlen(trace);

	assert_true(n + 1 < sizeof(trace));
	trace[n] = c;
	trace[n + 1] = '\0';
	if (n + 1 == enough)
		loop_stop(loop);
}

static int set_up(void **state)
{
	(void)state;
	trace[0] = '\0';
	enough = 0;
	return loop_new(&loop, &err);
}

static int tear_down(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void stop_loop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

/* Runs for so long. */
static void run_ms(int64_t ms)
{
	struct loop_timer timer = { .expired = stop_loop };

	loop_timer_set(loop, &timer, clock_ms() + ms);
	assert_ok(loop_run(loop, &err), err);
	loop_timer_del(&timer);
}

/* Runs until the trace is `want`, then a little longer: no more must come. */
static void run_until(const char *want)
{
	enough = strlen(want);
	run_ms(5000);
	enough = 0;
	run_ms(3);
	assert_string_equal(trace, want);
}

struct pipe_end {
	struct loop_file file;
	int write_fd;
	char name;
	struct pipe_end *victim; /* deleted by our callback */
};

static void read_note(struct loop_file *file, uint32_t revents)
{
	struct pipe_end *end = CONTAINER_OF(file, struct pipe_end, file);
	char c;

	assert_true(revents & (EPOLLIN | EPOLLHUP));
	if (read(file->fd, &c, 1) == 1)
		note(end->name);
	else
		loop_file_del(file);
	if (end->victim) {
		loop_file_del(&end->victim->file);
		close(end->victim->file.fd);
		close(end->victim->write_fd);
		free(end->victim);
		end->victim = NULL;
		note('x');
	}
}

static struct pipe_end *make_end(char name)
{
	struct pipe_end *end = calloc(1, sizeof(*end));
	int fds[2];

	assert_non_null(end);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	end->file.fd = fds[0];
	end->file.ready = read_note;
	end->write_fd = fds[1];
	end->name = name;
	assert_ok(loop_file_add(loop, &end->file, EPOLLIN, &err), err);
	assert_int_equal(write(end->write_fd, "1", 1), 1);
	return end;
}

static void free_end(struct pipe_end *end)
{
	loop_file_del(&end->file);
	close(end->file.fd);
	close(end->write_fd);
	free(end);
}

static void test_file(void **state)
{
	struct pipe_end *end = make_end('a');

	(void)state;
	assert_int_equal(write(end->write_fd, "2", 1), 1);
	run_until("aa");
	free_end(end);
}

static void test_file_twice_and_bad(void **state)
{
	struct pipe_end *end = make_end('a');
	struct loop_file again = { .fd = end->file.fd, .ready = read_note };
	struct loop_file bad = { .fd = -1, .ready = read_note };

	(void)state;
	assert_fails(loop_file_add(loop, &again, EPOLLIN, &err), ERR_EXISTS,
		     err);
	assert_fails(loop_file_add(loop, &bad, EPOLLIN, &err), ERR_INVALID,
		     err);
	assert_null(bad.loop);
	loop_file_del(&bad); /* never added: nothing */
	free_end(end);
}

static void test_file_events(void **state)
{
	struct pipe_end *end = make_end('a');

	(void)state;
	loop_file_events(&end->file, 0);
	run_ms(3);
	assert_string_equal(trace, "");
	loop_file_events(&end->file, EPOLLIN);
	run_until("a");
	free_end(end);
}

/* Both are ready in one batch; the first frees the second. */
static void test_file_deletes_pending(void **state)
{
	struct pipe_end *a = make_end('a'), *b = make_end('b');

	(void)state;
	a->victim = b;
	b->victim = NULL;
	/* epoll reports in order of readiness, so 'b' never comes */
	run_until("ax");
	free_end(a);
}

static void delete_self(struct loop_file *file, uint32_t revents)
{
	struct pipe_end *end = CONTAINER_OF(file, struct pipe_end, file);

	(void)revents;
	note(end->name);
	free_end(end);
}

static void test_file_deletes_itself(void **state)
{
	struct pipe_end *end = make_end('a');

	(void)state;
	end->file.ready = delete_self;
	run_until("a");
}

struct named_timer {
	struct loop_timer timer;
	char name;
	struct named_timer *victim;
};

static void note_timer(struct loop_timer *timer)
{
	struct named_timer *t = CONTAINER_OF(timer, struct named_timer, timer);

	assert_true(clock_ms() >= timer->at_ms);
	note(t->name);
	if (t->victim)
		loop_timer_del(&t->victim->timer);
}

static void test_timer_order(void **state)
{
	struct named_timer t[4];
	int64_t now = clock_ms();

	(void)state;
	for (int i = 0; i < 4; i++)
		t[i] = (struct named_timer){ { .expired = note_timer },
					     (char)('a' + i),
					     NULL };
	loop_timer_set(loop, &t[0].timer, now + 6);
	loop_timer_set(loop, &t[1].timer, now + 3);
	loop_timer_set(loop, &t[2].timer, now + 3);
	loop_timer_set(loop, &t[3].timer, now - 100);
	loop_timer_set(loop, &t[0].timer, now + 4); /* moved */
	run_until("dbca");
	assert_null(t[0].timer.loop);
}

static void test_timer_deletes_due(void **state)
{
	struct named_timer b = { { .expired = note_timer }, 'b', NULL };
	struct named_timer a = { { .expired = note_timer }, 'a', &b };
	int64_t now = clock_ms();

	(void)state;
	loop_timer_set(loop, &a.timer, now);
	loop_timer_set(loop, &b.timer, now);
	run_until("a");
	loop_timer_del(&a.timer); /* not set: nothing */
}

static void set_again(struct loop_timer *timer)
{
	note('t');
	if (strlen(trace) < 5)
		loop_timer_set(loop, timer, clock_ms() - 1);
}

/* One that is always due must not keep files from being served. */
static void test_timer_does_not_starve(void **state)
{
	struct loop_timer timer = { .expired = set_again };
	struct pipe_end *end;

	(void)state;
	loop_timer_set(loop, &timer, clock_ms());
	end = make_end('f');
	end->victim = NULL;
	run_until("ftttt");
	free_end(end);
}

static void post_note(void *arg)
{
	note(*(const char *)arg);
}

static void post_more(void *arg)
{
	note('m');
	assert_int_equal(loop_post(loop, post_note, arg), 0);
}

static void post_stop(void *arg)
{
	(void)arg;
	note('s');
	loop_stop(loop);
}

static void test_posts_in_order(void **state)
{
	static char names[] = "abc";

	(void)state;
	loop_post(loop, post_note, &names[0]);
	loop_post(loop, post_more, &names[2]);
	loop_post(loop, post_note, &names[1]);
	run_until("ambc");
}

static void test_stop_keeps_posts(void **state)
{
	static char names[] = "abc";

	(void)state;
	loop_post(loop, post_stop, NULL);
	loop_post(loop, post_note, &names[0]);
	assert_ok(loop_run(loop, &err), err);
	assert_string_equal(trace, "s");
	run_until("sa");
	loop_post(loop, post_note, &names[1]); /* freed with the loop */
}

static void test_stop_before_run(void **state)
{
	(void)state;
	loop_stop(loop);
	assert_ok(loop_run(loop, &err), err);
}

#define POSTS 2000
static unsigned posted[4], next_value[4];

static void post_count(void *arg)
{
	unsigned *value = arg;
	unsigned thread = *value >> 16;

	assert_int_equal(*value & 0xffff, next_value[thread]++);
	free(value);
	if (++posted[0] == 4 * POSTS)
		loop_stop(loop);
}

static void *poster(void *arg)
{
	unsigned thread = *(unsigned *)arg, *value;

	for (unsigned i = 0; i < POSTS; i++) {
		value = malloc(sizeof(*value));
		if (!value)
			abort();
		*value = thread << 16 | i;
		if (loop_post(loop, post_count, value) < 0)
			abort();
	}
	return NULL;
}

static void test_posts_from_threads(void **state)
{
	unsigned numbers[4] = { 0, 1, 2, 3 };
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, poster, &numbers[i]);
	assert_ok(loop_run(loop, &err), err);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(next_value[i], POSTS);
	}
}

static void signal_note(struct loop_signal *sig)
{
	note(sig->signo == SIGUSR1 ? '1' : '2');
}

static void test_signals(void **state)
{
	struct loop_signal usr1 = { .caught = signal_note };
	struct loop_signal usr2 = { .caught = signal_note };

	(void)state;
	assert_ok(loop_signal_add(loop, &usr1, SIGUSR1, &err), err);
	assert_ok(loop_signal_add(loop, &usr2, SIGUSR2, &err), err);
	kill(getpid(), SIGUSR1);
	run_until("1");
	kill(getpid(), SIGUSR2);
	run_until("12");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_file),
		T(test_file_twice_and_bad),
		T(test_file_events),
		T(test_file_deletes_pending),
		T(test_file_deletes_itself),
		T(test_timer_order),
		T(test_timer_deletes_due),
		T(test_timer_does_not_starve),
		T(test_posts_in_order),
		T(test_stop_keeps_posts),
		T(test_stop_before_run),
		T(test_posts_from_threads),
		T(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
