/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - the command line: parse, run one verb, say how it went */
#include "base/err.h"
#include "cli/cli.h"
#include "cli/option.h"

int main(int argc, char **argv)
{
	struct err err = { 0 };
	struct cli cli;
	int r;

	cli_init(&cli);
	r = option_parse(&cli, argc, argv, &err);
	if (r == 0)
		r = cli_run(&cli, &err);
	return cli_finish(&cli, r, &err);
}
