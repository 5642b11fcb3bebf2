/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store.h - hosts, VMs, trees and the event log in SQLite
 *
 * Loop thread; every call may block for as long as the disk does.  Writes stand
 * between store_begin() and store_commit(), and nothing of them is there before
 * that has returned 0.  Reading never changes anything and sees only what was
 * committed, as long as it is not done inside a transaction.
 *
 * Rows are named by the integer keys of the tables; 0 is none.
 */
#ifndef COLLECTOR_STORE_H
#define COLLECTOR_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "model/event.h"
#include "proto/message.h"

struct store;

/* Opens or makes the file and brings its tables up to date.  ERR_BUSY when
 * another collector has it open. */
int store_open(struct store **ret, const char *path, struct err *err);
void store_close(struct store *store);

/* --- writing ---------------------------------------------------------- */

int store_begin(struct store *store, struct err *err);
/* On failure everything since store_begin() is undone. */
int store_commit(struct store *store, struct err *err);
void store_rollback(struct store *store);

/* One agent journal. */
struct store_source {
	int64_t host;   /* row */
	int64_t source; /* row */
	uint64_t seq;   /* committed high-water mark */
};

/* What is stored of (host, epoch); all 0 when that is nothing. */
int store_find_source(struct store *store, const struct id *host,
		      uint64_t epoch, struct store_source *ret,
		      struct err *err);

/* Store what an agent said of itself; fills the rows in *source. */
int store_put_source(struct store *store, const struct hello *hello,
		     int64_t seen_ms, struct store_source *source,
		     struct err *err);
int store_set_seq(struct store *store, const struct store_source *source,
		  uint64_t seq, int64_t seen_ms, struct err *err);

/*
 * Append one event to the log and apply it to the trees.  0: done.  1: it could
 * not be read or applied; it was put into the log as it is, nothing else was
 * changed, and *err says why.  2: done, but *err says what is strange about it.
 * Negative: the database failed, or memory; roll back.
 */
int store_append(struct store *store, const struct store_source *source,
		 uint64_t seq, const void *body, size_t size, struct err *err);

/* --- reading (store_read.c) ------------------------------------------- */

/* The walks below call `each` for one row after the other until it returns
 * false; what it is given holds until it returns.  It may read other things. */

struct store_vm {
	int64_t vm;   /* row */
	int64_t host; /* row */
	bool gone;    /* undefined on its host */
	struct vm_row row;
};
typedef bool store_each_vm(void *arg, const struct store_vm *vm);

int store_all_vms(struct store *store, store_each_vm *each, void *arg,
		  struct err *err); /* by name */
int store_vms_named(struct store *store, const char *name, store_each_vm *each,
		    void *arg, struct err *err);
int store_vms_between(struct store *store, const struct id *low,
		      const struct id *high, store_each_vm *each, void *arg,
		      struct err *err);
/* ERR_ABSENT when there is no such row. */
int store_get_vm(struct store *store, int64_t vm, struct store_vm *ret,
		 struct err *err);

struct store_host {
	int64_t host;        /* row */
	struct host_row row; /* `connected` is not known here */
};
typedef bool store_each_host(void *arg, const struct store_host *host);
int store_all_hosts(struct store *store, store_each_host *each, void *arg,
		    struct err *err); /* by name */

/* A snapshot: `body` is for codec_unpack_snapshot(). */
struct store_record {
	int64_t record; /* row */
	int64_t vm;     /* row */
	const void *body;
	size_t size;
};
typedef bool store_each_record(void *arg, const struct store_record *record);
/* In the order in which they came: parents before children. */
int store_tree(struct store *store, int64_t vm, store_each_record *each,
	       void *arg, struct err *err);
/* Newest first; vm 0: of all VMs. */
int store_newest(struct store *store, int64_t vm, int64_t since_ms,
		 int64_t until_ms, store_each_record *each, void *arg,
		 struct err *err);
int store_records_between(struct store *store, const struct id *low,
			  const struct id *high, store_each_record *each,
			  void *arg, struct err *err);
/* ERR_ABSENT when there is no such row.  *ret is the caller's; *ret_size, which
 * may be NULL, its packed size. */
int store_get_snapshot(struct store *store, int64_t record,
		       struct snapshot *ret, size_t *ret_size, struct err *err);

struct store_event {
	int64_t pos;
	int64_t vm;   /* row */
	int64_t host; /* row */
	int64_t time_ms;
	uint64_t seq;
	struct id host_id;
	const char *host_name;
	const void *body; /* for codec_unpack_event(), which may refuse */
	size_t size;
};
typedef bool store_each_event(void *arg, const struct store_event *event);
int store_events_after(struct store *store, int64_t pos, store_each_event *each,
		       void *arg, struct err *err);
/* Newest first, from the end of the log. */
int store_events_back(struct store *store, store_each_event *each, void *arg,
		      struct err *err);

struct store_counts {
	int64_t hosts, vms, snapshots, events;
	int64_t bytes; /* of the file and its log */
};
int store_count(struct store *store, struct store_counts *ret, struct err *err);

#endif
