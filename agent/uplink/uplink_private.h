/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink_private.h - what the files of the uplink share
 */
#ifndef AGENT_UPLINK_UPLINK_PRIVATE_H
#define AGENT_UPLINK_UPLINK_PRIVATE_H

#include "agent/uplink/uplink.h"
#include "base/loop.h"

/* See the drawing in uplink.c. */
enum uplink_state { LOST, ASKED, OPEN, BACKWARDS };

/* Limits a line that could come with every message. */
struct quiet {
	int64_t until_ms;
	unsigned skipped;
};

struct uplink {
	struct loop *loop;
	struct journal *journal;
	struct link *link;
	struct uplink_config config; /* its texts are our own copies */
	enum uplink_state state;
	uint64_t acked;            /* as the collector said last */
	uint64_t sent;             /* at least `acked` while OPEN */
	struct loop_timer send;    /* the next batch, or HELLO once more */
	struct loop_timer silence; /* no WELCOME or no ACK in time */
	struct loop_timer ping;
	struct loop_timer tell; /* a change of state to log */
	bool told, told_open;   /* anything; what was logged last */
	const char *why_not_open;
	int64_t tell_from_ms;
	struct quiet about_journal, about_input;
};

struct link_peer;
struct message;

/* --- uplink.c */
void uplink_after_ms(struct uplink *u, struct loop_timer *timer, int64_t ms);
/* Also moves the timers that do not belong to the new state out of the way and
 * logs going in and out of OPEN. */
void uplink_enter(struct uplink *u, enum uplink_state state, const char *why);
int uplink_send_message(struct uplink *u, const struct message *message,
			struct err *err);
bool uplink_may_say(struct quiet *quiet);

/* --- uplink_events.c */
/* One batch, if there is something to send and room in the window. */
void uplink_send_events(struct uplink *u);

/* --- uplink_hear.c: for struct link_ops */
void uplink_received(void *owner, const struct link_peer *peer,
		     const void *data, size_t size);

#endif
