/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - snaptree-collectord: argv, configuration, run */
#include <config.h> /* not "": that would be collector/config.h */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "collector/collector.h"
#include "collector/config.h"

#define PROGRAM "snaptree-collectord"
#define DEFAULT_CONFIG SYSCONFDIR "/snaptree/collector.conf"

enum exit_code { EXIT_GOOD, EXIT_FAILED, EXIT_USAGE };

struct args {
	const char *config;
	const char *log_level;
	bool check;
};

static const char usage[] =
	"Usage: " PROGRAM " [OPTION...]\n"
	"\n"
	"Keeps the snapshot trees of all VMs, as their hosts' agents tell of\n"
	"them, and answers snaptree --collector.\n"
	"\n"
	"  -c, --config FILE      read FILE instead of\n"
	"                         " DEFAULT_CONFIG "\n"
	"      --check-config     read the configuration, say if it is good, exit\n"
	"  -l, --log-level LEVEL  error, warning, info or debug, over what the\n"
	"                         configuration says\n"
	"  -V, --version          print the version and exit\n"
	"  -h, --help             print this and exit\n"
	"\n"
	"Exit status: 0 good, 1 failed, 2 wrong use.\n";

/* Negative: go on; else exit with it. */
static int parse_argv(int argc, char **argv, struct args *args)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 'C' },
		{ "log-level", required_argument, NULL, 'l' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:l:Vh", options, NULL)) >= 0) {
		if (c == 'c') {
			args->config = optarg;
		} else if (c == 'C') {
			args->check = true;
		} else if (c == 'l') {
			args->log_level = optarg;
		} else if (c == 'V') {
			puts(PROGRAM " " PACKAGE_VERSION);
			return EXIT_GOOD;
		} else if (c == 'h') {
			fputs(usage, stdout);
			return EXIT_GOOD;
		} else {
			fputs("try '" PROGRAM " --help'\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, PROGRAM ": unexpected argument '%s'\n", argv[optind]);
	return EXIT_USAGE;
}

static int load(const struct args *args, struct config *config, struct err *err)
{
	enum log_level level;

	if (args->log_level && !log_level_parse(args->log_level, &level))
		return err_set(
			err, ERR_INVALID, 0,
			"log level '%s' is none of error, warning, info, debug",
			args->log_level);
	int r = config_load(config, args->config, err);
	if (r == 0 && args->log_level)
		config->log_level = (int)level;
	return r;
}

int main(int argc, char **argv)
{
	struct args args = { .config = DEFAULT_CONFIG };
	struct collector *collector = NULL;
	struct config config;
	struct err err = { 0 };
	int r = parse_argv(argc, argv, &args);

	if (r >= 0)
		return r;
	umask(0077); /* database and ipc socket are for this user alone */
	log_init(PROGRAM, LOG_LEVEL_INFO);
	r = load(&args, &config, &err);
	if (r == 0 && args.check) {
		printf("%s: good\n", args.config);
		return EXIT_GOOD;
	}
	if (r == 0) {
		log_init(PROGRAM, (enum log_level)config.log_level);
		r = collector_new(&collector, &config, &err);
	}
	if (r == 0)
		r = collector_run(collector, &err);
	if (r < 0)
		log_error("%s", err.text);
	collector_free(collector);
	return r < 0 ? EXIT_FAILED : EXIT_GOOD;
}
