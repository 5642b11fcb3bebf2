/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - snaptree-agentd: parse, load, new, run, free */
#include <config.h>

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/engine/guard.h"
#include "agent/engine/guard_wire.h"
#include "base/log.h"

static const char help[] =
	"Usage: snaptree-agentd [OPTION]...\n"
	"Snapshot the virtual machines of this host.\n"
	"\n"
	"  -c, --config FILE   read FILE instead of " SYSCONFDIR
	"/snaptree/agent.conf\n"
	"      --check-config  say whether the configuration is good, and end\n"
	"      --thaw-owed     thaw the guests that a dead agent may have left\n"
	"                      frozen, and end; for ExecStopPost= and by hand\n"
	"      --log-level L   error, warning, info or debug; over the file's\n"
	"  -h, --help          show this, and end\n"
	"  -V, --version       show the version, and end\n"
	"\n"
	"Runs in the foreground and logs to the journal or standard error.\n"
	"SIGTERM ends it when what runs has ended.\n"
	"Exit status: 0 stopped as asked; 1 failed; 2 bad option or configuration.\n";

enum action { RUN, CHECK, THAW, END };

struct args {
	const char *config;
	const char *level;
	enum action action;
	int status; /* of END */
};

static void parse_args(int argc, char **argv, struct args *args)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 'C' },
		{ "thaw-owed", no_argument, NULL, 'T' },
		{ "log-level", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		if (c == 'c') {
			args->config = optarg;
		} else if (c == 'C') {
			args->action = CHECK;
		} else if (c == 'T') {
			args->action = THAW;
		} else if (c == 'l') {
			args->level = optarg;
		} else if (c == 'h' || c == 'V') {
			fputs(c == 'h' ? help
				       : "snaptree-agentd " PACKAGE_VERSION
					 "\n",
			      stdout);
			args->action = END;
			return;
		} else {
			args->action = END;
			args->status = 2;
			return;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "snaptree-agentd: unexpected argument '%s'\n",
			argv[optind]);
		args->action = END;
		args->status = 2;
	}
}

static int run(const struct config *config, enum action action)
{
	struct err err = { 0 };
	struct agent *agent;
	int r;

	if (action == THAW) {
		r = agent_thaw_owed(config, &err);
	} else {
		r = agent_new(&agent, config, &err);
		if (r == 0) {
			r = agent_run(agent, &err);
			agent_free(agent);
		}
	}
	if (r < 0)
		log_error("%s", err.text);
	return r == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct args args = { .config = SYSCONFDIR "/snaptree/agent.conf" };
	struct config config;
	enum log_level level;
	struct err err = { 0 };

	/* Our own child; see guard.h. */
	if (argc == 3 && strcmp(argv[1], "--guard") == 0) {
		log_init("snaptree-guard", LOG_LEVEL_INFO);
		return guard_main(GUARD_FD, argv[2]);
	}
	parse_args(argc, argv, &args);
	if (args.action == END)
		return args.status;
	if (config_load(&config, args.config, &err) < 0) {
		fprintf(stderr, "snaptree-agentd: %s\n", err.text);
		return 2;
	}
	level = (enum log_level)config.log_level;
	if (args.level && !log_level_parse(args.level, &level)) {
		fprintf(stderr, "snaptree-agentd: no such log level '%s'\n",
			args.level);
		return 2;
	}
	if (args.action == CHECK)
		return 0;
	log_init("snaptree-agentd", level);
	return run(&config, args.action);
}
