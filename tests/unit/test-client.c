/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-client.c - asking servers that answer, hang, die and talk nonsense */
#include "proto/client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/loop.h"
#include "proto/codec.h"
#include "proto/control.h"
#include "proto/link.h"
#include "proto/message.h"
#include "tests/lib/test.h"

#define SILENCE_MS 5000

enum manner {
	ANSWER,
	SILENT,
	DIE_AT_ONCE,
	DIE_IN_REPLY,
	NONSENSE,
	SLOW_THEN_LAST
};

struct answers {
	unsigned n;
	bool last;
	uint64_t id;
	char text[64];
};

static struct {
	enum manner manner;
	struct loop *loop;
	struct link *link;
} server;

static void got(void *arg, struct reply *reply)
{
	struct answers *answers = arg;

	answers->n++;
	answers->last = reply->last;
	answers->id = reply->id;
	snprintf(answers->text, sizeof(answers->text), "%.60s", reply->text);
}

/* Three replies: to another call, one to this, and the last; and before them
 * what is no reply at all.  Packed one after the other into frames. */
static void *pack_reply(uint64_t id, bool last, const char *text,
			size_t *ret_size)
{
	struct message message = { .kind = MESSAGE_REPLY };
	void *data;

	message.reply.id = id;
	message.reply.last = last;
	strcpy(message.reply.text, text);
	if (codec_pack(&message, &data, ret_size, NULL) < 0)
		abort();
	return data;
}

static void say(struct control_peer *peer, const struct link_peer *link_peer,
		uint64_t id, bool last, const char *text)
{
	size_t size;
	void *data = pack_reply(id, last, text, &size);

	if (peer)
		control_send(peer, CONTROL_MESSAGE, data, size, NULL);
	else
		link_send(server.link, link_peer, data, size, NULL);
	free(data);
}

static void send_raw(struct control_peer *peer,
		     const struct link_peer *link_peer, const void *data,
		     size_t size)
{
	if (peer)
		control_send(peer, CONTROL_MESSAGE, data, size, NULL);
	else
		link_send(server.link, link_peer, data, size, NULL);
}

static void serve(struct control_peer *peer, const struct link_peer *link_peer,
		  const void *data, size_t size)
{
	struct message message;
	uint64_t id;

	if (codec_unpack(data, size, &message, NULL) < 0 ||
	    message.kind != MESSAGE_REQUEST ||
	    message.request.kind != REQUEST_STATUS)
		abort();
	id = message.request.id;
	switch (server.manner) {
	case ANSWER:
		if (peer)
			control_send(peer, CONTROL_PASS, NULL, 0, NULL);
		send_raw(peer, link_peer, "", 0);
		say(peer, link_peer, id + 1, true, "not yours");
		say(peer, link_peer, id, false, "first");
		say(peer, link_peer, id, true, "second");
		break;
	case SILENT:
		break;
	case DIE_AT_ONCE:
		_exit(0);
	case DIE_IN_REPLY:
		say(peer, link_peer, id, false, "first");
		poll(NULL, 0, 200);
		_exit(0);
	case NONSENSE:
		send_raw(peer, link_peer, "\xff\xff", 2);
		break;
	case SLOW_THEN_LAST:
		for (int i = 0; i < 5; i++) {
			say(peer, link_peer, id, i == 4, "slow");
			poll(NULL, 0, 150);
		}
		break;
	}
}

static void control_received(void *owner, struct control_peer *peer,
			     enum control_kind kind, const void *data,
			     size_t size)
{
	(void)owner;
	(void)kind;
	serve(peer, NULL, data, size);
}

static void control_closed(void *owner, struct control_peer *peer)
{
	(void)owner;
	(void)peer;
}

static void link_received(void *owner, const struct link_peer *peer,
			  const void *data, size_t size)
{
	(void)owner;
	serve(NULL, peer, data, size);
}

static const struct control_ops control_ops = { control_received,
						control_closed };
static const struct link_ops link_ops = { link_received, NULL, NULL };

static const char *address(bool link)
{
	static char endpoint[160];

	if (!link)
		return test_path("sock");
	snprintf(endpoint, sizeof(endpoint), "ipc://%s", test_path("link"));
	return endpoint;
}

/* A child that serves; it is ready when this returns. */
static pid_t start(enum manner manner, bool link)
{
	const struct link_config config = { true, address(link), 100 };
	struct control *control;
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		int r;

		server.manner = manner;
		if (loop_new(&server.loop, NULL) < 0)
			_exit(3);
		if (link)
			r = link_new(&server.link, server.loop, &config,
				     &link_ops, NULL, NULL);
		else
			r = control_new(&control, server.loop, address(false),
					-1, &control_ops, NULL, NULL);
		if (r < 0 || write(ready[1], "r", 1) != 1)
			_exit(4);
		loop_run(server.loop, NULL);
		_exit(5);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(test_path("sock"));
	unlink(test_path("link"));
}

static int ask(enum manner manner, bool link, int64_t silence_ms,
	       struct answers *answers, struct err *err)
{
	const struct request request = { .id = 7, .kind = REQUEST_STATUS };
	pid_t pid = start(manner, link);
	struct client *client;
	struct err open_err = { 0 };
	int r;

