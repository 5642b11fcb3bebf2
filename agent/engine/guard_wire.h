/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guard_wire.h - what agent and guard say to each other
 *
 * Both ends are the same program, so plain structs over a SOCK_SEQPACKET pair.
 * The agent asks (OWE, PAID) and the guard answers each OWE with GUARD_HELD;
 * what the guard says on its own (GUARD_THAWED) goes over a second pair, so
 * that a worker waiting for an answer and the loop never read the same socket.
 * The guard finds the two at descriptors `fd` and `fd` + 1.
 */
#ifndef AGENT_ENGINE_GUARD_WIRE_H
#define AGENT_ENGINE_GUARD_WIRE_H

#include <stdint.h>

#include "base/id.h"

enum guard_word {
	GUARD_OWE = 1,
	GUARD_PAID,
	GUARD_HELD,
	GUARD_THAWED,
};

struct guard_msg {
	enum guard_word word;
	struct id domain;
	int64_t deadline_ms;
	char channel[128];
};

#define GUARD_FD 3 /* where the guard finds its sockets */

#endif
