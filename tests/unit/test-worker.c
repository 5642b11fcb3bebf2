/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-worker.c - jobs on threads, completions on the loop, a thread that hangs */
#include "tests/lib/test.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/worker.h"

static struct loop *loop;
static struct worker_pool *pool;
static struct err err;
static pthread_t loop_thread;
static unsigned n_done, stop_at;
static atomic_uint n_running, most_running, n_started;
static sem_t gate;

struct job {
	struct worker_job job;
	pthread_t ran_on;
	atomic_bool ran;
	bool done;
};

static int set_up(void **state)
{
	(void)state;
	n_done = 0;
	n_running = most_running = n_started = 0;
	loop_thread = pthread_self();
	sem_init(&gate, 0, 0);
	return loop_new(&loop, &err);
}

static int tear_down(void **state)
{
	(void)state;
	loop_free(loop);
	sem_destroy(&gate);
	return 0;
}

static void run_quick(struct worker_job *job)
{
	struct job *j = CONTAINER_OF(job, struct job, job);

	n_started++;
	j->ran_on = pthread_self();
	j->ran = true;
}

static void run_slow(struct worker_job *job)
{
	unsigned n = ++n_running, most = most_running;

	while (n > most &&
	       !atomic_compare_exchange_weak(&most_running, &most, n))
		;
	usleep(3000);
	n_running--;
	run_quick(job);
}

static void run_gate(struct worker_job *job)
{
	n_started++;
	while (sem_wait(&gate) < 0)
		;
	run_quick(job);
}

static void finish(struct worker_job *job)
{
	struct job *j = CONTAINER_OF(job, struct job, job);

	assert_true(pthread_equal(pthread_self(), loop_thread));
	assert_true(j->ran);
	assert_false(j->done);
	j->done = true;
	if (++n_done == stop_at)
		loop_stop(loop);
}

static void submit(struct job *jobs, unsigned n,
		   void (*run)(struct worker_job *))
{
	for (unsigned i = 0; i < n; i++) {
		jobs[i] = (struct job){ .job = { .run = run, .done = finish } };
		worker_submit(pool, &jobs[i].job);
	}
}

static void test_done_on_loop(void **state)
{
	struct job jobs[50];

	(void)state;
	assert_ok(worker_pool_new(&pool, loop, 4, &err), err);
	assert_int_equal(worker_busy(pool), 0);
	submit(jobs, 50, run_quick);
	assert_int_equal(worker_busy(pool), 50);
	stop_at = 50;
	assert_ok(loop_run(loop, &err), err);
	assert_int_equal(worker_busy(pool), 0);
	for (int i = 0; i < 50; i++) {
		assert_true(jobs[i].done);
		assert_false(pthread_equal(jobs[i].ran_on, loop_thread));
	}
	assert_true(worker_pool_free(pool, clock_ms() + 10000));
}

static void test_limit(void **state)
{
	struct job jobs[12];

	(void)state;
	assert_ok(worker_pool_new(&pool, loop, 3, &err), err);
	submit(jobs, 12, run_slow);
	stop_at = 12;
	assert_ok(loop_run(loop, &err), err);
	assert_in_range(most_running, 1, 3);
	assert_true(worker_pool_free(pool, clock_ms() + 10000));
}

static void submit_again(struct worker_job *job)
{
	if (++n_done < 5) {
		CONTAINER_OF(job, struct job, job)->ran = false;
		worker_submit(pool, job);
		return;
	}
	/* The pool may be freed here too. */
	assert_true(worker_pool_free(pool, clock_ms() + 10000));
	loop_stop(loop);
}

static void test_submit_and_free_in_done(void **state)
{
	struct job j = { .job = { .run = run_quick, .done = submit_again } };

	(void)state;
	assert_ok(worker_pool_new(&pool, loop, 1, &err), err);
	worker_submit(pool, &j.job);
	assert_ok(loop_run(loop, &err), err);
	assert_int_equal(n_done, 5);
}

/* The running job is waited for and done; a waiting one is done or dropped. */
static void test_free_waits(void **state)
{
	struct job slow, waiting;

	(void)state;
	assert_ok(worker_pool_new(&pool, loop, 1, &err), err);
	stop_at = 0;
	submit(&slow, 1, run_gate);
	while (!n_started)
		usleep(100);
	submit(&waiting, 1, run_quick);
	sem_post(&gate);
	assert_true(worker_pool_free(pool, clock_ms() + 10000));
	assert_true(slow.done);
	/* whether it was still waiting is a matter of luck */
	assert_int_equal(waiting.ran, waiting.done);
	assert_int_equal(n_done, waiting.done ? 2 : 1);
}

static void test_free_with_hung_thread(void **state)
{
	static struct job hung; /* outlives the test, as the contract says */
	int64_t before = clock_ms();

	(void)state;
	assert_ok(worker_pool_new(&pool, loop, 2, &err), err);
	submit(&hung, 1, run_gate);
	while (!n_started)
		usleep(100);
	assert_false(worker_pool_free(pool, before + 20));
	assert_in_range(clock_ms() - before, 20, 10000);
	assert_false(hung.done);
	/* Let it end before the semaphore goes. */
	sem_post(&gate);
	while (!hung.ran)
		usleep(100);
	assert_false(hung.done);
}

static void test_hung_thread_blocks_none(void **state)
{
	struct job hung, jobs[5];

	(void)state;
	assert_ok(worker_pool_new(&pool, loop, 2, &err), err);
	submit(&hung, 1, run_gate);
	submit(jobs, 5, run_quick);
	stop_at = 5;
	assert_ok(loop_run(loop, &err), err);
	assert_int_equal(worker_busy(pool), 1);
	sem_post(&gate);
	assert_true(worker_pool_free(pool, clock_ms() + 10000));
	assert_true(worker_pool_free(NULL, 0));
}

static void service(void *arg)
{
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	*(int *)arg = sigismember(&mask, SIGTERM);
	sem_post(&gate);
}

static void test_service(void **state)
{
	int blocked = -1;

	(void)state;
	assert_ok(worker_service("test", service, &blocked, &err), err);
	while (sem_wait(&gate) < 0)
		;
	assert_int_equal(blocked, 1);
}

static void test_lock(void **state)
{
	struct worker_lock lock;

	(void)state;
	worker_lock_init(&lock);
	worker_lock_take(&lock);
	assert_int_not_equal(pthread_mutex_trylock(&lock.mutex), 0);
	worker_lock_drop(&lock);
	worker_lock_done(&lock);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_done_on_loop),
		T(test_limit),
		T(test_submit_and_free_in_done),
		T(test_free_waits),
		T(test_free_with_hung_thread),
		T(test_hung_thread_blocks_none),
		T(test_service),
		T(test_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
