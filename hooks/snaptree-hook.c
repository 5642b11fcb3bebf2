// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * snaptree-hook.c - tells the agent what libvirt is doing with a domain
 *
 * The normal course: libvirt runs us as `50-snaptree DOMAIN OPERATION
 * SUBOPERATION EXTRA` with the domain XML on stdin.  What the agent does not
 * care about ends at once.  Otherwise we read the XML and send one frame to
 * the agent's socket.  A tell ends there: systemd holds the socket, and the
 * bytes wait in it for an agent that is busy or restarting.  A gate waits for
 * PASS or BLOCK; the agent may first ask, by HOLD, for more time.
 *
 * What can fail: the agent is absent, hangs, dies or talks nonsense; stdin is
 * huge or never closed.  Each wait ends at a CLOCK_MONOTONIC deadline fixed
 * before it begins, so trickled bytes gain nothing.
 *
 * What happens then: libvirt goes on as if we were not installed; only BLOCK
 * gives a non-zero exit, and libvirt refuses the start.  What did not reach
 * the agent, and a gate without an answer, becomes a line in the file `missed`,
 * which the agent later turns into an event.  An XML that is too large, late
 * or not text is sent as "": libvirt never gives that, so it is the flag.
 *
 * Nothing goes to stdout: libvirt takes it for a new XML in migrate and
 * restore.  No libvirt call: the daemon waits for us, and would for ever.
 */
#define _GNU_SOURCE 1

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef SNAPTREE_RUNSTATEDIR
#define SNAPTREE_RUNSTATEDIR "/run"
#endif
#ifndef SNAPTREE_STATEDIR
#define SNAPTREE_STATEDIR "/var/lib"
#endif
#ifndef SNAPTREE_VERSION
#define SNAPTREE_VERSION "unknown"
#endif

enum {
	STDIN_MS = 1000,
	ANSWER_MS = 1000,
	HOLD_MAX_MS = 60000,
	SEND_MS = 100, /* connect and write together */
	BACKLOG_RETRY_MS = 5,
	HEAD_SIZE = 5, /* u32 length, u8 kind; the length counts the kind */
	ARGS_MAX = 64 * 1024,
	XML_MAX = 1024 * 1024,
	DEADLINE_SIZE = 32,
	ANSWER_MAX = 4096,
	MISSED_LINE_MAX = 4096,
	MISSED_FILE_MAX = 1024 * 1024,
};

enum frame_kind { KIND_HOOK = 1, KIND_HOLD, KIND_PASS, KIND_BLOCK };

static const char *const moments[][2] = {
	{ "prepare", "begin" }, { "started", "begin" },
	{ "stopped", "end" },   { "release", "end" },
	{ "migrate", "begin" }, { "restore", "begin" },
	{ "attach", "begin" },  { "reconnect", "begin" },
};

/* Static: no allocation can fail, and untouched pages cost nothing.  The XML
 * is read straight into its place; one byte too many shows that it is huge. */
static struct {
	size_t len;
	char bytes[HEAD_SIZE + ARGS_MAX + XML_MAX + 2 + DEADLINE_SIZE];
} msg;

static struct {
	int kind;
	size_t len;
	char payload[ANSWER_MAX]; /* one longer than it can be: terminated */
} answer;

static char uuid[37] = "-";

static int64_t clock_ms(clockid_t id)
{
	struct timespec ts = { 0 };

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left;
	int n = 0;

	while ((left = deadline_ms - clock_ms(CLOCK_MONOTONIC)) > 0) {
		n = poll(&p, 1, (int)left);
		if (n > 0 || (n < 0 && errno != EINTR))
			break;
	}
	return n > 0;
}

/* Control characters become '?': ASCII ones, and U+0080 to U+009F (c2 80 to
 * c2 9f), which some terminals obey too. */
static void scrub(char *s, size_t len)
{
	for (char *end = s + len; s < end; s++) {
		if (iscntrl((unsigned char)*s))
			*s = '?';
		else if (s[0] == '\xc2' && ((unsigned char)s[1] & 0xe0) == 0x80)
			s[0] = s[1] = '?';
	}
}

