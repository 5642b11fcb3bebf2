/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* interrupt.c - Ctrl-C while the agent works */
#include "cli/interrupt.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/exitcode.h"

/* Made beforehand: a signal handler may only write it. */
static char line[768];
static size_t length;

static void leave(int signo)
{
	ssize_t ignored = write(STDERR_FILENO, line, length);

	(void)ignored;
	(void)signo;
	_exit(EXIT_INTERRUPTED);
}

void interrupt_say(const char *fmt, ...)
{
	struct sigaction action = { .sa_handler = leave };
	va_list ap;

	/* The terminal has just shown "^C". */
	strcpy(line, isatty(STDERR_FILENO) ? "\nsnaptree: " : "snaptree: ");
	va_start(ap, fmt);
	vsnprintf(line + strlen(line), sizeof(line) - strlen(line) - 1, fmt,
		  ap);
	va_end(ap);
	strcat(line, "\n");
	length = strlen(line);
	sigaction(SIGINT, &action, NULL);
}
