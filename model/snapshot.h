/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * snapshot.h - one node of a domain's tree
 *
 * Plain data; it owns its disks.  Times are Unix milliseconds, spans are
 * milliseconds, sizes bytes; -1 stands for "not measured".
 */
#ifndef MODEL_SNAPSHOT_H
#define MODEL_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "model/domain.h"
#include "model/word.h"

#define SNAPSHOT_LABEL 64 /* bytes with terminator */
#define SNAPSHOT_DESCRIPTION 256
#define SNAPSHOT_TAGS 256 /* tags, separated by one space each */

#define ORIGINS(X)                 \
	X(MANUAL, 1, "manual")     \
	X(HOOK, 2, "hook")         \
	X(SCHEDULE, 3, "schedule") \
	X(SAFETY, 4, "safety")     \
	X(CENTRAL, 5, "central")

enum origin {
#define X(name, wire, word) ORIGIN_##name = (wire),
	ORIGINS(X)
#undef X
};
WORD_DECLARE(origin);

/* crash: as after a power cut; frozen: the guest agent had frozen all mounted
 * file systems; offline: the domain was off. */
#define CONSISTENCIES(X)       \
	X(CRASH, 1, "crash")   \
	X(FROZEN, 2, "frozen") \
	X(OFFLINE, 3, "offline")

enum consistency {
#define X(name, wire, word) CONSISTENCY_##name = (wire),
	CONSISTENCIES(X)
#undef X
};
WORD_DECLARE(consistency);

/* What a request wants of the guest agent when the domain runs.  require: no
 * snapshot without a freeze; prefer: crash-consistent, and a note, when it
 * cannot be had; never: the guest is not asked. */
#define FREEZES(X)               \
	X(REQUIRE, 1, "require") \
	X(PREFER, 2, "prefer")   \
	X(NEVER, 3, "never")

enum freeze {
#define X(name, wire, word) FREEZE_##name = (wire),
	FREEZES(X)
#undef X
};
WORD_DECLARE(freeze);

#define SNAPSHOT_STATES(X)       \
	X(PRESENT, 1, "present") \
	X(RETIRING, 2, "retiring")

enum snapshot_state {
#define X(name, wire, word) SNAPSHOT_##name = (wire),
	SNAPSHOT_STATES(X)
#undef X
};
WORD_DECLARE(snapshot_state);

/* One disk of a snapshot: what a driver planned and made. */
struct snapshot_disk {
	char target[DISK_TARGET];
	enum disk_role role;
	char driver[16]; /* "qcow2-external": also the record's schema */
	char source[DISK_SOURCE]; /* what the guest wrote to before the cut */
	char object[DISK_SOURCE]; /* the file that holds the snapshot's data */
	char name[64]; /* name of an internal snapshot in it, else "" */
	char active[DISK_SOURCE]; /* what the guest writes to after the cut */
	char node[64];      /* QEMU's node of a running disk; not stored */
	int64_t size_bytes; /* virtual size, as the guest sees it */
	int64_t cut_ms;     /* how long this disk's cut took */
};

struct snapshot {
	struct id id;
	struct id domain;
	struct id parent;              /* nil: a root */
	struct id host;                /* who made it */
	char domain_name[DOMAIN_NAME]; /* at that time */
	char label[SNAPSHOT_LABEL];
	char description[SNAPSHOT_DESCRIPTION];
	char tags[SNAPSHOT_TAGS];
	char note[SNAPSHOT_DESCRIPTION]; /* why it is less than was preferred */
	enum origin origin;
	enum consistency consistency;
	enum snapshot_state state;
	bool pinned;
	int64_t taken_ms; /* Unix time of the cut */
	int64_t sync_ms;
	int64_t freeze_ms;
	int64_t cut_ms; /* all disks */
	int64_t thaw_ms;
	int64_t frozen_ms; /* the whole window, as the guest saw it at most */
	struct snapshot_disk *disks;
	size_t n_disks;
};

void snapshot_init(struct snapshot *snap); /* zeroes, and -1 in all spans */
void snapshot_done(struct snapshot *snap);
int snapshot_copy(struct snapshot *ret, const struct snapshot *from,
		  struct err *err);
int snapshot_add_disk(struct snapshot *snap, struct snapshot_disk **ret,
		      struct err *err);

/* A label a person may give: clean, 1-63 bytes, no '@', no '/', no space at
 * its ends, and not "head". */
int snapshot_check_label(const char *label, struct err *err);
/* Tags: words of [a-z A-Z 0-9 . _ : = -], separated by single spaces. */
int snapshot_check_tags(const char *tags, struct err *err);
int snapshot_check_description(const char *text, struct err *err);

#endif
