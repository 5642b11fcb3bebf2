/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * worker.h - the only threads
 *
 * A job runs on a worker thread and its completion on the loop's thread.  The
 * job's owner keeps the job and what it points to alive until `done` has been
 * called.  Threads are made on demand up to a maximum and kept; a job that
 * hangs costs its thread, never the loop.
 */
#ifndef BASE_WORKER_H
#define BASE_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct worker_pool;

struct worker_job {
	void (*run)(struct worker_job *job);  /* worker thread, may block */
	void (*done)(struct worker_job *job); /* loop thread */
	struct worker_job *next;
};

int worker_pool_new(struct worker_pool **ret, struct loop *loop,
		    unsigned max_threads, struct err *err);

/* Loop thread.  Always accepted; waits when all threads are busy. */
void worker_submit(struct worker_pool *pool, struct worker_job *job);
unsigned worker_busy(const struct worker_pool *pool); /* running or waiting */

/* Loop thread.  Stops taking jobs and waits up to `deadline_ms` for those that
 * run; calls `done` of those that ran.  Jobs that still waited are dropped:
 * neither `run` nor `done` is called.  True when none is left and the pool was
 * freed.  False: a thread hangs; the pool is leaked on purpose, the job must
 * stay alive and the process should exit. */
bool worker_pool_free(struct worker_pool *pool, int64_t deadline_ms);

/* A thread for the life of the process, as libvirt's event loop needs one.
 * All signals are blocked in it. */
int worker_service(const char *name, void (*run)(void *arg), void *arg,
		   struct err *err);

/* A mutex for what workers share; so that pthread.h stays here. */
struct worker_lock {
	pthread_mutex_t mutex;
};
void worker_lock_init(struct worker_lock *lock);
void worker_lock_done(struct worker_lock *lock);
void worker_lock_take(struct worker_lock *lock);
void worker_lock_drop(struct worker_lock *lock);

#endif
