/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent.c - the daemon: owns every part, wires them, knows their order */
#include <config.h>

#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/engine/engine.h"
#include "agent/journal/journal.h"
#include "agent/uplink/uplink.h"
#include "agent/virt/conn.h"
#include "agent/virt/dom.h"
#include "agent/virt/guest.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/worker.h"
#include "proto/control.h"

#define MAX_THREADS 64 /* hung jobs keep theirs; the rest must go on */
#define TICK_MS 2000   /* missed moments, and no slower than the watchdog */
#define STOP_MS 30000  /* for what runs to end at a stop */
#define THAW_EACH_MS 3000

static void committed(void *owner)
{
	struct agent *agent = owner;

	if (agent->uplink)
		uplink_poke(agent->uplink);
}

static const struct engine_ops engine_ops = { committed };

static void on_idle(void *arg)
{
	struct agent *agent = arg;

	loop_stop(agent->loop);
}

static void on_giveup(struct loop_timer *timer)
{
	struct agent *agent = CONTAINER_OF(timer, struct agent, giveup);

	log_warning("stopping with work unfinished: the next start undoes it");
	loop_stop(agent->loop);
}

static void stop(struct agent *agent, int signo)
{
	log_info("signal %d: stopping when what runs has ended", signo);
	notify_stopping();
	notify_extend(STOP_MS);
	loop_timer_set(agent->loop, &agent->giveup, clock_ms() + STOP_MS);
	engine_drain(agent->engine, on_idle, agent);
}

static void on_term(struct loop_signal *sig)
{
	stop(CONTAINER_OF(sig, struct agent, term), SIGTERM);
}

static void on_interrupt(struct loop_signal *sig)
{
	stop(CONTAINER_OF(sig, struct agent, interrupt), SIGINT);
}

static void on_hangup(struct loop_signal *sig)
{
	(void)sig;
	log_info(
		"SIGHUP: nothing is reloaded yet, restart for a new configuration");
}

static void on_tick(struct loop_timer *timer)
{
	struct agent *agent = CONTAINER_OF(timer, struct agent, tick);
	const int64_t watchdog = notify_watchdog_period_ms();
	struct engine_counts counts;

	notify_watchdog();
	moment_read_missed(agent);
	engine_count(agent->engine, &counts);
	notify_status("%u running, %u waiting, %llu events to send",
		      counts.running, counts.waiting,
		      (unsigned long long)(journal_last_seq(agent->journal) -
					   journal_acked_seq(agent->journal)));
	loop_timer_set(agent->loop, timer,
		       clock_ms() + (watchdog > 0 && watchdog < TICK_MS
					     ? watchdog
					     : TICK_MS));
}

static int make_dir(const char *path, mode_t mode, struct err *err)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return err_set(err, ERR_JOURNAL, errno,
			       "cannot make the folder '%s'", path);
	return 0;
}

static int open_journal(struct agent *agent, struct err *err)
{
	char path[600];
	int r = make_dir(agent->config.state_dir, 0700, err);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/agent.db", agent->config.state_dir);
	return journal_open(&agent->journal, path, err);
}

static void engine_settings(const struct config *config,
			    struct engine_config *ret)
{
	*ret = (struct engine_config){
		.uri = config->libvirt_uri,
		.storage.qcow2_mode = (enum qcow2_mode)(config->qcow2_mode + 1),
		.storage.min_free_bytes = config->min_free_bytes,
		.max_running = config->max_running,
		.freeze = (enum freeze)(config->freeze + 1),
		.max_frozen_ms = config->max_frozen_ms,
		.ping_ms = config->ping_ms,
		.sync_ms = config->sync_ms,
		.step_ms = config->step_ms,
		.gate_ms = config->gate_ms,
		.gate_blocks = config->gate_failure == 1,
		.keep_ops_ms = config->keep_ops_ms,
	};
}

static int open_uplink(struct agent *agent, struct err *err)
{
	const struct uplink_config config = {
		.endpoint = agent->config.collector,
		.host_name = agent->config.host_name,
		.version = PACKAGE_VERSION,
		.batch = 500,
		.window = 5000,
		.ack_timeout_ms = 5000,
		.ping_ms = 30000,
		.keep = (unsigned)agent->config.keep_events,
	};

	if (!agent->config.collector[0])
		return 0;
	return uplink_new(&agent->uplink, agent->loop, agent->journal, &config,
			  err);
}

