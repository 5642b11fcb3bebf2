/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* help.c - texts a person can learn the program from */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/exitcode.h"
#include "cli/option.h"
#include "cli/print.h"
#include "cli/verb.h"
#include "config.h"

#define LINE_MAX_COLUMNS 78

static const char intro[] =
	"usage: snaptree [OPTION]... COMMAND [OPTION]... [ARGUMENT]...\n"
	"\n"
	"snaptree takes snapshots of virtual machines where their disks live, all\n"
	"disks at one instant, and keeps them as a tree: each snapshot knows its\n"
	"parent, and the head is the one the VM's disks now derive from.\n";

static const char words[] =
	"\n"
	"Names:\n"
	"  VM        the VM's name, its UUID, or the first digits of it\n"
	"  SNAPSHOT  VM@label, VM@head, the snapshot's UUID, or the first digits of\n"
	"            it, as the tables show them\n"
	"  TIME      2026-01-02, '2026-01-02 03:04', today, yesterday, or a span as\n"
	"            in 90s, 15min, 2h, 3d for that long ago\n"
	"\n"
	"Without --collector the agent of this host is asked (as root); with it, or\n"
	"with its address in the environment variable SNAPTREE_COLLECTOR, the\n"
	"collector, which knows the VMs of all hosts.  NO_COLOR turns colours off.\n";

static const char examples[] =
	"\n"
	"Examples:\n"
	"  snaptree create web-1 --label before-upgrade   take a snapshot\n"
	"  snaptree tree web-1                            see what there is\n"
	"  snaptree show web-1@before-upgrade             all about one\n"
	"  snaptree list --since 2d --json                the last two days\n"
	"\n"
	"'snaptree COMMAND --help' explains a command.\n";

static void put_option(const struct verb_option *option)
{
	char left[48];

	snprintf(left, sizeof(left), "%c%c%c --%s%s%s",
		 option->letter ? '-' : ' ',
		 option->letter ? option->letter : ' ',
		 option->letter ? ',' : ' ', option->name,
		 option->arg ? " " : "", option->arg ? option->arg : "");
	printf("  %-26s %s\n", left, option->help);
}

static void put_options(const char *title, const struct verb_option *options)
{
	if (!options || !options->name)
		return;
	printf("\n%s:\n", title);
	for (; options->name; options++)
		put_option(options);
}

static void put_columns(const struct kind *kind)
{
	size_t at = 2;

	printf("\nColumns for --output:\n ");
	for (const struct field *f = kind->fields; f->name; f++) {
		if (at + strlen(f->name) + 1 > LINE_MAX_COLUMNS) {
			printf("\n ");
			at = 2;
		}
		printf(" %s", f->name);
		at += strlen(f->name) + 1;
	}
	printf("\nWithout it: %s.\n", kind->shown);
}

static void put_exit_codes(void)
{
	printf("\nExit codes:\n");
#define X(name, number, text) printf("  %-4d %s\n", number, text);
	EXITCODES(X)
#undef X
}

static void put_general(void)
{
	const struct verb *verb;

	fputs(intro, stdout);
	printf("\nCommands:\n");
	for (unsigned i = 0; (verb = verb_at(i)); i++)
		printf("  %-8s %s\n", verb->name, verb->summary);
	put_options("Options, before or after the command", option_global);
	fputs(words, stdout);
	put_exit_codes();
	fputs(examples, stdout);
}

static void put_verb(const struct verb *verb)
{
	printf("usage: snaptree %s%s%s%s\n\n%s", verb->name,
	       verb->options ? " [OPTION]..." : "",
	       verb->operands[0] ? " " : "", verb->operands, verb->text);
	put_options("Options", verb->options);
	put_options("Options of all commands", option_global);
	if (verb->kind)
		put_columns(verb->kind);
	if (verb->examples)
		printf("\nExamples:\n%s", verb->examples);
	printf("\n'snaptree --help' explains names, times and exit codes.\n");
}

void help_print(const struct verb *verb)
{
	if (verb)
		put_verb(verb);
	else
		put_general();
}

void help_version(void)
{
	printf("snaptree %s\n", PACKAGE_VERSION);
}