static int missed_open(size_t room)
{
	const char *base = secure_getenv("SNAPTREE_STATEDIR");
	struct stat dir_st, st;
	int dir, fd;

	/* The directory belongs to the agent's user and we are root: a fifo
	 * must not hang us, nor a link lead us to another file. */
	dir = open(base ? base : SNAPTREE_STATEDIR, O_PATH | O_CLOEXEC);
	fd = openat(dir, "snaptree/missed",
		    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
			    O_NONBLOCK,
		    0600);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_nlink != 1 || st.st_size + (off_t)room > MISSED_FILE_MAX)
		return -1;

	/* Just made, by root; the agent's user must be able to read it. */
	if (st.st_size == 0 && (fstatat(dir, "snaptree", &dir_st, 0) < 0 ||
				fchown(fd, dir_st.st_uid, dir_st.st_gid) < 0))
		return -1;
	return fd;
}

/* Changes the arguments.  Descriptors are left to exit, here and above.  The
 * agent reads the words that `why` can be, all in this file: never change one.
 * What returns a `why` below returns NULL for success. */
static void missed_record(char **argv, const char *why)
{
	char line[MISSED_LINE_MAX];
	int n, fd;

	for (int i = 1; i <= 3; i++)
		scrub(argv[i], strlen(argv[i]));
	n = snprintf(line, sizeof(line),
		     "%lld\t%s\t%.2048s\t%.64s\t%.64s\t%s\n",
		     (long long)clock_ms(CLOCK_REALTIME), uuid, argv[1],
		     argv[2], argv[3], why);

	/* One write with O_APPEND: lines of parallel hooks do not mix.  It
	 * may fail (disk full), and there is nobody left to tell. */
	fd = missed_open((size_t)n);
	if (fd >= 0 && write(fd, line, (size_t)n) < 0)
		close(fd);
}

static bool put_args(char **argv)
{
	int n = snprintf(msg.bytes + HEAD_SIZE, ARGS_MAX, "1%c%s%c%s%c%s%c%s",
			 0, argv[1], 0, argv[2], 0, argv[3], 0, argv[4]);

	msg.len = HEAD_SIZE + (size_t)n + 1;
	return n >= 0 && n < ARGS_MAX;
}

static void find_uuid(const char *xml)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	const char *at = strstr(xml, "<uuid>");
	size_t i = 0;

	if (!at)
		return;
	for (at += 6; form[i]; i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)at[i])
				   : at[i] != '-')
			return;
	if (strncmp(at + i, "</uuid>", 7) == 0)
		memcpy(uuid, at, i);
}

/* Append what stdin gives up to EOF; an XML we cannot trust becomes "".  A
 * libvirt cut off in the middle of its write does not mind. */
static void put_xml(void)
{
	const int64_t deadline_ms = clock_ms(CLOCK_MONOTONIC) + STDIN_MS;
	char *xml = msg.bytes + msg.len;
	size_t len = 0;
	ssize_t n = -1;

	while (len <= XML_MAX && wait_for(STDIN_FILENO, POLLIN, deadline_ms)) {
		n = read(STDIN_FILENO, xml + len, XML_MAX + 1 - len);
		if (n > 0)
			len += (size_t)n;
		else if (n == 0 || (errno != EINTR && errno != EAGAIN))
			break;
	}
	find_uuid(xml);
	if (n != 0 || memchr(xml, '\0', len))
		len = 0;
	xml[len] = '\0';
	msg.len += len + 1;
}

static void put_end(int64_t deadline_ms)
{
	int n = snprintf(msg.bytes + msg.len, DEADLINE_SIZE, "%lld",
			 (long long)deadline_ms);
	uint32_t follows;

	msg.len += (size_t)n + 1;
	follows = htonl((uint32_t)(msg.len - sizeof(follows)));
	memcpy(msg.bytes, &follows, sizeof(follows));
	msg.bytes[HEAD_SIZE - 1] = KIND_HOOK;
}

static const char *agent_connect(int *ret_fd, int64_t deadline_ms)
{
	const char *path = secure_getenv("SNAPTREE_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (!path)
		path = SNAPTREE_RUNSTATEDIR "/snaptree/agent.sock";
	if (strlen(path) >= sizeof(addr.sun_path))
		return "error";
	memcpy(addr.sun_path, path, strlen(path));
	*ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			 0);
	if (*ret_fd < 0)
		return "error";

	/* Never EINPROGRESS on a unix socket: EAGAIN is a full backlog, and
	 * poll() cannot wait for that. */
	while (connect(*ret_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno == ENOENT)
			return "absent";
		if (errno == ECONNREFUSED)
			return "refused";
		if (errno != EAGAIN && errno != EINTR)
			return "error";
		if (clock_ms(CLOCK_MONOTONIC) >= deadline_ms)
			return "full";
		poll(NULL, 0, BACKLOG_RETRY_MS);
	}
	return NULL;
}

