/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * collector.h - the daemon: owns loop, link, store, ingest and queries
 *
 * One thread.  It stops at SIGTERM or SIGINT after a last commit of what
 * waits; a second instance on the same endpoint does not start.
 */
#ifndef COLLECTOR_COLLECTOR_H
#define COLLECTOR_COLLECTOR_H

#include "base/err.h"

struct collector;
struct config;

/* Everything is open and listens when it returns 0. */
int collector_new(struct collector **ret, const struct config *config,
		  struct err *err);
int collector_run(struct collector *collector, struct err *err);
void collector_free(struct collector *collector);

#endif
