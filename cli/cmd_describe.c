/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_describe.c - snaptree describe: what a snapshot is for */
#include "cli/cli.h"
#include "cli/edit.h"
#include "cli/verb.h"

static int set_remove(struct cli *cli, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	cli->request.edit = EDIT_DESCRIPTION;
	return 0;
}

static const struct verb_option options[] = {
	{ "remove", 0, NULL, "take its description away", set_remove },
	{ 0 },
};

static int run(struct cli *cli, struct err *err)
{
	struct request *request = &cli->request;
	int r = edit_take_text(cli, request->description,
			       sizeof(request->description), "description",
			       err);

	if (r < 0)
		return r;
	request->edit = EDIT_DESCRIPTION;
	return edit_snapshots(cli, 1, err);
}

const struct verb cmd_describe = {
	.name = "describe",
	.operands = "SNAPSHOT [TEXT]",
	.min_operands = 1,
	.max_operands = 2,
	.summary = "say what a snapshot is for",
	.text = "Replaces the description of the snapshot: one line of up to 255 bytes, as\n"
		"one argument, so quote it. 'show' has it.\n",
	.examples =
		"  snaptree describe web-1@before-upgrade 'before the upgrade to 12'\n"
		"  snaptree describe web-1@before-upgrade --remove\n",
	.options = options,
	.agent_only = true,
	.run = run,
};
