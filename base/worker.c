/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker.c - the only threads
 *
 * Jobs wait in one list and come back in another, so that handing over a job
 * allocates nothing and cannot fail.  The pool has its own eventfd on the loop.
 */
#include "base/worker.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"

struct queue {
	struct worker_job *first, *last;
	unsigned size;
};

struct worker_pool {
	struct loop_file wake;
	unsigned n_jobs; /* submitted, not yet done; loop thread only */
	unsigned max_threads;

	pthread_mutex_t mutex; /* of all below */
	pthread_cond_t changed;
	struct queue waiting, finished;
	unsigned n_idle, n_alive;
	bool stopping;
	unsigned n_threads;
	struct worker_pool *next_abandoned;
	pthread_t threads[];
};

struct service {
	void (*run)(void *arg);
	void *arg;
};

static void put(struct queue *queue, struct worker_job *job)
{
	job->next = NULL;
	if (queue->last)
		queue->last->next = job;
	else
		queue->first = job;
	queue->last = job;
	queue->size++;
}

static struct worker_job *take(struct queue *queue)
{
	struct worker_job *job = queue->first;

	if (!job)
		return NULL;
	queue->first = job->next;
	if (!queue->first)
		queue->last = NULL;
	queue->size--;
	return job;
}

/* With all signals blocked: they are for the loop's thread. */
static int start_thread(pthread_t *ret, void *(*main)(void *), void *arg)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(ret, NULL, main, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

/* Mutex held.  NULL when the pool stops. */
static struct worker_job *wait_job(struct worker_pool *pool)
{
	while (!pool->stopping && !pool->waiting.first) {
		pool->n_idle++;
		pthread_cond_wait(&pool->changed, &pool->mutex);
		pool->n_idle--;
	}
	return pool->stopping ? NULL : take(&pool->waiting);
}

static void *thread_main(void *arg)
{
	struct worker_pool *pool = arg;
	struct worker_job *job;

	pthread_setname_np(pthread_self(), "worker");
	pthread_mutex_lock(&pool->mutex);
	while ((job = wait_job(pool))) {
		pthread_mutex_unlock(&pool->mutex);
		job->run(job);
		pthread_mutex_lock(&pool->mutex);
		put(&pool->finished, job);
		eventfd_write(pool->wake.fd, 1);
	}
	pool->n_alive--;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->mutex);
	return NULL;
}

/* Mutex held.  0 or an errno value. */
static int add_thread(struct worker_pool *pool)
{
	int r = start_thread(&pool->threads[pool->n_threads], thread_main,
			     pool);

	if (r)
		return r;
	pool->n_threads++;
	pool->n_alive++;
	return 0;
}

static struct worker_job *take_finished(struct worker_pool *pool)
{
	struct worker_job *job;

	pthread_mutex_lock(&pool->mutex);
	job = take(&pool->finished);
	pthread_mutex_unlock(&pool->mutex);
	return job;
}

static void complete(struct worker_pool *pool, struct worker_job *job)
{
	pool->n_jobs--;
	job->done(job);
}

/* One job a turn: `done` may free the pool. */
static void wake_ready(struct loop_file *file, uint32_t revents)
{
	struct worker_pool *pool = CONTAINER_OF(file, struct worker_pool, wake);
	struct worker_job *job;
	eventfd_t one;

	(void)revents;
	if (eventfd_read(file->fd, &one) < 0)
		return;
	job = take_finished(pool);
	if (job)
		complete(pool, job);
}

static void init_locks(struct worker_pool *pool)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&pool->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static void destroy(struct worker_pool *pool)
{
	loop_file_del(&pool->wake);
	if (pool->wake.fd >= 0)
		close(pool->wake.fd);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->mutex);
	free(pool);
}

/* The first thread is made at once: with it, jobs run however short of memory
 * we are later. */
static int start(struct worker_pool *pool, struct loop *loop, struct err *err)
{
	int r;

	/* A semaphore: each read takes one off, so it counts finished jobs. */
	pool->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	if (pool->wake.fd < 0)
		return err_set(err, ERR_NOMEM, errno, "cannot make an eventfd");
	r = loop_file_add(loop, &pool->wake, EPOLLIN, err);
	if (r < 0)
		return r;
	r = add_thread(pool);
	if (r)
		return err_set(err, ERR_NOMEM, r, "cannot make a thread");
	return 0;
}

