/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_label.c - snaptree label: another name for a snapshot, or none */
#include "cli/cli.h"
#include "cli/edit.h"
#include "cli/verb.h"

static int set_remove(struct cli *cli, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	cli->request.edit = EDIT_LABEL;
	return 0;
}

static const struct verb_option options[] = {
	{ "remove", 0, NULL, "take its label away", set_remove },
	{ 0 },
};

static int run(struct cli *cli, struct err *err)
{
	int r = edit_take_text(cli, cli->request.label,
			       sizeof(cli->request.label), "label", err);

	if (r == 0 && cli->request.label[0])
		r = snapshot_check_label(cli->request.label, err);
	if (r < 0)
		return r;
	cli->request.edit = EDIT_LABEL;
	return edit_snapshots(cli, 1, err);
}

const struct verb cmd_label = {
	.name = "label",
	.operands = "SNAPSHOT [LABEL]",
	.min_operands = 1,
	.max_operands = 2,
	.summary = "give a snapshot a label, another one, or none",
	.text = "Gives the snapshot the label to find it by: VM@LABEL. The one that it had\n"
		"is replaced. No two snapshots of a VM have the same label: one that is\n"
		"taken is refused. Up to 63 bytes, without '@' and '/', and not 'head'.\n",
	.examples = "  snaptree label web-1@head before-upgrade\n"
		    "  snaptree label web-1@before-upgrade --remove\n",
	.options = options,
	.agent_only = true,
	.run = run,
};
