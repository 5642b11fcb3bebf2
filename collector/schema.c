/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * schema.c - the collector's tables
 *
 * What bounds ingest is the number of B-tree pages that one event dirties, so
 * whatever grows with the number of events is append-only (event, record, the
 * right edge of node_created) or clustered by VM and narrow (node).
 *
 *  source   one agent journal: (host, epoch).  `seq` is the high-water mark:
 *           all its events up to there are in `event`, none above.
 *  node     a tree as numbers, for walking it: `parent` is a node's n of the
 *           same VM, 0 for a root or a parent that is not known (see orphan).
 *  record   the snapshot itself, packed by codec_pack_snapshot().
 *  orphan   nodes whose parent was not known when they came.
 *  event    the log.  `pos` is what a reader goes on from; `kind` is 0 for what
 *           could not be read; the body is without the snapshot, which is in
 *           `record`.
 */
#include "collector/schema.h"

static const char version_1[] =
	"CREATE TABLE host ("
	" id INTEGER PRIMARY KEY,"
	" uuid BLOB NOT NULL UNIQUE,"
	" name TEXT NOT NULL,"
	" version TEXT NOT NULL,"
	" source INTEGER NOT NULL) STRICT;" /* the newest one */

	"CREATE TABLE source ("
	" id INTEGER PRIMARY KEY,"
	" host INTEGER NOT NULL REFERENCES host,"
	" epoch INTEGER NOT NULL,"
	" seq INTEGER NOT NULL,"
	" last_seq INTEGER NOT NULL," /* the newest the agent told of */
	" seen_ms INTEGER NOT NULL,"
	" UNIQUE (host, epoch)) STRICT;"

	"CREATE TABLE vm ("
	" id INTEGER PRIMARY KEY,"
	" uuid BLOB NOT NULL UNIQUE,"
	" name TEXT NOT NULL,"
	" host INTEGER NOT NULL REFERENCES host,"
	" told_ms INTEGER NOT NULL," /* when `host` last told of it */
	" state INTEGER NOT NULL DEFAULT 0,"
	" gone INTEGER NOT NULL DEFAULT 0,"
	" frozen INTEGER NOT NULL DEFAULT 0,"
	" head BLOB," /* a snapshot, which need not be known here */
	" last_n INTEGER NOT NULL DEFAULT 0," /* given out in node */
	" nodes INTEGER NOT NULL DEFAULT 0,"
	" latest_ms INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE INDEX vm_name ON vm (name);"

	"CREATE TABLE record ("
	" id INTEGER PRIMARY KEY,"
	" uuid BLOB NOT NULL UNIQUE,"
	" vm INTEGER NOT NULL,"
	" n INTEGER NOT NULL,"
	" body BLOB NOT NULL) STRICT;"

	"CREATE TABLE node ("
	" vm INTEGER NOT NULL,"
	" n INTEGER NOT NULL,"
	" parent INTEGER NOT NULL,"
	" created_ms INTEGER NOT NULL,"
	" record INTEGER NOT NULL,"
	" flags INTEGER NOT NULL," /* see node_flags() in store_apply.c */
	" PRIMARY KEY (vm, n)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX node_created ON node (created_ms);"

	"CREATE TABLE orphan ("
	" vm INTEGER NOT NULL,"
	" parent BLOB NOT NULL,"
	" n INTEGER NOT NULL,"
	" PRIMARY KEY (vm, parent, n)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE event ("
	" pos INTEGER PRIMARY KEY,"
	" source INTEGER NOT NULL,"
	" seq INTEGER NOT NULL,"
	" time_ms INTEGER NOT NULL,"
	" kind INTEGER NOT NULL,"
	" vm INTEGER NOT NULL," /* 0: about the host */
	" body BLOB NOT NULL) STRICT;";

const char *const schema_migrations[SCHEMA_VERSION] = { version_1 };
