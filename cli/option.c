/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* option.c - getopt over the tables of options */
#include "cli/option.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "cli/verb.h"
#include "cli/when.h"

#define OPTIONS_MAX 48
#define CODE_FIRST 256 /* above all characters */

int option_refuse_word(const char *value, const char *words, struct err *err)
{
	char shown[64];

	return err_set(err, ERR_INVALID, 0, "'%s' is not one of: %s",
		       str_show(shown, sizeof(shown), value), words);
}

int option_take_text(char *dst, size_t size, const char *value, struct err *err)
{
	if (!value[0])
		return err_set(err, ERR_INVALID, 0, "the value is empty");
	if (!str_is_clean(value))
		return err_set(err, ERR_INVALID, 0,
			       "the value has control "
			       "characters or is not UTF-8");
	if (!str_copy(dst, size, value))
		return err_set(err, ERR_INVALID, 0,
			       "the value is longer than %zu bytes", size - 1);
	return 0;
}

static int set_agent(struct cli *cli, const char *value, struct err *err)
{
	if (value[0] != '/')
		return err_set(err, ERR_INVALID, 0,
			       "a control socket is an absolute path");
	cli->agent = value;
	return 0;
}

static int set_collector(struct cli *cli, const char *value, struct err *err)
{
	char shown[128];

	str_show(shown, sizeof(shown), value);
	if ((strncmp(value, "tcp://", 6) != 0 || !strchr(value + 6, ':')) &&
	    strncmp(value, "ipc:///", 7) != 0)
		return err_set(err, ERR_INVALID, 0,
			       "'%s' is not an address (write tcp://HOST:PORT)",
			       shown);
	cli->collector = value;
	return 0;
}

static int set_json(struct cli *cli, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	cli->config.json = true;
	return 0;
}

static int set_output(struct cli *cli, const char *value, struct err *err)
{
	(void)err;
	cli->config.columns = value; /* checked against the verb's kind */
	return 0;
}

static int set_no_headings(struct cli *cli, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	cli->config.no_headings = true;
	return 0;
}

static int set_ascii(struct cli *cli, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	cli->config.ascii = true;
	return 0;
}

static int set_color(struct cli *cli, const char *value, struct err *err)
{
	if (strcmp(value, "auto") == 0)
		cli->config.color = COLOR_AUTO;
	else if (strcmp(value, "always") == 0)
		cli->config.color = COLOR_ALWAYS;
	else if (strcmp(value, "never") == 0)
		cli->config.color = COLOR_NEVER;
	else
		return option_refuse_word(value, "auto always never", err);
	return 0;
}

static int set_timeout(struct cli *cli, const char *value, struct err *err)
{
	return when_parse_span(value, &cli->timeout_ms, err);
}

static int set_help(struct cli *cli, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	cli->help = true;
	return 0;
}

static int set_version(struct cli *cli, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	cli->version = true;
	return 0;
}

const struct verb_option option_global[] = {
	{ "agent", 0, "PATH", "ask the agent behind this control socket",
	  set_agent },
	{ "collector", 0, "ADDRESS", "ask a collector: tcp://HOST:PORT",
	  set_collector },
	{ "json", 0, NULL, "print one JSON object, for programs", set_json },
	{ "output", 'o', "COLUMNS", "these columns, separated by commas",
	  set_output },
	{ "no-headings", 0, NULL, "no line with the names of the columns",
	  set_no_headings },
	{ "ascii", 0, NULL, "draw with ASCII characters only", set_ascii },
	{ "color", 0, "WHEN", "auto (on a terminal), always or never",
	  set_color },
	{ "timeout", 0, "SPAN", "give up after that long a silence: 30s, 5min",
	  set_timeout },
	{ "help", 'h', NULL, "print this help, or that of a command",
	  set_help },
	{ "version", 'V', NULL, "print the version", set_version },
	{ 0 },
};

/* What getopt wants to know, from the tables. */
struct table {
	const struct verb_option *options[OPTIONS_MAX];
	struct option longs[OPTIONS_MAX + 1];
	char shorts[2 * OPTIONS_MAX + 3];
	size_t n;
};

static void add_options(struct table *table, const struct verb_option *options)
{
	size_t n_shorts = strlen(table->shorts);

	for (; options && options->name && table->n < OPTIONS_MAX; options++) {
		table->options[table->n] = options;
		table->longs[table->n] = (struct option){
			.name = options->name,
			.has_arg = options->arg ? required_argument
						: no_argument,
			.val = CODE_FIRST + (int)table->n,
		};
		table->n++;
		if (options->letter)
			table->shorts[n_shorts++] = options->letter;
		if (options->letter && options->arg)
			table->shorts[n_shorts++] = ':';
	}
}

static const struct verb_option *option_by_code(const struct table *table,
						int code)
{
	if (code >= CODE_FIRST)
		return table->options[code - CODE_FIRST];
	for (size_t i = 0; i < table->n; i++)
		if (table->options[i]->letter == code)
			return table->options[i];
	return NULL;
}

