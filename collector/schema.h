/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * schema.h - the collector's tables
 *
 * migrations[v] takes a database from version v to v + 1.  A migration that
 * was released is never changed; a new one is added at the end.
 */
#ifndef COLLECTOR_SCHEMA_H
#define COLLECTOR_SCHEMA_H

#define SCHEMA_VERSION 1

extern const char *const schema_migrations[SCHEMA_VERSION];

#endif