	memset(answers, 0, sizeof(*answers));
	assert_ok(client_open(&client, address(link), &open_err), open_err);
	r = client_call(client, &request, silence_ms, got, answers, err);
	if (r == 0)
		assert_int_equal(answers->id, 7);
	client_close(client);
	stop(pid);
	return r;
}

static void test_answers(void **state)
{
	struct answers answers;
	struct err err = { 0 };

	(void)state;
	for (int link = 0; link < 2; link++) {
		assert_ok(ask(ANSWER, link, SILENCE_MS, &answers, &err), err);
		assert_int_equal(answers.n, 2);
		assert_true(answers.last);
		assert_string_equal(answers.text, "second");
	}
}

static void test_two_calls(void **state)
{
	struct request request = { .id = 7, .kind = REQUEST_STATUS };
	struct answers answers = { 0 };
	struct client *client;
	struct err err = { 0 };

	(void)state;
	for (int link = 0; link < 2; link++) {
		pid_t pid = start(ANSWER, link);

		answers.n = 0;
		assert_ok(client_open(&client, address(link), &err), err);
		for (request.id = 10; request.id < 30; request.id += 10)
			assert_ok(client_call(client, &request, SILENCE_MS, got,
					      &answers, &err),
				  err);
		assert_int_equal(answers.n, 4);
		client_close(client);
		stop(pid);
	}
}

static void test_silence(void **state)
{
	struct answers answers;
	struct err err = { 0 };

	(void)state;
	for (int link = 0; link < 2; link++)
		assert_fails(ask(SILENT, link, 100, &answers, &err),
			     ERR_TIMEOUT, err);
	assert_contains(err.text, "collector at 'ipc://");
}

/* Each reply gives new time. */
static void test_slow_but_alive(void **state)
{
	struct answers answers;
	struct err err = { 0 };

	(void)state;
	assert_ok(ask(SLOW_THEN_LAST, false, 600, &answers, &err), err);
	assert_int_equal(answers.n, 5);
}

static void test_death(void **state)
{
	struct answers answers;
	struct err err = { 0 };

	(void)state;
	for (int link = 0; link < 2; link++) {
		assert_fails(ask(DIE_AT_ONCE, link, SILENCE_MS, &answers, &err),
			     ERR_ABSENT, err);
		assert_fails(ask(DIE_IN_REPLY, link, SILENCE_MS, &answers,
				 &err),
			     ERR_ABSENT, err);
		assert_int_equal(answers.n, 1);
	}
}

static void test_nonsense(void **state)
{
	struct answers answers;
	struct err err = { 0 };

	(void)state;
	for (int link = 0; link < 2; link++)
		assert_fails(ask(NONSENSE, link, SILENCE_MS, &answers, &err),
			     ERR_PROTO, err);
}

static int listening(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, test_path("sock"));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

/* Half of a frame, or what is none, and the end. */
static void test_broken_frames(void **state)
{
	static const struct {
		const char *data;
		size_t size;
		enum err_code code;
	} cases[] = {
		{ "\0\0\0\4\5x", 6, ERR_ABSENT },
		{ "\xff\xff\xff\xff", 4, ERR_PROTO },
		{ "\0\0\0\0", 4, ERR_PROTO },
	};
	const struct request request = { .id = 7, .kind = REQUEST_STATUS };
	struct answers answers = { 0 };
	struct client *client;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		int fd = listening(), peer;

		assert_ok(client_open(&client, address(false), &err), err);
		peer = accept(fd, NULL, NULL);
		assert_int_equal(send(peer, cases[i].data, cases[i].size, 0),
				 cases[i].size);
		shutdown(peer, SHUT_WR);
		assert_fails(client_call(client, &request, SILENCE_MS, got,
					 &answers, &err),
			     cases[i].code, err);
		client_close(client);
		close(peer);
		close(fd);
		unlink(test_path("sock"));
	}
	assert_int_equal(answers.n, 0);
}

static void test_nobody_there(void **state)
{
	struct client *client;
	struct err err = { 0 };
	char longest[300];

	(void)state;
	assert_fails(client_open(&client, address(false), &err), ERR_ABSENT,
		     err);
	assert_contains(err.text, "cannot reach the agent at '");
	assert_contains(
		err.text,
		"No such file or directory (is snaptree-agentd running?)");
	assert_int_equal(err.sys, ENOENT);

	close(listening());
	assert_fails(client_open(&client, address(false), &err), ERR_ABSENT,
		     err);
	assert_contains(err.text, "Connection refused");
	unlink(test_path("sock"));

	assert_fails(client_open(&client, address(true), &err), ERR_ABSENT,
		     err);
	assert_contains(err.text, "is snaptree-collectord running?");
	assert_fails(client_open(&client, "tcp://127.0.0.1:1", &err),
		     ERR_ABSENT, err);
	assert_fails(client_open(&client, "nonsense", &err), ERR_INVALID, err);
	memset(longest, '/', sizeof(longest));
	longest[299] = '\0';
	assert_fails(client_open(&client, longest, &err), ERR_INVALID, err);
	client_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_two_calls),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_slow_but_alive),
		cmocka_unit_test(test_death),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_broken_frames),
		cmocka_unit_test(test_nobody_there),
	};

	return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