int worker_pool_new(struct worker_pool **ret, struct loop *loop,
		    unsigned max_threads, struct err *err)
{
	struct worker_pool *pool;
	int r;

	assert(max_threads > 0);
	pool = calloc(1, sizeof(*pool) + max_threads * sizeof(pthread_t));
	if (!pool)
		return err_set(err, ERR_NOMEM, 0, "cannot make a worker pool");
	pool->max_threads = max_threads;
	pool->wake.ready = wake_ready;
	init_locks(pool);
	r = start(pool, loop, err);
	if (r < 0) {
		destroy(pool);
		return r;
	}
	*ret = pool;
	return 0;
}

void worker_submit(struct worker_pool *pool, struct worker_job *job)
{
	pool->n_jobs++;
	pthread_mutex_lock(&pool->mutex);
	put(&pool->waiting, job);
	/* Without memory for one more thread, those that are there do it. */
	if (pool->n_idle < pool->waiting.size &&
	    pool->n_threads < pool->max_threads && !pool->stopping)
		add_thread(pool);
	pthread_cond_signal(&pool->changed);
	pthread_mutex_unlock(&pool->mutex);
}

unsigned worker_busy(const struct worker_pool *pool)
{
	return pool->n_jobs;
}

static bool all_ended(struct worker_pool *pool, int64_t deadline_ms)
{
	struct timespec until = {
		.tv_sec = deadline_ms / 1000,
		.tv_nsec = deadline_ms % 1000 * 1000000,
	};
	bool ended;
	int r = 0;

	pthread_mutex_lock(&pool->mutex);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->changed);
	while (pool->n_alive && r == 0)
		r = pthread_cond_timedwait(&pool->changed, &pool->mutex,
					   &until);
	ended = !pool->n_alive;
	pthread_mutex_unlock(&pool->mutex);
	return ended;
}

/* Still used by the thread that hangs; kept where leak checkers find it. */
static void abandon(struct worker_pool *pool)
{
	static struct worker_pool *abandoned;

	for (unsigned i = 0; i < pool->n_threads; i++)
		pthread_detach(pool->threads[i]);
	pool->next_abandoned = abandoned;
	abandoned = pool;
}

bool worker_pool_free(struct worker_pool *pool, int64_t deadline_ms)
{
	struct worker_job *job;
	bool ended;

	if (!pool)
		return true;
	ended = all_ended(pool, deadline_ms);
	loop_file_del(&pool->wake);
	while ((job = take_finished(pool)))
		complete(pool, job);
	if (!ended) {
		abandon(pool);
		return false;
	}
	for (unsigned i = 0; i < pool->n_threads; i++)
		pthread_join(pool->threads[i], NULL);
	destroy(pool);
	return true;
}

static void *service_main(void *arg)
{
	struct service service = *(struct service *)arg;

	free(arg);
	service.run(service.arg);
	return NULL;
}

int worker_service(const char *name, void (*run)(void *arg), void *arg,
		   struct err *err)
{
	struct service *service = malloc(sizeof(*service));
	pthread_t thread;
	int r;

	if (!service)
		return err_set(err, ERR_NOMEM, 0, "cannot make thread '%s'",
			       name);
	*service = (struct service){ .run = run, .arg = arg };
	r = start_thread(&thread, service_main, service);
	if (r) {
		free(service);
		return err_set(err, ERR_NOMEM, r, "cannot make thread '%s'",
			       name);
	}
	/* For people only, so its refusal of long names does not matter. */
	pthread_setname_np(thread, name);
	pthread_detach(thread);
	return 0;
}

void worker_lock_init(struct worker_lock *lock)
{
	pthread_mutex_init(&lock->mutex, NULL);
}

void worker_lock_done(struct worker_lock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
}

void worker_lock_take(struct worker_lock *lock)
{
	pthread_mutex_lock(&lock->mutex);
}

void worker_lock_drop(struct worker_lock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
}
