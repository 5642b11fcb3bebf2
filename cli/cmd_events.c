/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_events.c - snaptree events: what happened */
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/filter.h"
#include "cli/kinds.h"
#include "cli/verb.h"

#define NEWEST 50 /* enough for a look, when nothing was said */

static const struct verb_option options[] = {
	FILTER_VM,
	FILTER_HOST,
	FILTER_SINCE,
	{ "after", 0, "POSITION", "only newer than that of an earlier --json",
	  filter_after },
	FILTER_LIMIT,
	{ 0 },
};

static int run(struct cli *cli, struct err *err)
{
	struct request *request = &cli->request;
	struct reply reply;
	int r;

	request->kind = REQUEST_EVENTS;
	if (!request->limit && !request->since_ms && !request->after)
		request->limit = NEWEST;
	r = ask(cli, request, ASK_QUERY_MS, &reply, err);
	if (r < 0) {
		err_wrap(err, r, "cannot list events");
	} else {
		print_table(cli->print, &kind_events, reply.events,
			    reply.n_events);
		print_number(cli->print, "after",
			     reply.after ? reply.after : request->after);
	}
	reply_done(&reply);
	return r;
}

const struct verb cmd_events = {
	.name = "events",
	.operands = "",
	.summary = "list what happened: snapshots, failures, thaws",
	.text = "Lists events, oldest first: the newest 50 unless --since, --after or --limit\n"
		"says otherwise. In the answer of --json, \"after\" is the position to go on\n"
		"from: give it to --after the next time and nothing is missed or seen twice.\n",
	.examples =
		"  snaptree events --vm web-1\n"
		"  snaptree events --since 2h -o time,host,vm,event,code,text\n"
		"  snaptree events --after 1042 --json\n",
	.options = options,
	.kind = &kind_events,
	.run = run,
};
