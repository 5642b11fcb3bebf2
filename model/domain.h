/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain.h - a libvirt VM and its disks, as its definition tells
 *
 * Plain data.  A struct domain owns its disks; copies are made with
 * domain_copy(), everything is released with domain_done().
 */
#ifndef MODEL_DOMAIN_H
#define MODEL_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/id.h"
#include "model/word.h"

#define DOMAIN_NAME 256 /* bytes with terminator; longer names are refused */
#define DISK_TARGET 32
#define DISK_SOURCE 1024

#define DOMAIN_STATES(X)         \
	X(OFF, 1, "off")         \
	X(RUNNING, 2, "running") \
	X(PAUSED, 3, "paused")

enum domain_state {
#define X(name, wire, word) DOMAIN_##name = (wire),
	DOMAIN_STATES(X)
#undef X
};
WORD_DECLARE(domain_state);

#define DISK_TYPES(X)            \
	X(FILE, 1, "file")       \
	X(BLOCK, 2, "block")     \
	X(NETWORK, 3, "network") \
	X(OTHER, 4, "other")

enum disk_type {
#define X(name, wire, word) DISK_##name = (wire),
	DISK_TYPES(X)
#undef X
};
WORD_DECLARE(disk_type);

#define DISK_ROLES(X)          \
	X(SYSTEM, 1, "system") \
	X(DATA, 2, "data")

enum disk_role {
#define X(name, wire, word) ROLE_##name = (wire),
	DISK_ROLES(X)
#undef X
};
WORD_DECLARE(disk_role);

struct disk {
	char target[DISK_TARGET]; /* "vda": unique within the domain */
	char alias[64];           /* libvirt's device alias; "" when off */
	char source[DISK_SOURCE]; /* path, or "pool/image"; "" when empty */
	char format[16];          /* driver type as defined; "" when unnamed */
	char serial[64];
	char protocol[16]; /* of a network disk: "rbd" */
	enum disk_type type;
	enum disk_role role; /* the first disk in boot order is the system */
	bool is_disk;        /* device='disk', not a cdrom, floppy or lun */
	bool readonly;
	bool shareable;
	bool transient;     /* libvirt drops its writes at shutdown */
	bool encrypted;     /* <encryption> or luks */
	bool chain_spelled; /* the definition names the backing chain */
};

struct domain {
	struct id uuid;
	char name[DOMAIN_NAME];
	enum domain_state state;
	bool persistent;
	bool migrating; /* a migration of it runs, in or out */
	bool has_agent; /* a guest agent channel is defined */
	bool is_nova;   /* Nova's metadata is there: paths must not move */
	char agent_path[128]; /* host socket of that channel, "" when unknown */
	struct disk *disks;
	size_t n_disks;
};

void domain_done(struct domain *domain); /* releases and zeroes */
int domain_copy(struct domain *ret, const struct domain *from, struct err *err);
const struct disk *domain_disk(const struct domain *domain, const char *target);

/* Would a snapshot without a list of disks take this one?  All devices of kind
 * disk that can be written; read-only, CD-ROM, floppy and empty ones are not. */
bool disk_is_wanted(const struct disk *disk);

#endif
