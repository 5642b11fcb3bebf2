/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-collector-kill.c - the collector is killed under load and loses nothing
 *
 * The real daemon, and agents in this process that talk to it over the real
 * link as fast as it takes events.  An agent forgets what was acknowledged, as
 * a real one does, so the promise is broken when
 *  - a WELCOME names an earlier seq than the newest ACK did, or
 *  - after the kill the log lacks an acknowledged event, or has one twice or
 *    out of order, or one that is not what was sent.
 *
 *	test-collector-kill [ROUNDS [SEED]]
 *
 * Runs ./snaptree-collectord, or what $COLLECTORD names.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/db.h"
#include "base/loop.h"
#include "base/str.h"
#include "model/event.h"
#include "proto/codec.h"
#include "proto/link.h"
#include "proto/message.h"

#define AGENTS 4
#define WINDOW 2000    /* events in flight */
#define LIMIT_MS 20000 /* for one round */

struct agent {
	unsigned n;
	struct link *link;
	struct id host;
	uint64_t epoch;
	uint64_t sent, acked;
	bool welcome;
};

static struct agent agents[AGENTS];
static struct loop *loop;
static struct loop_timer until, hurry;
static char dir[] = "/tmp/snaptree-kill-XXXXXX";
static char endpoint[64], database[64], config[64];
static pid_t daemon_pid;
static uint64_t acks;
static uint64_t kill_at; /* so many ACKs; 0: not by them */

