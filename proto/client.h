/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client.h - ask an agent or the collector, and wait: for the command line
 *
 * Blocking, one thread, one request at a time, each with a deadline.  The
 * address says whom: an absolute path is an agent's control socket, all else
 * ("tcp://host:port", "ipc://path") the collector.
 */
#ifndef PROTO_CLIENT_H
#define PROTO_CLIENT_H

#include <stdint.h>

#include "base/err.h"

struct client;
struct reply;
struct request;

/* A socket that is not there or refuses is ERR_ABSENT, one we may not open
 * ERR_INVALID with the errno, both with a text that says what to do. */
int client_open(struct client **ret, const char *address, struct err *err);
void client_close(struct client *client);

/*
 * Send the request and pass each reply to `got` until the last one.  The
 * reply is good until `got` returns, which may take what it wants out of it.
 * 0: the last reply came (its own err may still tell of a failure);
 * ERR_TIMEOUT: nothing came for `silence_ms`; ERR_ABSENT: the other side went
 * away; ERR_PROTO: it talks nonsense.
 */
int client_call(struct client *client, const struct request *request,
		int64_t silence_ms, void (*got)(void *arg, struct reply *reply),
		void *arg, struct err *err);

#endif
