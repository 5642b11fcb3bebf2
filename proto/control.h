/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * control.h - the agent's local socket: hooks and command line
 *
 * SOCK_STREAM, so that what a hook wrote waits in the kernel while the agent
 * restarts, also after the hook has gone.  Frames: u32 length of what follows
 * (big-endian), u8 kind, payload.  Only callers with the uid of root or of the
 * daemon itself (SO_PEERCRED) are heard.  Loop thread; nothing blocks: what a
 * slow reader does not take is queued up to a bound, then he is cut off.
 */
#ifndef PROTO_CONTROL_H
#define PROTO_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum control_kind {
	CONTROL_HOOK = 1,  /* hook: "1", then the texts of struct moment, each
			      * with its NUL; the deadline in decimal */
	CONTROL_HOLD = 2,  /* to a gate: wait up to that many ms (decimal) */
	CONTROL_PASS = 3,  /* to a gate: go on */
	CONTROL_BLOCK = 4, /* to a gate: refuse the start; payload says why, in
			      * at most 4095 bytes */
	CONTROL_MESSAGE = 5, /* a packed struct message: REQUEST or REPLY */
};

#define CONTROL_MAX (16 << 20) /* bytes of a payload; longer: cut off */

/* What a hook said; texts point into the frame. */
struct moment {
	const char *domain;    /* name */
	const char *operation; /* "prepare", "stopped", ... */
	const char *sub;
	const char *extra;
	const char *xml;     /* "" when it was too large */
	int64_t deadline_ms; /* clock_ms(); 0: a tell, nobody waits */
};

/* ERR_PROTO when the payload is not one.  All texts but the XML are clean, and
 * the domain's name fits DOMAIN_NAME. */
int control_parse_moment(const void *payload, size_t size, struct moment *ret,
			 struct err *err);

struct control;
struct control_peer; /* one connection; lives until `closed` was called */
struct loop;

/* A callback may send to and close any peer: nothing is freed and nobody is
 * called before it has returned.  Unknown kinds of frames are skipped. */
struct control_ops {
	void (*received)(void *owner, struct control_peer *peer,
			 enum control_kind kind, const void *data, size_t size);
	/* The peer is gone; forget it.  Not called by control_free(). */
	void (*closed)(void *owner, struct control_peer *peer);
};

/* Listens at `path` (made 0600, a stale socket is replaced, a live one is
 * ERR_EXISTS), or on the socket `fd` that systemd made when it is not -1. */
int control_new(struct control **ret, struct loop *loop, const char *path,
		int fd, const struct control_ops *ops, void *owner,
		struct err *err);
void control_free(struct control *control);

/* Queues a frame; ERR_BUSY when the peer's queue (32 MiB) is full, and it is cut
 * off; ERR_ABSENT when the peer has gone. */
int control_send(struct control_peer *peer, enum control_kind kind,
		 const void *data, size_t size, struct err *err);
/* End the connection once all that is queued was taken; what the peer still
 * says is not heard.  `closed` follows from the loop. */
void control_close(struct control_peer *peer);
/* Has the other side gone, or hung up its sending half?  A hook that waits at
 * a gate does neither. */
bool control_is_gone(const struct control_peer *peer);

#endif