static void fail(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

static void fail(const char *fmt, ...)
{
	va_list ap;

	fputs("FAIL: ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(" (kept: %s)\n", dir);
	if (daemon_pid > 0)
		kill(daemon_pid, SIGKILL);
	exit(1);
}

static void must(int r, const struct err *err)
{
	if (r < 0)
		fail("%s", err->text);
}

/* --- the daemon ------------------------------------------------------------ */

static void write_config(void)
{
	FILE *file = fopen(config, "w");

	if (!file)
		fail("cannot write %s", config);
	fprintf(file, "[listen]\nendpoint = %s\n[database]\npath = %s\n",
		endpoint, database);
	fclose(file);
}

static void start_daemon(void)
{
	const char *program = getenv("COLLECTORD");
	sigset_t none;

	if (!program)
		program = "./snaptree-collectord";
	daemon_pid = fork();
	if (daemon_pid < 0)
		fail("cannot fork");
	if (daemon_pid > 0)
		return;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execl(program, program, "--config", config, "--log-level", "warning",
	      (char *)NULL);
	perror(program);
	_exit(127);
}

static int stop_daemon(int signo)
{
	int status = 0;

	kill(daemon_pid, signo);
	while (waitpid(daemon_pid, &status, 0) < 0 && errno == EINTR)
		;
	daemon_pid = 0;
	return status;
}

/* --- the agents -------------------------------------------------------------- */

static void text_of(char *buf, size_t size, unsigned agent, uint64_t seq)
{
	snprintf(buf, size, "event %llu of agent %u", (unsigned long long)seq,
		 agent);
}

static int send_message(struct agent *a, const struct message *message)
{
	struct err err = { 0 };
	void *data;
	size_t size;
	int r;

	must(codec_pack(message, &data, &size, &err), &err);
	r = link_send(a->link, NULL, data, size, &err);
	free(data);
	return r;
}

static void make_item(struct agent *a, uint64_t seq, struct event_item *item)
{
	struct event event = { .kind = EVENT_REQUESTED, .time_ms = 1 };
	struct err err = { 0 };

	event.domain = a->host; /* a VM of its own */
	text_of(event.text, sizeof(event.text), a->n, seq);
	item->seq = seq;
	must(codec_pack_event(&event, &item->body, &item->size, &err), &err);
}

static bool send_batch(struct agent *a)
{
	struct event_item items[50];
	struct message message = { .kind = MESSAGE_EVENTS };
	unsigned n = 1 + (unsigned)random() % 50;
	int r;

	for (unsigned i = 0; i < n; i++)
		make_item(a, a->sent + 1 + i, &items[i]);
	message.events = (struct events){ a->host, a->epoch, items, n };
	r = send_message(a, &message);
	for (unsigned i = 0; i < n; i++)
		free(items[i].body);
	if (r < 0)
		return false;
	a->sent += n;
	return true;
}

/* Who is to kill at an ACK must not be busy with sending. */
static void fill_window(struct agent *a)
{
	uint64_t window = kill_at ? 1 : WINDOW;

	while (a->welcome && a->sent < a->acked + window && send_batch(a))
		;
}

static void connected(void *owner)
{
	struct agent *a = owner;
	struct message message = { .kind = MESSAGE_HELLO };
	struct hello *hello = &message.hello;

	hello->host = a->host;
	hello->epoch = a->epoch;
	hello->last_seq = UINT32_MAX;
	snprintf(hello->host_name, sizeof(hello->host_name), "agent-%u", a->n);
	a->welcome = false;
	send_message(a, &message);
}

static void lost(void *owner)
{
	((struct agent *)owner)->welcome = false;
}

static void check_mark(const struct agent *a, const char *what, uint64_t seq)
{
	if (seq < a->acked)
		fail("agent %u: %s names %llu, but %llu were acknowledged",
		     a->n, what, (unsigned long long)seq,
		     (unsigned long long)a->acked);
}

static void received(void *owner, const struct link_peer *peer,
		     const void *data, size_t size)
{
	struct agent *a = owner;
	struct message message = { 0 };
	struct err err = { 0 };

	(void)peer;
	must(codec_unpack(data, size, &message, &err), &err);
	if (message.kind == MESSAGE_WELCOME) {
		check_mark(a, "WELCOME", message.welcome.seq);
		a->welcome = true;
		a->sent = a->acked = message.welcome.seq;
	} else if (message.kind == MESSAGE_ACK) {
		check_mark(a, "ACK", message.ack.seq);
		a->acked = message.ack.seq;
		/* An ACK that ran ahead of its commit is found out here. */
		if (++acks == kill_at)
			kill(daemon_pid, SIGKILL);
	}
	message_done(&message);
	fill_window(a);
}

static void open_agents(void)
{
	static const struct link_ops ops = { received, connected, lost };
	const struct link_config to = { .endpoint = endpoint, .queue = 1000 };
	struct err err = { 0 };

	for (unsigned n = 0; n < AGENTS; n++) {
		struct agent *a = &agents[n];

		a->n = n;
		a->host = id_new_v4();
		a->epoch = 1000 + n;
		must(link_new(&a->link, loop, &to, &ops, a, &err), &err);
	}
}

/* --- the log ------------------------------------------------------------------ */

static void check_event(struct db_stmt *q, const struct agent *a, uint64_t want)
{
	struct event event;
	struct err err = { 0 };
	char text[64];
	size_t size;
	const void *body = db_blob(q, 1, &size);
	uint64_t seq = (uint64_t)db_int(q, 0);

	if (seq != want)
		fail("agent %u: event %llu stands where %llu should", a->n,
		     (unsigned long long)seq, (unsigned long long)want);
	if (codec_unpack_event(body, size, &event, &err) < 0)
		fail("agent %u: event %llu: %s", a->n, (unsigned long long)seq,
		     err.text);
	text_of(text, sizeof(text), a->n, seq);
	if (strcmp(event.text, text) != 0)
		fail("agent %u: event %llu is '%s'", a->n,
		     (unsigned long long)seq, event.text);
	event_done(&event);
}

static uint64_t check_agent(struct db *db, const struct agent *a)
{
	struct err err = { 0 };
	struct db_stmt *q = db_query(
		db,
		"SELECT e.seq, e.body, s.seq FROM event e"
		" JOIN source s ON s.id=e.source WHERE s.epoch=? ORDER BY pos",
		&err);
	uint64_t n = 0, mark = 0;

	db_bind_int(q, 1, (int64_t)a->epoch);
	while (db_step(q, &err) > 0) {
		check_event(q, a, ++n);
		mark = (uint64_t)db_int(q, 2);
	}
	if (n != mark)
		fail("agent %u: %llu events, but the mark is %llu", a->n,
		     (unsigned long long)n, (unsigned long long)mark);
	check_mark(a, "the log", n);
	return n;
}

static uint64_t check_log(void)
{
	struct err err = { 0 };
	uint64_t n = 0;
	struct db *db;

	must(db_open(&db, database, 0, &err), &err);
	for (unsigned i = 0; i < AGENTS; i++)
		n += check_agent(db, &agents[i]);
	db_close(db);
	return n;
}

/* --- the rounds ---------------------------------------------------------------- */

static void stop_loop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

static void too_long(struct loop_timer *timer)
{
	(void)timer;
	fail("no progress for %d ms", LIMIT_MS);
}

static void run_for(int64_t ms)
{
	struct err err = { 0 };

	until.expired = stop_loop;
	loop_timer_set(loop, &until, clock_ms() + ms);
	must(loop_run(loop, &err), &err);
}

static void run_until_acks(uint64_t n)
{
	uint64_t before = acks;
	int status;

	hurry.expired = too_long;
	loop_timer_set(loop, &hurry, clock_ms() + LIMIT_MS);
	while (acks < before + n) {
		run_for(5);
		if (waitpid(daemon_pid, &status, WNOHANG) == daemon_pid) {
			daemon_pid = 0;
			fail("the collector ended by itself, status %d",
			     status);
		}
	}
	loop_timer_del(&hurry);
}

/* Every other time at some moment, else when an ACK has just come. */
static void one_round(int i)
{
	struct timespec bit = { 0, random() % 3000000 };

	kill_at = 0;
	start_daemon();
	run_until_acks(AGENTS);
	kill_at = i % 2 ? acks + 1 + (uint64_t)random() % 40 : 0;
	run_for(20 + random() % 200);
	nanosleep(&bit, NULL); /* not always where a turn of our loop ends */
	stop_daemon(SIGKILL);
	run_for(1); /* ACKs that were under way count */
	check_log();
}

static void last_round(void)
{
	int64_t start;
	uint64_t n;

	kill_at = 0;
	start_daemon();
	run_until_acks(AGENTS);
	n = agents[0].acked + agents[1].acked + agents[2].acked +
	    agents[3].acked;
	start = clock_ms();
	run_for(1000);
	n = agents[0].acked + agents[1].acked + agents[2].acked +
	    agents[3].acked - n;
	printf("%llu events a second were acknowledged\n",
	       (unsigned long long)n * 1000 /
		       (unsigned long long)(clock_ms() - start));
	if (stop_daemon(SIGTERM) != 0)
		fail("the collector did not stop cleanly");
	run_for(50);
	printf("%llu events are there once and in order\n",
	       (unsigned long long)check_log());
}

static void set_up(void)
{
	struct err err = { 0 };

	if (!mkdtemp(dir))
		fail("cannot make %s", dir);
	snprintf(endpoint, sizeof(endpoint), "ipc://%s/link", dir);
	snprintf(database, sizeof(database), "%s/collector.db", dir);
	snprintf(config, sizeof(config), "%s/collector.conf", dir);
	write_config();
	must(loop_new(&loop, &err), &err);
	open_agents();
}

static int tear_down(void)
{
	char command[64];

	for (unsigned n = 0; n < AGENTS; n++)
		link_free(agents[n].link);
	loop_free(loop);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 20;
	unsigned seed = argc > 2 ? (unsigned)atoi(argv[2])
				 : (unsigned)clock_us();

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%d rounds, seed %u\n", rounds, seed);
	srandom(seed);
	set_up();
	for (int i = 0; i < rounds; i++)
		one_round(i);
	last_round();
	return tear_down() ? 1 : 0;
}
