/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_hosts.c - snaptree hosts: the hypervisors */
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/kinds.h"
#include "cli/verb.h"

static int run(struct cli *cli, struct err *err)
{
	struct reply reply;
	int r;

	cli->request.kind = REQUEST_HOSTS;
	r = ask(cli, &cli->request, ASK_QUERY_MS, &reply, err);
	if (r < 0)
		err_wrap(err, r, "cannot list hosts");
	else
		print_table(cli->print, &kind_hosts, reply.hosts,
			    reply.n_hosts);
	reply_done(&reply);
	return r;
}

const struct verb cmd_hosts = {
	.name = "hosts",
	.operands = "",
	.summary = "list the hosts the collector knows",
	.text = "Lists each host with the time it was last heard of and how many of its\n"
		"events have not arrived yet (BEHIND). An agent answers with its own host.\n",
	.examples =
		"  snaptree --collector tcp://centre:7711 hosts\n"
		"  snaptree hosts --json | jq -r '.hosts[] | select(.connected | not) | .host'\n",
	.kind = &kind_hosts,
	.run = run,
};
