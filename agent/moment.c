/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * moment.c - what libvirt's hooks tell us, and what they could not tell
 *
 * A gate that was queued while we hung may be long over when we read it: the
 * hook has gone and the guest runs.  Then nothing is cut, and the event says
 * that the moment was missed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/engine/engine.h"
#include "agent/journal/journal.h"
#include "agent/virt/xml.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/control.h"

static void missed(struct agent *agent, const struct domain *domain,
		   const struct moment *moment, const char *why)
{
	char name[DOMAIN_NAME], what[64];

	engine_report(agent->engine, EVENT_MOMENT_MISSED,
		      domain ? &domain->uuid : NULL,
		      str_show(name, sizeof(name), moment->domain), "%s: %s",
		      str_show(what, sizeof(what), moment->operation), why);
}

static void gate(struct agent *agent, struct control_peer *peer,
		 const struct moment *moment, struct domain *domain)
{
	struct engine_gate *gate;
	char hold[24];

	if (control_is_gone(peer)) {
		missed(agent, domain, moment,
		       "the agent was too slow and the start went on");
		control_close(peer);
		return;
	}
	domain->state = DOMAIN_OFF; /* XML does not say; it is about to start */
	gate = visitor_gate(agent, peer);
	if (!gate) {
		control_close(peer);
		return;
	}
	/* Some more than ours: the agent's bound comes first and is told of. */
	snprintf(hold, sizeof(hold), "%lld",
		 (long long)agent->config.gate_ms + 1000);
	(void)control_send(peer, CONTROL_HOLD, hold, strlen(hold), NULL);
	engine_gate_enter(agent->engine, gate, domain,
			  agent->config.before_start ? "before-start" : NULL);
}

/* Did it run?  A start that a hook refused ends with stopped and release, too. */
static bool has_run(struct agent *agent, const struct id *uuid)
{
	struct journal_domain *d = NULL;
	size_t n = 0;
	bool ran = false;

	if (journal_get_domains(agent->journal, uuid, &d, &n, NULL) == 0 &&
	    n == 1)
		ran = d->state == DOMAIN_RUNNING || d->state == DOMAIN_PAUSED;
	free(d);
	return ran;
}

static void after_stop(struct agent *agent, struct domain *domain)
{
	struct create_request request = {
		.domain = domain->uuid,
		.domain_name = domain->name,
		.origin = ORIGIN_HOOK,
		.label = "",
		.description = "after-stop",
		.tags = "after-stop",
		.disks = "",
		.stopped = domain,
	};
	struct err err = { 0 };
	struct id op;

	/* Live XML spells out all chains; a transient domain has no definition
	 * that could. */
	for (size_t i = 0; i < domain->n_disks; i++)
		domain->disks[i].chain_spelled = false;
	domain->state = DOMAIN_OFF;
	if (engine_create(agent->engine, &request, NULL, &op, &err) < 0)
		engine_report(agent->engine, EVENT_MOMENT_MISSED, &domain->uuid,
			      domain->name, "after-stop: %s", err.text);
}

static void tell(struct agent *agent, const struct moment *moment,
		 struct domain *domain)
{
	const char *operation = moment->operation;

	if (strcmp(operation, "started") == 0 ||
	    strcmp(operation, "reconnect") == 0) {
		engine_started(agent->engine, &domain->uuid);
	} else if (strcmp(operation, "migrate") == 0) {
		engine_incoming(agent->engine, &domain->uuid);
	} else if (strcmp(operation, "release") == 0) {
		const bool ran = has_run(agent, &domain->uuid);

		engine_stopped(agent->engine, &domain->uuid);
		if (agent->config.after_stop && ran)
			after_stop(agent, domain);
	}
}

void moment_received(struct agent *agent, struct control_peer *peer,
		     const void *data, size_t size)
{
	struct domain domain = { 0 };
	struct moment moment;
	struct err err = { 0 };
	int r = control_parse_moment(data, size, &moment, &err);

	if (r < 0) {
		log_warning("a hook sent what cannot be read: %s", err.text);
		control_close(peer);
		return;
	}
	log_debug("hook: %s %s %s", moment.domain, moment.operation,
		  moment.sub);
	r = xml_parse_domain(moment.xml, &domain, &err);
	if (r < 0) {
		missed(agent, NULL, &moment, err.text);
		control_close(peer);
	} else if (moment.deadline_ms > 0) {
		gate(agent, peer, &moment, &domain);
	} else {
		control_close(peer);
		tell(agent, &moment, &domain);
	}
	domain_done(&domain);
}

/* --- moments that did not reach us ---------------------------------------- */

static const char *why_missed(const char *word)
{
	static const char *const words[][2] = {
		{ "absent", "the agent was not there" },
		{ "refused", "the agent was not listening" },
		{ "full", "the agent's queue was full" },
		{ "unsent", "the agent did not take the message" },
		{ "closed", "the agent hung up" },
		{ "unanswered", "the agent did not answer in time" },
		{ "overheld", "the agent held the start too long" },
		{ "garbage", "the agent answered nonsense" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i][0], word) == 0)
			return words[i][1];
	return "an error in the hook";
}

/* unix_ms TAB uuid TAB domain TAB operation TAB suboperation TAB reason; a line
 * that a full disk has cut is passed over. */
static void report_line(struct agent *agent, char *line)
{
	char *field[6], *at = line, name[DOMAIN_NAME], what[64];
	const struct config *config = &agent->config;
	struct id uuid;
	bool has_uuid;
	int n = 0;

	while (n < 6 && at)
		field[n++] = strsep(&at, "\t");
	if (n < 6 || at)
		return;
	/* All that nothing would have come of is known from libvirt. */
	if (strcmp(field[3], "prepare") != 0 &&
	    (strcmp(field[3], "release") != 0 || !config->after_stop))
		return;
	has_uuid = id_parse(field[1], &uuid);
	engine_report(agent->engine, EVENT_MOMENT_MISSED,
		      has_uuid ? &uuid : NULL,
		      str_show(name, sizeof(name), field[2]), "%s at %lld: %s",
		      str_show(what, sizeof(what), field[3]),
		      strtoll(field[0], NULL, 10), why_missed(field[5]));
}

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static void read_lines(struct agent *agent, const char *path)
{
	CLEANUP(close_file) FILE *f = NULL;
	CLEANUP(str_freep) char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return;
	}
	while ((n = getline(&line, &size, f)) > 0) {
		if (line[n - 1] != '\n')
			continue;
		line[n - 1] = '\0';
		report_line(agent, line);
	}
}

void moment_read_missed(struct agent *agent)
{
	char path[600], taken[620];

	snprintf(path, sizeof(path), "%s/missed", agent->config.state_dir);
	snprintf(taken, sizeof(taken), "%s.taken", path);
	/* One that was taken but not journaled before a crash comes first; a
	 * moment told twice is better than one not told. */
	if (access(taken, F_OK) == 0) {
		read_lines(agent, taken);
		unlink(taken);
	}
	if (rename(path, taken) < 0)
		return;
	read_lines(agent, taken);
	unlink(taken);
}
