/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_pin.c - snaptree pin: nobody shall delete this snapshot */
#include "cli/cli.h"
#include "cli/edit.h"
#include "cli/verb.h"

static int run(struct cli *cli, struct err *err)
{
	cli->request.edit = EDIT_PIN;
	return edit_snapshots(cli, cli->n_operands, err);
}

const struct verb cmd_pin = {
	.name = "pin",
	.operands = "SNAPSHOT...",
	.min_operands = 1,
	.max_operands = 1000,
	.summary = "keep snapshots from being deleted",
	.text = "A pinned snapshot is never deleted, by nobody and by no rule, until it is\n"
		"unpinned. Restoring it and taking snapshots on top of it is not affected.\n"
		"'tree' and 'list' show it in the column PINNED.\n"
		"\n"
		"All snapshots are looked up before the first is pinned: when one of the\n"
		"names is wrong, nothing is changed.\n",
	.examples = "  snaptree pin web-1@golden\n"
		    "  snaptree pin web-1@before-upgrade db-1@before-upgrade\n",
	.agent_only = true,
	.run = run,
};
