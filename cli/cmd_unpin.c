/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_unpin.c - snaptree unpin: this snapshot may be deleted again */
#include "cli/cli.h"
#include "cli/edit.h"
#include "cli/verb.h"

static int run(struct cli *cli, struct err *err)
{
	cli->request.edit = EDIT_UNPIN;
	return edit_snapshots(cli, cli->n_operands, err);
}

const struct verb cmd_unpin = {
	.name = "unpin",
	.operands = "SNAPSHOT...",
	.min_operands = 1,
	.max_operands = 1000,
	.summary = "let pinned snapshots be deleted again",
	.text = "Takes the pin of 'snaptree pin' away. Nothing is deleted by this.\n",
	.examples = "  snaptree unpin web-1@golden\n",
	.agent_only = true,
	.run = run,
};
