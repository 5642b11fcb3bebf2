/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_show.c - snaptree show: all about one snapshot */
#include "base/str.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/kinds.h"
#include "cli/option.h"
#include "cli/verb.h"

static int show(struct cli *cli, struct err *err)
{
	struct reply reply;
	int r;

	cli->request.kind = REQUEST_SHOW;
	r = ask(cli, &cli->request, ASK_QUERY_MS, &reply, err);
	if (r == 0 && reply.n_snapshots != 1)
		r = err_set(err, ERR_PROTO, 0, "the answer has %zu snapshots",
			    reply.n_snapshots);
	if (r == 0)
		print_record(cli->print, &kind_snapshots, reply.snapshots);
	reply_done(&reply);
	return r;
}

static int run(struct cli *cli, struct err *err)
{
	char shown[128];
	int r;

	str_show(shown, sizeof(shown), cli->operands[0]);
	r = option_take_text(cli->request.snapshot,
			     sizeof(cli->request.snapshot), cli->operands[0],
			     err);
	if (r == 0)
		r = show(cli, err);
	if (r < 0)
		err_wrap(err, r, "cannot show '%s'", shown);
	return r;
}

const struct verb cmd_show = {
	.name = "show",
	.operands = "SNAPSHOT",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "show all about one snapshot",
	.text = "Shows everything recorded of a snapshot: where it stands in the tree, how\n"
		"long each step took, and for each disk the file or image that holds it.\n"
		"What was not measured or is empty is left out.\n",
	.examples =
		"  snaptree show web-1@before-upgrade\n"
		"  snaptree show web-1@head\n"
		"  snaptree show 018f3c5e-7a2b --json | jq '.disks[].object'\n",
	.kind = &kind_snapshots,
	.run = run,
};
