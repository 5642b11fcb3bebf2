/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * verb.h - the commands of the program
 *
 * To add one: write cmd_NAME.c with a `const struct verb cmd_NAME`, add NAME to
 * VERBS, and the file to Makefile.inc.  Help, option parsing, column checks
 * and suggestions all come from the table.
 */
#ifndef CLI_VERB_H
#define CLI_VERB_H

#include <stdbool.h>

#include "base/err.h"

struct cli;
struct kind;

/* A list of options ends with one without a name. */
struct verb_option {
	const char *name; /* long, without its dashes */
	char letter;      /* short form; 0: none */
	const char *arg;  /* what its value is called in help; NULL: a switch */
	const char *help; /* one line */
	/* Check the value (NULL for a switch) and note it in *cli.  Called in
	 * the order of the command line, a second time when given twice. */
	int (*set)(struct cli *cli, const char *value, struct err *err);
};

struct verb {
	const char *name;
	const char *operands; /* as in the usage line: "[VM]"; "": none */
	int min_operands;
	int max_operands;
	const char *summary; /* one line, for the list of commands */
	const char *text;    /* what it does, for who has never used it */
	const char *examples;
	const struct verb_option *options; /* NULL: none of its own */
	const struct kind *kind; /* whose columns -o chooses; NULL: no -o */
	bool agent_only;         /* the collector cannot do it */
	int (*run)(struct cli *cli, struct err *err);
};

/* In the order of the general help. */
#define VERBS(X)    \
	X(create)   \
	X(tree)     \
	X(list)     \
	X(show)     \
	X(pin)      \
	X(unpin)    \
	X(label)    \
	X(tag)      \
	X(describe) \
	X(events)   \
	X(hosts)    \
	X(status)   \
	X(thaw)     \
	X(help)

/* NULL when there is none. */
const struct verb *verb_by_name(const char *name);
/* Walk all: for (i = 0; (v = verb_at(i)); i++). */
const struct verb *verb_at(unsigned i);
/* The verb that was probably meant; NULL when nothing is near. */
const struct verb *verb_near(const char *name);

#endif
