/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * message.h - what agents, collector and command line say to each other
 *
 * Plain data; codec.h turns it into bytes and back.  One message is one ZeroMQ
 * frame, or the payload of one frame of the control socket (control.h).
 *
 * Agent and collector:  HELLO ->  <- WELCOME;  EVENTS ->  <- ACK (after the
 * collector's commit);  PING -> and <- PING when nothing else was said.
 * Anyone who asks:      REQUEST ->  <- REPLY, one or several, the last marked.
 *
 * Members that are empty, 0 or nil are not sent.  A reader skips what it does
 * not know.
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "model/domain.h"
#include "model/event.h"
#include "model/snapshot.h"
#include "model/word.h"

#define MESSAGE_SELECTOR 384   /* VM, VM@label or a UUID prefix */
#define MESSAGE_MAX (16 << 20) /* bytes; longer ones are refused unread */

enum message_kind {
	MESSAGE_NONE, /* well-formed, but of a kind we do not know */
	MESSAGE_HELLO,
	MESSAGE_WELCOME,
	MESSAGE_EVENTS,
	MESSAGE_ACK,
	MESSAGE_PING,
	MESSAGE_REQUEST,
	MESSAGE_REPLY,
};

/* First words of an agent, after each (re)connection. */
struct hello {
	struct id host;
	char host_name[DOMAIN_NAME];
	char version[32];
	uint64_t epoch; /* random, of the journal file: new when that is lost */
	uint64_t last_seq; /* the newest event the agent has */
};

/* The collector has everything of (host, epoch) up to `seq`. */
struct welcome {
	uint64_t epoch;
	uint64_t seq;
};

/* Cumulative: all of (host, epoch) up to `seq` is committed. */
struct ack {
	uint64_t epoch;
	uint64_t seq;
};

/* A run of events, seq rising by one; `body` is an encoded struct event. */
struct event_item {
	uint64_t seq;
	void *body;
	size_t size;
};

struct events {
	struct id host;
	uint64_t epoch;
	struct event_item *items;
	size_t n_items;
};

#define REQUEST_KINDS(X)       \
	X(CREATE, 1, "create") \
	X(TREE, 2, "tree")     \
	X(LIST, 3, "list")     \
	X(SHOW, 4, "show")     \
	X(EVENTS, 5, "events") \
	X(HOSTS, 6, "hosts")   \
	X(STATUS, 7, "status") \
	X(THAW, 8, "thaw")     \
	X(VMS, 9, "vms")       \
	X(EDIT, 10, "edit")

enum request_kind {
#define X(name, wire, word) REQUEST_##name = (wire),
	REQUEST_KINDS(X)
#undef X
};
WORD_DECLARE(request_kind);

/* What an EDIT changes of a snapshot; label, description and tags of the
 * request are the new ones, or the tags to add or take away. */
enum request_edit {
	EDIT_PIN = 1 << 0,
	EDIT_UNPIN = 1 << 1,
	EDIT_LABEL = 1 << 2, /* "": none */
	EDIT_DESCRIPTION = 1 << 3,
	EDIT_TAGS_ADD = 1 << 4,
	EDIT_TAGS_REMOVE = 1 << 5,
};

struct request {
	uint64_t id; /* of the asker; comes back in each reply */
	enum request_kind kind;
	char vm[DOMAIN_NAME];            /* name, UUID or unique prefix of it */
	char snapshot[MESSAGE_SELECTOR]; /* SHOW, EDIT */
	uint32_t edit;                   /* EDIT: request_edit, or'ed */

	/* CREATE */
	char label[SNAPSHOT_LABEL];
	char description[SNAPSHOT_DESCRIPTION];
	char tags[SNAPSHOT_TAGS];
	char disks[256];       /* targets, separated by one space; "": all */
	enum freeze freeze;    /* 0: as configured */
	int64_t max_frozen_ms; /* 0: as configured */
	struct id op; /* makes a repeat harmless; nil: the agent's choice */

	/* LIST, EVENTS: empty, 0 or nil means any */
	char host[DOMAIN_NAME];
	char label_like[SNAPSHOT_LABEL]; /* shell pattern */
	char tag[SNAPSHOT_TAGS];
	enum consistency consistency;
	enum origin origin;
	int64_t since_ms, until_ms;
	uint64_t after; /* EVENTS: position in the answerer's log */
	uint32_t limit; /* newest so many; 0: all */
};

/* A VM as the answerer knows it. */
struct vm_row {
	struct id domain;
	char name[DOMAIN_NAME];
	struct id host;
	char host_name[DOMAIN_NAME];
	enum domain_state state; /* 0: unknown */
	struct id head;          /* nil: no snapshot yet */
	uint32_t n_snapshots;
	int64_t latest_ms; /* of the newest snapshot; 0: none */
	bool frozen;       /* a thaw is owed */
};

struct host_row {
	struct id host;
	char name[DOMAIN_NAME];
	char version[32];
	bool connected;
	int64_t seen_ms;
	uint64_t epoch;
	uint64_t seq;      /* committed here */
	uint64_t last_seq; /* the newest the agent told of */
	uint32_t n_vms;
	uint32_t n_snapshots;
};

/* One line of `snaptree status`: stable key, value as text. */
struct fact {
	char key[48];
	char value[256];
};

struct reply {
	uint64_t id;
	bool last;
	struct err err; /* code ERR_OK: success */
	char text[512]; /* progress or a note for people; "" none */
	struct id op;   /* CREATE: as admitted */
	uint64_t after; /* EVENTS: position to go on from */
	struct snapshot *snapshots;
	size_t n_snapshots;
	struct vm_row *vms;
	size_t n_vms;
	struct event *events;
	size_t n_events;
	struct host_row *hosts;
	size_t n_hosts;
	struct fact *facts;
	size_t n_facts;
};

struct message {
	enum message_kind kind;
	union {
		struct hello hello;
		struct welcome welcome;
		struct events events;
		struct ack ack;
		struct request request;
		struct reply reply;
	};
};

void message_done(struct message *message); /* releases what it owns */
void reply_done(struct reply *reply);

/* Add one zeroed row; NULL when out of memory.  Pointers to earlier rows of the
 * same list are no longer good. */
struct snapshot *reply_add_snapshot(struct reply *reply);
struct vm_row *reply_add_vm(struct reply *reply);
struct event *reply_add_event(struct reply *reply);
struct host_row *reply_add_host(struct reply *reply);
/* Text of the fact is cut when too long. */
int reply_add_fact(struct reply *reply, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
