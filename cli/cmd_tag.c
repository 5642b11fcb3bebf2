/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_tag.c - snaptree tag: words to group snapshots by */
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/edit.h"
#include "cli/verb.h"
#include "model/tags.h"

static int set_remove(struct cli *cli, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	cli->request.edit = EDIT_TAGS_REMOVE;
	return 0;
}

static const struct verb_option options[] = {
	{ "remove", 0, NULL, "take the tags away instead", set_remove },
	{ 0 },
};

static int take_tag(struct cli *cli, const char *tag, struct err *err)
{
	char shown[64];

	str_show(shown, sizeof(shown), tag);
	if (!tag[0] || strchr(tag, ' '))
		return err_set(err, ERR_INVALID, 0, "tag '%s' is not one word",
			       shown);
	if (snapshot_check_tags(tag, NULL) < 0)
		return err_set(
			err, ERR_INVALID, 0,
			"tag '%s' is too long or has a character other than letters, digits and . _ : = -",
			shown);
	return tags_add(cli->request.tags, tag, err);
}

static int run(struct cli *cli, struct err *err)
{
	int r = 0;

	if (!cli->request.edit)
		cli->request.edit = EDIT_TAGS_ADD;
	for (int i = 1; i < cli->n_operands && r == 0; i++)
		r = take_tag(cli, cli->operands[i], err);
	return r < 0 ? r : edit_snapshots(cli, 1, err);
}

const struct verb cmd_tag = {
	.name = "tag",
	.operands = "SNAPSHOT TAG...",
	.min_operands = 2,
	.max_operands = 1000,
	.summary = "give a snapshot tags, or take them away",
	.text = "Adds tags, words of letters, digits and . _ : = - to group snapshots by, to\n"
		"those that the snapshot has; with --remove, takes them away from it. One\n"
		"that it has already, or has not, does no harm. 'list --tag TAG' finds all\n"
		"that have it.\n",
	.examples = "  snaptree tag web-1@before-upgrade release v1.2\n"
		    "  snaptree tag web-1@before-upgrade --remove v1.2\n"
		    "  snaptree list --tag release\n",
	.options = options,
	.agent_only = true,
	.run = run,
};
