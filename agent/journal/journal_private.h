/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal_private.h - what the files of the journal share
 */
#ifndef AGENT_JOURNAL_JOURNAL_PRIVATE_H
#define AGENT_JOURNAL_JOURNAL_PRIVATE_H

#include "agent/journal/journal.h"
#include "base/db.h"

struct journal_seqs {
	uint64_t last;  /* the newest that was given out */
	uint64_t acked; /* all up to it are with the collector */
};

struct journal {
	struct db *db;
	char *path;
	int lock_fd; /* -1: read-only, or not taken */
	struct id host;
	uint64_t epoch;
	struct journal_seqs committed; /* what callers are told */
	struct journal_seqs written;   /* the open transaction included */
};

/* Numbered migrations: the n-th brings user_version from n to n + 1. */
extern const char *const journal_migrations[];
extern const unsigned journal_n_migrations;

/* Call after a change of `written`: a write of its own transaction is
 * committed at once. */
void journal_settle(struct journal *j);

/* Packed, malloc'd.  ERR_INVALID when a path of a disk is not clean text: it
 * would not be read back as it is, and a restart would look at another file. */
int journal_pack_snapshot(const struct snapshot *snap, void **ret,
			  size_t *ret_size, struct err *err);
/* The record in a column; one that does not unpack is ERR_JOURNAL. */
int journal_read_snapshot(struct db_stmt *q, int col, struct snapshot *ret,
			  struct err *err);

#endif
