/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_help.c - snaptree help: --help for those who write it so */
#include "base/str.h"
#include "cli/cli.h"
#include "cli/help.h"
#include "cli/verb.h"

static int run(struct cli *cli, struct err *err)
{
	const struct verb *verb = NULL;
	char shown[64];

	if (cli->n_operands > 0) {
		verb = verb_by_name(cli->operands[0]);
		if (!verb)
			return err_set(err, ERR_INVALID, 0,
				       "unknown command '%s' "
				       "(see 'snaptree --help')",
				       str_show(shown, sizeof(shown),
						cli->operands[0]));
	}
	help_print(verb);
	return 0;
}

const struct verb cmd_help = {
	.name = "help",
	.operands = "[COMMAND]",
	.max_operands = 1,
	.summary = "explain the program or one command",
	.text = "The same as 'snaptree [COMMAND] --help'.\n",
	.run = run,
};
