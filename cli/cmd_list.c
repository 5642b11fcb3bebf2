/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_list.c - snaptree list: snapshots by what they are */
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/filter.h"
#include "cli/kinds.h"
#include "cli/verb.h"

static const struct verb_option options[] = {
	FILTER_VM,
	FILTER_HOST,
	{ "label", 'l', "PATTERN", "with such a label: 'daily-*'",
	  filter_label },
	{ "tag", 't', "TAG", "with this tag", filter_tag },
	{ "consistency", 0, "WORD", "crash, frozen or offline",
	  filter_consistency },
	{ "origin", 0, "WORD", "manual, hook, schedule, safety, central",
	  filter_origin },
	FILTER_SINCE,
	{ "until", 0, "TIME", "not newer than that", filter_until },
	FILTER_LIMIT,
	{ 0 },
};

static int run(struct cli *cli, struct err *err)
{
	struct reply reply;
	int r = filter_check(cli, err);

	if (r < 0)
		return r;
	cli->request.kind = REQUEST_LIST;
	r = ask(cli, &cli->request, ASK_QUERY_MS, &reply, err);
	if (r < 0)
		err_wrap(err, r, "cannot list snapshots");
	else
		print_table(cli->print, &kind_snapshots, reply.snapshots,
			    reply.n_snapshots);
	reply_done(&reply);
	return r;
}

const struct verb cmd_list = {
	.name = "list",
	.operands = "",
	.summary = "list snapshots, all or by label, tag, time, ...",
	.text = "Lists the snapshots that fit all options given, of all VMs the agent or the\n"
		"collector knows. A PATTERN is as in the shell: '*' is any text, '?' one\n"
		"character; quote it.\n",
	.examples =
		"  snaptree list --vm web-1\n"
		"  snaptree list --since 24h --consistency crash    what was not clean today\n"
		"  snaptree list --label 'before-*' --limit 10\n"
		"  snaptree list --json | jq -r '.snapshots[] | .vm + \" \" + .taken'\n",
	.options = options,
	.kind = &kind_snapshots,
	.run = run,
};