static const char *option_near(const struct table *table, const char *given)
{
	char name[32];
	size_t n = strcspn(given, "=");

	snprintf(name, sizeof(name), "%.*s", (int)n, given);
	for (unsigned d = 1; d <= TEXT_NEAR; d++)
		for (size_t i = 0; i < table->n; i++)
			if (text_distance(name, table->options[i]->name) <= d)
				return table->options[i]->name;
	return NULL;
}

/* `code` is what getopt returned; optopt and optind are as it left them. */
static int refuse_option(const struct table *table, int code, char **argv,
			 struct err *err)
{
	const char *given = argv[optind - 1], *near = NULL;
	char shown[64], letter[2] = { (char)optopt, '\0' };
	bool is_long = strncmp(given, "--", 2) == 0;

	str_show(shown, sizeof(shown), is_long ? given : letter);
	if (code == ':')
		return err_set(err, ERR_INVALID, 0,
			       "option '%s%s' needs a value",
			       is_long ? "" : "-", shown);
	if (is_long && optopt >= CODE_FIRST)
		return err_set(err, ERR_INVALID, 0,
			       "option '--%s' takes no value",
			       option_by_code(table, optopt)->name);
	if (is_long)
		near = option_near(table, given + 2);
	return err_set(err, ERR_INVALID, 0,
		       "unknown or ambiguous option '%s%s' (%s%s%s)",
		       is_long ? "" : "-", shown,
		       near ? "did you mean '--" : "see ",
		       near ? near : "--help", near ? "'?" : "");
}

/* Feed options to their setters until there are no more. */
static int scan(struct cli *cli, const struct table *table, int argc,
		char **argv, struct err *err)
{
	int code, r;

	opterr = 0;
	optind = 0; /* glibc: start anew */
	while ((code = getopt_long(argc, argv, table->shorts, table->longs,
				   NULL)) != -1) {
		const struct verb_option *option;

		if (code == '?' || code == ':')
			return refuse_option(table, code, argv, err);
		option = option_by_code(table, code);
		r = option->set(cli, optarg, err);
		if (r < 0)
			return err_wrap(err, r, "option '--%s'", option->name);
	}
	return 0;
}

static int find_verb(struct cli *cli, const char *name, struct err *err)
{
	const struct verb *near;
	char shown[64];

	cli->verb = verb_by_name(name);
	if (cli->verb)
		return 0;
	near = verb_near(name);
	str_show(shown, sizeof(shown), name);
	if (near)
		return err_set(err, ERR_INVALID, 0,
			       "unknown command '%s' (did you mean '%s'?)",
			       shown, near->name);
	return err_set(err, ERR_INVALID, 0,
		       "unknown command '%s' (see 'snaptree --help')", shown);
}

static int check_operands(const struct cli *cli, struct err *err)
{
	const struct verb *verb = cli->verb;
	char shown[64];

	if (cli->n_operands < verb->min_operands)
		return err_set(err, ERR_INVALID, 0,
			       "'%s' needs %s (see 'snaptree %s --help')",
			       verb->name, verb->operands, verb->name);
	if (cli->n_operands > verb->max_operands)
		return err_set(err, ERR_INVALID, 0,
			       "'%s' has no use for '%s' "
			       "(see 'snaptree %s --help')",
			       verb->name,
			       str_show(shown, sizeof(shown),
					cli->operands[verb->max_operands]),
			       verb->name);
	return 0;
}

static int choose_peer(struct cli *cli, struct err *err)
{
	const char *env = getenv("SNAPTREE_COLLECTOR");
	int r;

	if (cli->agent && cli->collector)
		return err_set(err, ERR_INVALID, 0,
			       "--agent and --collector "
			       "exclude each other");
	if (cli->collector && cli->verb->agent_only)
		return err_set(err, ERR_INVALID, 0,
			       "'%s' is for the agent of this host "
			       "(leave --collector out)",
			       cli->verb->name);
	if (cli->agent || cli->collector || cli->verb->agent_only || !env ||
	    !env[0])
		return 0;
	r = set_collector(cli, env, err);
	return r < 0 ? err_wrap(err, r, "environment SNAPTREE_COLLECTOR") : 0;
}

int option_parse(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct table before = { .shorts = "+:" }, all = { .shorts = ":" };
	int r, first;

	add_options(&before, option_global);
	r = scan(cli, &before, argc, argv, err);
	if (r < 0)
		return r;
	first = optind;
	if (first >= argc) {
		if (cli->help || cli->version)
			return 0;
		return err_set(err, ERR_INVALID, 0,
			       "no command given (see 'snaptree --help')");
	}
	r = find_verb(cli, argv[first], err);
	if (r < 0)
		return r;

	add_options(&all, option_global);
	add_options(&all, cli->verb->options);
	r = scan(cli, &all, argc - first, argv + first, err);
	if (r < 0 || cli->help || cli->version)
		return r;
	cli->operands = argv + first + optind;
	cli->n_operands = argc - first - optind;
	r = check_operands(cli, err);
	return r < 0 ? r : choose_peer(cli, err);
}
