/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli.c - start, run and end of one call of the program */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/exitcode.h"
#include "cli/help.h"
#include "cli/text.h"
#include "cli/verb.h"
#include "proto/client.h"

/* A socket opened into a closed descriptor 1 would get our output.  What is
 * opened here cannot be written to, so the loss is still an error. */
static void fill_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

void cli_init(struct cli *cli)
{
	memset(cli, 0, sizeof(*cli));
	fill_standard_files();
	setlocale(LC_ALL, "");
	/* A peer or pager that goes away is an error to tell of, not death. */
	signal(SIGPIPE, SIG_IGN);
}

static int end_output(struct err *err)
{
	int sys = 0;

	errno = 0;
	if (fflush(stdout) != 0 || ferror(stdout))
		sys = errno ? errno : EIO;
	if (sys)
		return err_set(err, ERR_STORAGE, sys,
			       "cannot write the output");
	return 0;
}

static int run_verb(struct cli *cli, struct err *err)
{
	int r;

	r = print_new(&cli->print, &cli->config, cli->verb->kind, err);
	if (r < 0)
		return r;
	r = cli->verb->run(cli, err);
	if (r < 0)
		return r;
	return print_end(cli->print, err);
}

int cli_run(struct cli *cli, struct err *err)
{
	int r = 0;

	if (cli->help)
		help_print(cli->verb);
	else if (cli->version)
		help_version();
	else
		r = run_verb(cli, err);
	return r < 0 ? r : end_output(err);
}

static void say_error(const struct cli *cli, const struct err *err)
{
	const char *hint = exitcode_hint(err, cli->unreachable);
	char *shown = text_clean(err->text, text_is_utf8());
	size_t n = shown ? strlen(shown) : 0;

	/* Who knew better has already said what to do, in brackets. */
	if (n > 0 && shown[n - 1] == ')')
		hint = NULL;
	fprintf(stderr, "snaptree: %s%s%s%s\n", shown ? shown : "out of memory",
		hint ? " (" : "", hint ? hint : "", hint ? ")" : "");
	str_freep(&shown);
}

int cli_finish(struct cli *cli, int r, struct err *err)
{
	int code = 0;

	if (r < 0) {
		code = exitcode_of(err, cli->unreachable);
		/* Whoever closed our pipe has seen what he wanted to see. */
		if (err->sys != EPIPE || cli->unreachable)
			say_error(cli, err);
	}
	print_free(cli->print);
	client_close(cli->client);
	return code;
}

int cli_take_vm(struct cli *cli, int n, struct err *err)
{
	const char *vm = cli->operands[n];
	char shown[128];

	if (!vm[0] || !str_is_clean(vm))
		return err_set(err, ERR_INVALID, 0,
			       "'%s' cannot be the name of a VM",
			       str_show(shown, sizeof(shown), vm));
	if (!str_copy(cli->request.vm, sizeof(cli->request.vm), vm))
		return err_set(err, ERR_INVALID, 0,
			       "the name of the VM is longer than %zu bytes",
			       sizeof(cli->request.vm) - 1);
	return 0;
}
