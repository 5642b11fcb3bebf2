/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_status.c - snaptree status: how the agent or collector itself is */
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/verb.h"

static int run(struct cli *cli, struct err *err)
{
	struct reply reply;
	int r;

	cli->request.kind = REQUEST_STATUS;
	r = ask(cli, &cli->request, ASK_QUERY_MS, &reply, err);
	if (r < 0)
		err_wrap(err, r, "cannot get the status");
	else
		print_facts(cli->print, reply.facts, reply.n_facts);
	reply_done(&reply);
	return r;
}

const struct verb cmd_status = {
	.name = "status",
	.operands = "",
	.summary = "show how the agent or the collector is doing",
	.text = "Shows one line for each thing the agent (or the collector) tells of itself:\n"
		"version, connections, running operations, events that wait, guests that may\n"
		"be frozen.\n",
	.examples = "  snaptree status\n"
		    "  snaptree --collector tcp://centre:7711 status --json\n",
	.run = run,
};
