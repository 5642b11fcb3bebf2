/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal_schema.c - the journal's tables, as numbered migrations
 *
 * A migration that was released is never changed; a new one is added at the
 * end.  Columns are what is asked for by value; all else of a record is in its
 * body, packed as it goes over the wire, so that a new member of a snapshot
 * needs no migration.  Numbers of kinds and states are those of model/.
 */
#include "agent/journal/journal_private.h"

/*
 * outbox.seq: AUTOINCREMENT keeps the highest number in sqlite_sequence, in the
 * same transaction: it survives the trimming of acknowledged rows, and a
 * rolled-back transaction consumes none.
 * op.open: an operation that a restart has to look at; kept by journal_op.c.
 */
static const char first[] =
	"CREATE TABLE meta ("
	"	one INTEGER PRIMARY KEY CHECK (one = 1),"
	"	host BLOB NOT NULL CHECK (length(host) = 16),"
	"	epoch INTEGER NOT NULL,"
	"	acked INTEGER NOT NULL DEFAULT 0"
	") STRICT;"
	"CREATE TABLE domain ("
	"	uuid BLOB PRIMARY KEY NOT NULL CHECK (length(uuid) = 16),"
	"	name TEXT NOT NULL,"
	"	state INTEGER NOT NULL,"
	"	gone INTEGER NOT NULL,"
	"	head BLOB"
	") STRICT;"
	"CREATE TABLE snapshot ("
	"	id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),"
	"	domain BLOB NOT NULL,"
	"	parent BLOB,"
	"	taken_ms INTEGER NOT NULL,"
	"	label TEXT NOT NULL,"
	"	state INTEGER NOT NULL,"
	"	body BLOB NOT NULL"
	") STRICT;"
	"CREATE INDEX snapshot_of_domain ON snapshot (domain, taken_ms, id);"
	"CREATE INDEX snapshot_by_age ON snapshot (taken_ms, id);"
	"CREATE TABLE op ("
	"	id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),"
	"	kind INTEGER NOT NULL,"
	"	state INTEGER NOT NULL,"
	"	open INTEGER NOT NULL,"
	"	domain BLOB,"
	"	created_ms INTEGER NOT NULL,"
	"	owes_thaw INTEGER NOT NULL,"
	"	freeze INTEGER NOT NULL,"
	"	max_frozen_ms INTEGER NOT NULL,"
	"	disks TEXT NOT NULL,"
	"	err_code INTEGER NOT NULL,"
	"	err_sys INTEGER NOT NULL,"
	"	err_text TEXT NOT NULL,"
	"	body BLOB NOT NULL"
	") STRICT;"
	"CREATE INDEX op_by_age ON op (open, created_ms, id);"
	"CREATE INDEX op_by_state ON op (state);"
	"CREATE TABLE outbox ("
	"	seq INTEGER PRIMARY KEY AUTOINCREMENT,"
	"	time_ms INTEGER NOT NULL,"
	"	kind INTEGER NOT NULL,"
	"	body BLOB NOT NULL"
	") STRICT;";

const char *const journal_migrations[] = { first };
const unsigned journal_n_migrations = sizeof(journal_migrations) /
				      sizeof(journal_migrations[0]);
