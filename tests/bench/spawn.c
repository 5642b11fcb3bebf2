// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * spawn.c - how long it takes to run a libvirt hook
 *
 *   spawn ROUNDS RUNS PAUSE-MS XML -- NAME [VAR=VALUE...] PROGRAM ARG...
 *                                 [-- NAME ...]...
 *
 * A run is what libvirtd waits for: pipe, start of the program with the XML on
 * its stdin, write, close, wait for its end.  In each round each program has
 * RUNS runs in a row, with a pause after each, in which an agent can do what
 * the hook has told it; the order of the programs changes from round to round.
 * Prints "NAME MICROSECONDS" for the median of each round; a program that
 * fails ends us with 1.
 *
 * posix_spawn() (a vfork) makes what is ours, not the hook's, as small as it
 * can be: libvirtd forks with all its pages and closes descriptors one by one.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RIVALS_MAX = 16, ENV_MAX = 8, XML_MAX = 65536 };

struct rival {
	const char *name;
	char **argv;
	char *env[ENV_MAX]; /* libvirtd's, then the rival's own */
};

static char xml[XML_MAX];
static size_t xml_len;

static _Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "spawn: %s: %s\n", what, strerror(error));
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void feed(int fd)
{
	size_t done = 0;

	/* A hook that does not read its stdin is gone early: EPIPE. */
	while (done < xml_len) {
		ssize_t n = write(fd, xml + done, xml_len - done);

		if (n < 0 && errno == EPIPE)
			break;
		if (n < 0 && errno != EINTR)
			die("write", errno);
		if (n > 0)
			done += (size_t)n;
	}
	close(fd);
}

static double run(const struct rival *rival)
{
	const double start = now_us();
	posix_spawn_file_actions_t files;
	int fds[2], status, r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		die("pipe", errno);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, fds[0], STDIN_FILENO);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null",
					 O_WRONLY, 0);
	r = posix_spawn(&pid, rival->argv[0], &files, NULL, rival->argv,
			rival->env);
	if (r != 0)
		die(rival->argv[0], r);
	close(fds[0]);
	feed(fds[1]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid", errno);
	posix_spawn_file_actions_destroy(&files);
	if (status != 0) {
		fprintf(stderr, "spawn: %s: status %#x\n", rival->name,
			(unsigned)status);
		exit(1);
	}
	return now_us() - start;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void run_round(const struct rival *rival, size_t runs, long pause_ms)
{
	const struct timespec pause = {
		.tv_sec = pause_ms / 1000,
		.tv_nsec = pause_ms % 1000 * 1000000,
	};
	double *us = calloc(runs, sizeof(*us));

	if (!us)
		die("calloc", ENOMEM);
	for (size_t i = 0; i < runs; i++) {
		us[i] = run(rival);
		nanosleep(&pause, NULL);
	}
	qsort(us, runs, sizeof(*us), compare);
	printf("%s %.1f\n", rival->name,
	       (us[(runs - 1) / 2] + us[runs / 2]) / 2);
	fflush(stdout);
	free(us);
}

/* Cuts the arguments at each "--". */
static size_t parse(char **argv, struct rival *ret)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	static char home[] = "HOME=/root", lang[] = "LC_ALL=C";
	size_t n = 0;

	while (*argv && strcmp(*argv, "--") == 0) {
		struct rival *rival = &ret[n++];
		size_t n_env = 3;

		*argv++ = NULL;
		if (n > RIVALS_MAX || !*argv)
			return 0;
		rival->name = *argv++;
		rival->env[0] = path;
		rival->env[1] = home;
		rival->env[2] = lang;
		for (; *argv && strchr(*argv, '='); argv++)
			if (n_env < ENV_MAX - 1)
				rival->env[n_env++] = *argv;
		rival->argv = argv;
		if (!*argv || (*argv)[0] != '/')
			return 0;
		while (*argv && strcmp(*argv, "--") != 0)
			argv++;
	}
	return *argv ? 0 : n;
}

int main(int argc, char **argv)
{
	static struct rival rivals[RIVALS_MAX + 1];
	size_t n = argc > 5 ? parse(argv + 5, rivals) : 0;
	FILE *f;

	if (n == 0) {
		fprintf(stderr,
			"usage: spawn ROUNDS RUNS PAUSE-MS XML "
			"-- NAME [VAR=VALUE...] /PROGRAM ARG... [-- ...]\n");
		return 2;
	}
	f = fopen(argv[4], "r");
	if (!f)
		die(argv[4], errno);
	xml_len = fread(xml, 1, sizeof(xml), f);
	fclose(f);
	signal(SIGPIPE, SIG_IGN);

	for (size_t i = 0; i < n; i++)
		run(&rivals[i]); /* into the page cache */
	for (int round = 0; round < atoi(argv[1]); round++)
		for (size_t i = 0; i < n; i++) {
			size_t k = ((size_t)round + i) % n;

			run_round(&rivals[round / (int)n % 2 ? n - 1 - k : k],
				  (size_t)atoi(argv[2]), atol(argv[3]));
		}
	return 0;
}