static int open_control(struct agent *agent, struct err *err)
{
	char dir[sizeof(agent->config.socket)];
	char *slash;
	int r;

	snprintf(dir, sizeof(dir), "%s", agent->config.socket);
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		r = make_dir(dir, 0755, err);
		if (r < 0)
			return r;
	}
	return control_new(&agent->control, agent->loop, agent->config.socket,
			   notify_listen_fd(), &visitor_ops, agent, err);
}

static int add_signals(struct agent *agent, struct err *err)
{
	int r;

	agent->term.caught = on_term;
	agent->interrupt.caught = on_interrupt;
	agent->hangup.caught = on_hangup;
	r = loop_signal_add(agent->loop, &agent->term, SIGTERM, err);
	if (r == 0)
		r = loop_signal_add(agent->loop, &agent->interrupt, SIGINT,
				    err);
	if (r == 0)
		r = loop_signal_add(agent->loop, &agent->hangup, SIGHUP, err);
	return r;
}

static int open_parts(struct agent *agent, struct err *err)
{
	struct engine_config settings;
	int r;

	engine_settings(&agent->config, &settings);
	r = loop_new(&agent->loop, err);
	if (r == 0)
		r = add_signals(agent, err); /* before there is a thread */
	if (r == 0)
		r = worker_pool_new(&agent->pool, agent->loop, MAX_THREADS,
				    err);
	if (r == 0)
		r = open_journal(agent, err);
	if (r == 0)
		r = engine_new(&agent->engine, agent->loop, agent->pool,
			       agent->journal, &settings, &engine_ops, agent,
			       err);
	if (r == 0)
		r = open_uplink(agent, err);
	if (r == 0)
		r = engine_recover(agent->engine, err);
	/* Last: who is let in finds everything there. */
	if (r == 0)
		r = open_control(agent, err);
	return r;
}

int agent_new(struct agent **ret, const struct config *config, struct err *err)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	int r;

	if (!agent)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	agent->config = *config;
	agent->tick.expired = on_tick;
	agent->giveup.expired = on_giveup;
	signal(SIGPIPE, SIG_IGN);
	r = open_parts(agent, err);
	if (r < 0) {
		agent_free(agent);
		return r;
	}
	*ret = agent;
	return 0;
}

int agent_run(struct agent *agent, struct err *err)
{
	engine_report(agent->engine, EVENT_AGENT_STARTED, NULL, "", "%s",
		      PACKAGE_VERSION);
	notify_ready();
	on_tick(&agent->tick);
	return loop_run(agent->loop, err);
}

void agent_free(struct agent *agent)
{
	if (!agent)
		return;
	control_free(agent->control);
	/* A thread that hangs in libvirt cannot be ended and may still use
	 * what would be freed: the process must end instead. */
	if (agent->pool && !worker_pool_free(agent->pool, clock_ms() + 5000)) {
		log_warning("a call hangs: ending without it");
		journal_close(agent->journal);
		_exit(1);
	}
	uplink_free(agent->uplink);
	engine_free(agent->engine);
	visitor_forget_all(agent);
	journal_close(agent->journal);
	loop_free(agent->loop);
	free(agent);
}

static int thaw_one(struct virt *virt, const struct op *op, struct err *err)
{
	struct virt_dom *dom = NULL;
	int n = 0, r = dom_open(virt, &op->snap.domain, &dom, err);

	if (r == -ERR_ABSENT)
		return 0;
	if (r == 0)
		r = guest_thaw(dom, clock_ms() + THAW_EACH_MS, &n, err);
	dom_close(dom);
	log_info("thaw of '%s': %s", op->snap.domain_name,
		 r < 0   ? err->text
		 : n > 0 ? "thawed"
			 : "was not frozen");
	return r;
}

int agent_thaw_owed(const struct config *config, struct err *err)
{
	struct journal *journal = NULL;
	struct virt *virt = NULL;
	struct op *ops = NULL;
	char path[600];
	size_t n = 0;
	int left = 0, r;

	snprintf(path, sizeof(path), "%s/agent.db", config->state_dir);
	if (access(path, F_OK) < 0)
		return 0; /* never started: nothing was ever asked to freeze */
	r = journal_open_read_only(&journal, path, err);
	if (r == 0)
		r = journal_open_ops(journal, &ops, &n, err);
	if (r == 0)
		r = virt_new(&virt, NULL, NULL, config->libvirt_uri, NULL, NULL,
			     err);
	for (size_t i = 0; i < n; i++) {
		struct err why = { 0 };

		if (r == 0 && ops[i].owes_thaw)
			left += thaw_one(virt, &ops[i], &why) < 0;
		op_done(&ops[i]);
	}
	free(ops);
	virt_free(virt);
	journal_close(journal);
	return r < 0 ? r : left;
}
