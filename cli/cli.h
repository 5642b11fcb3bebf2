/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cli.h - one run of the program: what was asked, and of whom
 *
 * main() calls the three functions in their order; a verb gets the struct with
 * its options already in `request`, asks through ask.h and shows the answer
 * through `print`.  One thread.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/print.h"
#include "proto/message.h"

struct client;
struct verb;

struct cli {
	const struct verb *verb; /* NULL until it was read */
	struct print_config config;
	const char *agent;     /* control socket; NULL: the default */
	const char *collector; /* address; NULL: none */
	int64_t timeout_ms;    /* of silence; 0: as the verb thinks right */
	bool help;
	bool version;
	char *const *operands; /* what follows the verb and is no option */
	int n_operands;
	struct request request; /* filled by options, sent by the verb */
	struct print *print;    /* there when the verb runs */
	struct client *client;  /* opened by the first question */
	bool unreachable;       /* the error is of the way, not of the answer */
};

void cli_init(struct cli *cli);

/* Help, version, or the verb, and the end of the output. */
int cli_run(struct cli *cli, struct err *err);

/* Print *err when r is negative, release all, return the exit code. */
int cli_finish(struct cli *cli, int r, struct err *err);

/* Operand n as the VM of the request; ERR_INVALID when it cannot be one. */
int cli_take_vm(struct cli *cli, int n, struct err *err);

#endif
