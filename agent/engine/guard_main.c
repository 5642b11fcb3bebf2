/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guard_main.c - the guard process
 *
 * Normal course: OWE comes, is put on the list and answered; PAID takes it off.
 * What can fail: the agent dies (its end of the socket closes) or lets a
 * deadline pass; then the debt is due and children try to thaw it, one after
 * the other, turn about through libvirt and through the agent channel, until
 * one reports that the guest is thawed or does not run.  The guard ends when
 * the agent is gone and nothing is owed.  It allocates nothing after its start,
 * so that it works on a host without memory.
 */
#include "agent/engine/guard.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/engine/guard_wire.h"
#include "agent/virt/conn.h"
#include "agent/virt/dom.h"
#include "agent/virt/guest.h"
#include "base/clock.h"
#include "base/log.h"

#define MAX_DEBTS 256   /* freezes at once on one host */
#define TRY_MS 3000     /* one attempt through libvirt */
#define CHANNEL_MS 1500 /* one attempt through the channel */
#define PAUSE_MS 200    /* between attempts; doubles up to PAUSE_MAX_MS */
#define PAUSE_MAX_MS 2000
#define TICK_MS 20 /* how late a deadline or a child may be noticed */

enum outcome { OUTCOME_THAWED = 0, OUTCOME_AGAIN = 1 };

struct debt {
	struct guard_msg owed;
	int64_t due_ms;
	int64_t pause_ms;
	unsigned attempts;
	pid_t child; /* 0: none */
};

struct ward {
	const char *uri;
	int ask, news; /* -1: the agent is gone */
	struct debt debts[MAX_DEBTS];
	size_t n;
};

static int through_libvirt(const char *uri, const struct id *domain)
{
	const int64_t deadline = clock_ms() + TRY_MS - 500;
	struct virt_dom *dom;
	struct virt *virt;
	struct err err = { 0 };
	int n, r;

	if (virt_new(&virt, NULL, NULL, uri, NULL, NULL, &err) < 0)
		return OUTCOME_AGAIN;
	r = dom_open(virt, domain, &dom, &err);
	if (r == -ERR_ABSENT)
		return OUTCOME_THAWED;
	if (r < 0)
		return OUTCOME_AGAIN;
	r = guest_thaw(dom, deadline, &n, &err);
	return r < 0 ? OUTCOME_AGAIN : OUTCOME_THAWED;
}

static int through_channel(const char *path)
{
	struct err err = { 0 };
	int r = guest_thaw_channel(path, clock_ms() + CHANNEL_MS, &err);

	/* No QEMU listens there any more: nobody is frozen. */
	return r == 0 || r == -ERR_ABSENT ? OUTCOME_THAWED : OUTCOME_AGAIN;
}

static pid_t attempt(const struct ward *ward, const struct debt *debt)
{
	/* Turn about; the channel is taken by libvirtd while that lives. */
	bool channel = debt->attempts % 2 == 1 && debt->owed.channel[0];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	/* The default action of SIGALRM ends the child: "again". */
	signal(SIGALRM, SIG_DFL);
	alarm((channel ? CHANNEL_MS : TRY_MS) / 1000 + 1);
	if (!channel)
		_exit(through_libvirt(ward->uri, &debt->owed.domain));
	_exit(through_channel(debt->owed.channel));
}

static void forget(struct ward *ward, size_t i)
{
	ward->debts[i] = ward->debts[--ward->n];
}

static void owe(struct ward *ward, const struct guard_msg *msg)
{
	struct guard_msg held = *msg;
	size_t i;

	for (i = 0; i < ward->n; i++)
		if (id_equal(&ward->debts[i].owed.domain, &msg->domain))
			break;
	if (i == MAX_DEBTS)
		return; /* no answer: the agent will not freeze */
	if (i == ward->n) {
		memset(&ward->debts[i], 0, sizeof(ward->debts[i]));
		ward->n++;
	}
	ward->debts[i].owed = *msg;
	ward->debts[i].due_ms = msg->deadline_ms;
	ward->debts[i].pause_ms = PAUSE_MS;
	ward->debts[i].attempts = 0;
	held.word = GUARD_HELD;
	send(ward->ask, &held, sizeof(held), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void paid(struct ward *ward, const struct id *domain)
{
	for (size_t i = 0; i < ward->n; i++) {
		if (!id_equal(&ward->debts[i].owed.domain, domain))
			continue;
		if (ward->debts[i].child > 0) {
			kill(ward->debts[i].child, SIGKILL);
			waitpid(ward->debts[i].child, NULL, 0);
		}
		forget(ward, i);
		return;
	}
}

/* False when the agent is gone: all that is owed is due now. */
static bool listen_to_agent(struct ward *ward)
{
	struct guard_msg msg;
	ssize_t n = recv(ward->ask, &msg, sizeof(msg), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n != (ssize_t)sizeof(msg))
		return false;
	msg.channel[sizeof(msg.channel) - 1] = '\0';
	if (msg.word == GUARD_OWE)
		owe(ward, &msg);
	else if (msg.word == GUARD_PAID)
		paid(ward, &msg.domain);
	return true;
}

static void agent_is_gone(struct ward *ward)
{
	close(ward->ask);
	close(ward->news);
	ward->ask = ward->news = -1;
	for (size_t i = 0; i < ward->n; i++)
		ward->debts[i].due_ms = 0;
}

static void thawed(struct ward *ward, const struct guard_msg *owed)
{
	struct guard_msg news = *owed;
	char id[ID_TEXT];

	log_warning("guard: thawed domain %s: %s", id_format(&owed->domain, id),
		    ward->news < 0 ? "the agent is gone"
				   : "the agent was late");
	news.word = GUARD_THAWED;
	if (ward->news >= 0)
		send(ward->news, &news, sizeof(news),
		     MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* True when the debt was paid and is off the list. */
static bool reap(struct ward *ward, size_t i)
{
	struct debt *debt = &ward->debts[i];
	int status;

	if (waitpid(debt->child, &status, WNOHANG) != debt->child)
		return false;
	debt->child = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == OUTCOME_THAWED) {
		thawed(ward, &debt->owed);
		forget(ward, i);
		return true;
	}
	debt->attempts++;
	debt->due_ms = clock_ms() + debt->pause_ms;
	debt->pause_ms = debt->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS
							   : debt->pause_ms * 2;
	return false;
}

static void work(struct ward *ward)
{
	for (size_t i = 0; i < ward->n;) {
		struct debt *debt = &ward->debts[i];

		if (debt->child > 0) {
			if (reap(ward, i))
				continue;
		} else if (clock_ms() >= debt->due_ms) {
			debt->child = attempt(ward, debt);
			if (debt->child < 0)
				debt->child = 0;
		}
		i++;
	}
}

int guard_main(int fd, const char *uri)
{
	static struct ward ward;

	ward.uri = uri;
	ward.ask = fd;
	ward.news = fd + 1;
	/* The agent's stop signals are not for us: we end when it is gone and
	 * nothing is owed. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "snaptree-guard");

	while (ward.ask >= 0 || ward.n > 0) {
		struct pollfd p = { .fd = ward.ask, .events = POLLIN };

		poll(&p, 1, ward.n > 0 ? TICK_MS : -1);
		if (ward.ask >= 0 && p.revents && !listen_to_agent(&ward))
			agent_is_gone(&ward);
		work(&ward);
	}
	return 0;
}
