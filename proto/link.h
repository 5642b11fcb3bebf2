/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link.h - ZeroMQ sockets on the loop
 *
 * A dialer (DEALER: an agent) keeps one connection to a listener (ROUTER: the
 * collector), which answers many.  A message is one frame, at most
 * MESSAGE_MAX bytes; more frames or longer ones are dropped and counted.
 * Nothing blocks.  Delivery is not promised: what must not be lost is repeated
 * until it was acknowledged by the layer above.
 *
 * Encryption and keys come into struct link_config; callers will not change.
 */
#ifndef PROTO_LINK_H
#define PROTO_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct link;
struct loop;

/* Who sent a message to a listener; copied freely.  A dialer has one peer. */
struct link_peer {
	uint8_t size;
	uint8_t route[64];
};

/* A callback may send, and may free the link. */
struct link_ops {
	/* A message; `data` is good until the return. */
	void (*received)(void *owner, const struct link_peer *peer,
			 const void *data, size_t size);
	/* Dialer: connected (again), or the connection was lost.  May be NULL. */
	void (*connected)(void *owner);
	void (*lost)(void *owner);
};

struct link_config {
	bool listen;
	const char *endpoint; /* "tcp://127.0.0.1:7711", "ipc:///run/..." */
	size_t queue;         /* messages kept per peer: high-water mark; > 0 */
};

int link_new(struct link **ret, struct loop *loop,
	     const struct link_config *config, const struct link_ops *ops,
	     void *owner, struct err *err);
void link_free(struct link *link); /* what is queued is dropped */

/* ERR_BUSY when the queue is full or (dialer) there is no connection; ERR_ABSENT
 * when the peer of a listener has gone; ERR_INVALID when it is longer than
 * MESSAGE_MAX.  `peer` is NULL for a dialer. */
int link_send(struct link *link, const struct link_peer *peer, const void *data,
	      size_t size, struct err *err);

/* Messages that were not of one frame, or from a route we cannot keep. */
uint64_t link_dropped(const struct link *link);

/* Where a listener really listens ("tcp://127.0.0.1:*" was asked for). */
const char *link_endpoint(const struct link *link);

#endif
