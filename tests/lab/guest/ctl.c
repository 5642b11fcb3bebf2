/*
 * ctl.c - run shell lines that come in over a virtio port, without qemu-ga
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *   ctl PORT
 *
 * The other side is tests/lab/vm.  It sends "TOKEN COMMAND\n"; the command is
 * run by /bin/sh with stdout and stderr kept in a file on the tmpfs, and the
 * answer is "TOKEN begin\n", that output, "\nTOKEN end STATUS\n" in one piece.
 * TOKEN is new in each request: an answer nobody waited for any more is
 * recognised and thrown away by the next reader.  Each command runs in a
 * process of its own, so one that hangs (on a frozen file system, say) does
 * not keep the next one from being run.  Ends only by a signal.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void put(int port, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(port, data, len);

		if (n <= 0)
			_exit(1);
		data += n;
		len -= n;
	}
}

/* in a child of the reader: run one line and answer */
static void serve(int port, char *line)
{
	char *command = strchr(line, ' '), *answer;
	int out, status, head;
	off_t len;
	pid_t pid;

	if (!command)
		_exit(1);
	*command++ = 0;
	out = open("/run", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (out < 0)
		_exit(1);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		dup2(null, 0);
		dup2(out, 1);
		dup2(out, 2);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		_exit(1);
	status = WIFEXITED(status) ? WEXITSTATUS(status)
				   : 128 + WTERMSIG(status);

	len = lseek(out, 0, SEEK_END);
	answer = malloc(len + 2 * strlen(line) + 64);
	if (!answer)
		_exit(1);
	head = sprintf(answer, "%s begin\n", line);
	len = pread(out, answer + head, len, 0);
	len += head;
	len += sprintf(answer + len, "\n%s end %d\n", line, status);
	put(port, answer, len);
	_exit(0);
}

int main(int argc, char **argv)
{
	char line[4096];
	size_t len = 0;
	int port;

	if (argc != 2 || (port = open(argv[1], O_RDWR | O_CLOEXEC)) < 0) {
		perror("ctl");
		return 1;
	}
	setsid();
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		char c;

		if (read(port, &c, 1) != 1) {
			/* the port reads as "end of file" while nobody is
			 * connected, and poll would return at once */
			len = 0;
			usleep(40000);
			continue;
		}
		if (c != '\n') {
			if (len < sizeof(line) - 1)
				line[len++] = c;
			continue;
		}
		line[len] = 0;
		len = 0;
		if (fork() == 0) {
			signal(SIGCHLD, SIG_DFL);
			serve(port, line);
		}
	}
}
