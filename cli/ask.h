/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ask.h - a question to the agent or the collector and its whole answer
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include <stdint.h>

#include "base/err.h"

struct cli;
struct reply;
struct request;

#define ASK_QUERY_MS 15000 /* of silence: for what only reads */

/*
 * Blocks until the last reply, or a silence of --timeout or else `silence_ms`.
 * All rows of all replies are gathered in *ret, with what the last one says;
 * release it with reply_done(), also after a failure.  Progress is shown on
 * standard error when that is a terminal.
 *
 * The other side's own error comes back as ours; cli->unreachable tells it
 * from one of the connection, which is opened when it was not yet.
 */
int ask(struct cli *cli, struct request *request, int64_t silence_ms,
	struct reply *ret, struct err *err);

/* "note: TEXT" on standard error; nothing when it is empty.  Of a question that
 * only reads ask() does it itself, so that a cut answer is never silent. */
void ask_note(const char *text);

#endif