/* Send or receive all of it; `late` is what to return at the deadline. */
static const char *transfer(int fd, short events, void *buf, size_t len,
			    int64_t deadline_ms, const char *late)
{
	for (size_t done = 0; done < len;) {
		char *at = (char *)buf + done;
		ssize_t n = events == POLLOUT ? send(fd, at, len - done, 0)
					      : recv(fd, at, len - done, 0);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno == EPIPE || errno == ECONNRESET)
			return "closed";
		else if (errno != EAGAIN && errno != EINTR)
			return "error";
		if (done < len && !wait_for(fd, events, deadline_ms))
			return late;
	}
	return NULL;
}

static const char *recv_answer(int fd, int64_t deadline_ms, const char *late)
{
	char head[HEAD_SIZE];
	uint32_t follows;
	const char *why;

	why = transfer(fd, POLLIN, head, sizeof(head), deadline_ms, late);
	if (why)
		return why;
	memcpy(&follows, head, sizeof(follows));
	follows = ntohl(follows);
	if (follows < 1 || follows > ANSWER_MAX)
		return "garbage";
	answer.kind = head[HEAD_SIZE - 1];
	answer.len = follows - 1;
	answer.payload[answer.len] = '\0';
	return transfer(fd, POLLIN, answer.payload, answer.len, deadline_ms,
			late);
}

/* Success: the answer is a PASS or a BLOCK. */
static const char *await_answer(int fd, int64_t deadline_ms)
{
	const char *why = recv_answer(fd, deadline_ms, "unanswered");

	if (!why && answer.kind == KIND_HOLD) {
		int ms;

		if (answer.len < 1 || answer.len > 9 ||
		    strspn(answer.payload, "0123456789") != answer.len)
			return "garbage";
		ms = atoi(answer.payload);
		deadline_ms = clock_ms(CLOCK_MONOTONIC) +
			      (ms < HOLD_MAX_MS ? ms : HOLD_MAX_MS);
		why = recv_answer(fd, deadline_ms, "overheld");
	}
	if (why || answer.kind == KIND_BLOCK ||
	    (answer.kind == KIND_PASS && answer.len == 0))
		return why;
	return "garbage";
}

static const char *report(bool gate)
{
	const int64_t now_ms = clock_ms(CLOCK_MONOTONIC);
	const char *why;
	int fd;

	put_end(gate ? now_ms + ANSWER_MS : 0);
	why = agent_connect(&fd, now_ms + SEND_MS);
	if (!why)
		why = transfer(fd, POLLOUT, msg.bytes, msg.len,
			       now_ms + SEND_MS, "unsent");
	/* A gate stays open both ways: EOF tells the agent that we gave up. */
	if (!why && gate)
		return await_answer(fd, now_ms + ANSWER_MS);
	if (!why)
		shutdown(fd, SHUT_WR);
	return why;
}

static bool is_told(char **argv)
{
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++)
		if (strcmp(moments[i][0], argv[2]) == 0 &&
		    strcmp(moments[i][1], argv[3]) == 0)
			return true;
	return false;
}

static const char usage[] =
	"usage: 50-snaptree DOMAIN OPERATION SUBOPERATION EXTRA <DOMAIN-XML\n";

int main(int argc, char **argv)
{
	const char *why;

	/* Death by a signal looks like a refusal to libvirt. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);

	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return puts("snaptree-hook " SNAPTREE_VERSION), 0;
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(usage, stdout), 0;
	if (argc < 5)
		return fputs(usage, stderr), 0;
	if (!is_told(argv))
		return 0;
	if (!put_args(argv))
		return fputs("snaptree: arguments too long\n", stderr), 0;
	put_xml();
	why = report(strcmp(argv[2], "prepare") == 0);
	if (why)
		missed_record(argv, why);
	if (why || answer.kind != KIND_BLOCK)
		return 0;
	scrub(answer.payload, answer.len);
	fprintf(stderr, "snaptree: %s\n", answer.payload);
	return 1;
}
