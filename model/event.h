/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * event.h - what the collector is told
 *
 * An event is written to the outbox in the same transaction as the state it
 * tells of.  Applied in order of (epoch, seq), events alone rebuild the trees.
 */
#ifndef MODEL_EVENT_H
#define MODEL_EVENT_H

#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "model/domain.h"
#include "model/snapshot.h"
#include "model/word.h"

/*   name              wire  word                  what the members say */
#define EVENT_KINDS(X)                                                       \
	X(AGENT_STARTED, 1, "agent-started") /* text: version */             \
	X(DOMAIN_SEEN, 2, "domain-seen")     /* domain, state, head */       \
	X(DOMAIN_GONE, 3, "domain-gone")     /* domain: undefined */         \
	X(REQUESTED, 4, "requested")         /* op admitted */               \
	X(TAKEN, 5, "taken")                 /* snapshot: new head */        \
	X(FAILED, 6, "failed")               /* op, code, text */            \
	X(STUCK, 7, "stuck")                 /* op, code, text */            \
	X(MOMENT_MISSED, 8, "moment-missed") /* text: which and why */       \
	X(GUEST_THAWED, 9, "guest-thawed")   /* by guard or recovery */      \
	X(THAW_OWED, 10, "thaw-owed")        /* a guest may be frozen */     \
	X(GATE_PASSED, 11, "gate-passed")    /* unfinished work; text */     \
	X(GUARD_LOST, 12, "guard-lost")      /* died, was started again */   \
	X(CHANGED, 13, "changed")            /* snapshot: label, pin, ... */ \
	X(RESTORED, 14, "restored")          /* snapshot: head again */

enum event_kind {
#define X(name, wire, word) EVENT_##name = (wire),
	EVENT_KINDS(X)
#undef X
};
WORD_DECLARE(event_kind);

struct event {
	uint64_t seq; /* per agent and epoch, from 1, without gaps; 0: not yet */
	struct id host; /* filled by whoever answers; not stored by the agent */
	char host_name[DOMAIN_NAME];
	int64_t time_ms;
	enum event_kind kind;
	struct id domain; /* nil: about the host */
	char domain_name[DOMAIN_NAME];
	enum domain_state domain_state; /* 0 when not said */
	struct id op;                   /* nil: none */
	struct id snapshot;             /* nil: none */
	enum err_code code;
	char text[256];
	struct snapshot *record; /* TAKEN, CHANGED, RESTORED; owned */
};

void event_done(struct event *event);

#endif
