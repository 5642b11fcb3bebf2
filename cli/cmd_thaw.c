/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_thaw.c - snaptree thaw: get a guest going again */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/verb.h"

#define SILENCE_MS (60 * 1000)

static int run(struct cli *cli, struct err *err)
{
	const char *did = "thawed";
	struct reply reply;
	int r = cli_take_vm(cli, 0, err);

	if (r < 0)
		return r;
	cli->request.kind = REQUEST_THAW;
	r = ask(cli, &cli->request, SILENCE_MS, &reply, err);
	if (r < 0) {
		err_wrap(err, r, "cannot thaw '%s'", cli->request.vm);
	} else {
		if (reply.text[0])
			did = reply.text;
		print_line(cli->print, "%s: %s", cli->request.vm, did);
		print_word(cli->print, "vm", cli->request.vm);
		print_word(cli->print, "text", did);
	}
	reply_done(&reply);
	return r;
}

const struct verb cmd_thaw = {
	.name = "thaw",
	.operands = "VM",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "thaw the file systems of a guest now",
	.text = "Thaws the guest's file systems now, whoever froze them, and says what it\n"
		"found. The agent never leaves a guest frozen by itself; this is for the day\n"
		"when someone else did. A snapshot being taken at this moment is spoilt and\n"
		"undone, or becomes crash-consistent. On a guest that is not frozen it has\n"
		"no effect.\n",
	.examples = "  snaptree thaw web-1\n",
	.agent_only = true,
	.run = run,
};
