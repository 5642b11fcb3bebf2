/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ask.c - a question to the agent or the collector and its whole answer */
#include "cli/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "proto/client.h"

#define AGENT_SOCKET RUNSTATEDIR "/snaptree/agent.sock"

struct gathering {
	struct reply *all;
	bool nomem;
};

/* Append the rows of `from` to those of `to`; what they own goes along. */
#define MOVE_ROWS(gathering, from, rows)                                       \
	do {                                                                   \
		struct reply *to_ = (gathering)->all;                          \
		void *more_ =                                                  \
			from->n_##rows                                         \
				? reallocarray(to_->rows,                      \
					       to_->n_##rows + from->n_##rows, \
					       sizeof(*to_->rows))             \
				: NULL;                                        \
		if (more_) {                                                   \
			to_->rows = more_;                                     \
			memcpy(to_->rows + to_->n_##rows, from->rows,          \
			       from->n_##rows * sizeof(*to_->rows));           \
			to_->n_##rows += from->n_##rows;                       \
			from->n_##rows = 0;                                    \
		} else if (from->n_##rows) {                                   \
			(gathering)->nomem = true;                             \
		}                                                              \
	} while (0)

static void say(const char *before, const char *text)
{
	char *clean = text_clean(text, text_is_utf8());

	if (clean)
		fprintf(stderr, "%s%s\n", before, clean);
	free(clean);
}

static void show_progress(const char *text)
{
	if (text[0] && isatty(STDERR_FILENO))
		say("", text);
}

void ask_note(const char *text)
{
	if (text[0])
		say("note: ", text);
}

static void got(void *arg, struct reply *reply)
{
	struct gathering *gathering = arg;
	struct reply *all = gathering->all;

	MOVE_ROWS(gathering, reply, snapshots);
	MOVE_ROWS(gathering, reply, vms);
	MOVE_ROWS(gathering, reply, events);
	MOVE_ROWS(gathering, reply, hosts);
	MOVE_ROWS(gathering, reply, facts);
	if (!id_is_null(&reply->op))
		all->op = reply->op;
	if (reply->after)
		all->after = reply->after;
	if (!reply->last) {
		show_progress(reply->text);
		return;
	}
	all->last = true;
	all->err = reply->err;
	str_copy_cut(all->text, sizeof(all->text), reply->text);
}

static int connect_peer(struct cli *cli, struct err *err)
{
	const char *address = cli->collector;
	int r;

	if (cli->client)
		return 0;
	if (!address)
		address = cli->agent ? cli->agent : AGENT_SOCKET;
	r = client_open(&cli->client, address, err);
	cli->unreachable = r < 0;
	return r;
}

int ask(struct cli *cli, struct request *request, int64_t silence_ms,
	struct reply *ret, struct err *err)
{
	struct gathering gathering = { .all = ret };
	int r;

	memset(ret, 0, sizeof(*ret));
	r = connect_peer(cli, err);
	if (r < 0)
		return r;
	request->id++; /* an answer to an earlier question is not ours */
	if (cli->timeout_ms)
		silence_ms = cli->timeout_ms;
	r = client_call(cli->client, request, silence_ms, got, &gathering, err);
	if (r < 0) {
		cli->unreachable = true;
		return r;
	}
	if (gathering.nomem)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	if (ret->err.code != ERR_OK) {
		*err = ret->err;
		return -(int)err->code;
	}
	if (request->kind != REQUEST_CREATE && request->kind != REQUEST_THAW &&
	    request->kind != REQUEST_EDIT)
		ask_note(ret->text);
	return 0;
}
