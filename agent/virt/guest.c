/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest.c - the QEMU guest agent, through libvirtd
 *
 * libvirt answers "not responding" both at once, when no agent is connected,
 * and after the time-out, when one hangs: they are told apart by the clock.
 * The channel keeps its order, so what an agent that woke up late says of its
 * state is said after all that it was asked before.
 */
#include "agent/virt/guest.h"

#include <jansson.h>
#include <libvirt/libvirt-qemu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/virt/dom.h"
#include "agent/virt/virt_private.h"
#include "base/clock.h"

#define RETRY_MS 100
#define EXEC_POLL_MS 10

/* One call of the agent: how long it may take and when it began. */
struct call {
	int seconds;
	int64_t start_ms;
};

static void nap_ms(long ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

static enum err_code code_of(struct virt_dom *dom, const struct call *call,
			     int libvirt_code)
{
	const int64_t took_ms = clock_ms() - call->start_ms;

	switch (libvirt_code) {
	case VIR_ERR_AGENT_UNRESPONSIVE:
	case VIR_ERR_AGENT_UNSYNCED:
		return took_ms >= call->seconds * 1000 - 100 ? ERR_TIMEOUT
							     : ERR_GUEST;
	case VIR_ERR_OPERATION_TIMEOUT:
		return ERR_TIMEOUT;
	case VIR_ERR_OPERATION_INVALID:
	case VIR_ERR_NO_DOMAIN:
	case VIR_ERR_NO_CONNECT:
	case VIR_ERR_SYSTEM_ERROR:
	case VIR_ERR_RPC:
		return ERR_VIRT;
	default:
		/* A closed connection is only an "internal error" too. */
		return virConnectIsAlive(dom->conn) == 1 ? ERR_GUEST : ERR_VIRT;
	}
}

static int fail(struct virt_dom *dom, const struct call *call, const char *what,
		struct err *err)
{
	struct err why;

	virt_fail(&why, "guest agent of '%s': %s", dom->name, what);
	why.code = code_of(dom, call, why.sys);
	if (err)
		*err = why;
	return -(int)why.code;
}

static int begin(struct virt_dom *dom, int64_t deadline_ms, struct call *ret,
		 struct err *err)
{
	ret->start_ms = clock_ms();
	ret->seconds = clock_left_ms(deadline_ms) / 1000;
	if (ret->seconds < 1)
		ret->seconds = 1;
	if (virDomainAgentSetResponseTimeout(dom->handle, ret->seconds, 0) < 0)
		return fail(dom, ret, "set its time-out", err);
	return 0;
}

/* `arguments`: JSON, or NULL.  *ret: a new reference to what is returned. */
static int command(struct virt_dom *dom, const char *name,
		   const char *arguments, int64_t deadline_ms, json_t **ret,
		   struct err *err)
{
	struct call call;
	char text[128], *answer;
	json_t *reply;
	int r = begin(dom, deadline_ms, &call, err);

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "{\"execute\":\"%s\"%s%s}", name,
		 arguments ? ",\"arguments\":" : "",
		 arguments ? arguments : "");
	answer = virDomainQemuAgentCommand(dom->handle, text, call.seconds, 0);
	if (!answer)
		return fail(dom, &call, name, err);
	reply = json_loads(answer, 0, NULL);
	free(answer);
	*ret = json_incref(json_object_get(reply, "return"));
	json_decref(reply);
	if (!*ret)
		return err_set(err, ERR_GUEST, 0,
			       "guest agent of '%s': %s: no JSON in its answer",
			       dom->name, name);
	return 0;
}

int guest_ping(struct virt_dom *dom, int64_t deadline_ms, struct err *err)
{
	json_t *value = NULL;
	int r = command(dom, "guest-ping", NULL, deadline_ms, &value, err);

	json_decref(value);
	return r;
}

static int start_sync(struct virt_dom *dom, int64_t deadline_ms,
		      json_int_t *ret_pid, struct err *err)
{
	json_t *value;
	int r = command(dom, "guest-exec", "{\"path\":\"sync\"}", deadline_ms,
			&value, err);

	if (r < 0)
		return r;
	*ret_pid = json_integer_value(json_object_get(value, "pid"));
	json_decref(value);
	return 0;
}

static int ask_sync(struct virt_dom *dom, json_int_t pid, int64_t deadline_ms,
		    bool *ret_done, struct err *err)
{
	char arguments[64];
	json_t *value;
	int r;

	snprintf(arguments, sizeof(arguments),
		 "{\"pid\":%" JSON_INTEGER_FORMAT "}", pid);
	r = command(dom, "guest-exec-status", arguments, deadline_ms, &value,
		    err);
	if (r < 0)
		return r;
	*ret_done = json_is_true(json_object_get(value, "exited"));
	if (*ret_done &&
	    json_integer_value(json_object_get(value, "exitcode")) != 0)
		r = err_set(err, ERR_GUEST, 0, "'sync' failed in the guest");
	json_decref(value);
	return r;
}

int guest_sync(struct virt_dom *dom, int64_t deadline_ms, struct err *err)
{
	bool is_done = false;
	json_int_t pid;
	int r = start_sync(dom, deadline_ms, &pid, err);

	while (r == 0 && !is_done) {
		if (clock_ms() >= deadline_ms)
			return err_set(
				err, ERR_TIMEOUT, 0,
				"'sync' did not end in time in the guest");
		r = ask_sync(dom, pid, deadline_ms, &is_done, err);
		if (r == 0 && !is_done)
			nap_ms(EXEC_POLL_MS);
	}
	return r;
}

int guest_freeze(struct virt_dom *dom, int64_t deadline_ms, int *ret_n,
		 struct err *err)
{
	struct call call;
	int n, r = begin(dom, deadline_ms, &call, err);

	if (r < 0)
		return r;
	n = virDomainFSFreeze(dom->handle, NULL, 0, 0);
	if (n < 0)
		return fail(dom, &call, "freeze", err);
	*ret_n = n;
	return 0;
}

int guest_is_frozen(struct virt_dom *dom, int64_t deadline_ms, bool *ret,
		    struct err *err)
{
	const char *state;
	json_t *value;
	int r = command(dom, "guest-fsfreeze-status", NULL, deadline_ms, &value,
			err);

	if (r < 0)
		return r;
	state = json_string_value(value);
	if (state && strcmp(state, "thawed") == 0)
		*ret = false;
	else if (state && strcmp(state, "frozen") == 0)
		*ret = true;
	else
		r = err_set(err, ERR_GUEST, 0,
			    "guest agent of '%s': unknown state of freeze",
			    dom->name);
	json_decref(value);
	return r;
}

static int thaw_once(struct virt_dom *dom, int64_t deadline_ms, int *ret_n,
		     struct err *err)
{
	struct call call;
	bool is_frozen = false;
	int n, r;

	r = begin(dom, deadline_ms, &call, err);
	if (r < 0)
		return r;
	n = virDomainFSThaw(dom->handle, NULL, 0, 0);
	if (n > 0) {
		*ret_n = n;
		return 0;
	}
	if (n < 0) {
		r = fail(dom, &call, "thaw", err);
		/* It would take the time-out once more. */
		if (r != -ERR_GUEST)
			return r;
	}
	if (guest_is_frozen(dom, deadline_ms, &is_frozen, n < 0 ? NULL : err) <
	    0)
		return n < 0 ? r : -ERR_GUEST;
	if (is_frozen)
		return n < 0 ? r
			     : err_set(err, ERR_GUEST, 0,
				       "guest of '%s' is still frozen",
				       dom->name);
	*ret_n = 0;
	return 0;
}

/* After a failed thaw: 0 when nothing can be frozen any more.  A paused guest
 * is still frozen but cannot say so. */
static int check_gone(struct virt_dom *dom, int r, struct err *err)
{
	enum domain_state state;
	struct err why;
	int q = 0;

	if (virConnectIsAlive(dom->conn) != 1)
		q = dom_reopen(dom, &why);
	if (q == 0)
		q = dom_state(dom, &state, &why);
	if (q == -ERR_ABSENT)
		return 0;
	if (q < 0)
		return r;
	if (state == DOMAIN_OFF)
		return 0;
	if (state == DOMAIN_PAUSED)
		return err_set(
			err, ERR_TIMEOUT, 0,
			"domain '%s' is paused: its guest agent cannot answer",
			dom->name);
	return r;
}

int guest_thaw(struct virt_dom *dom, int64_t deadline_ms, int *ret_n,
	       struct err *err)
{
	struct err why = { 0 };
	int r;

	for (;;) {
		r = thaw_once(dom, deadline_ms, ret_n, &why);
		if (r == 0)
			return 0;
		/* Without a channel nobody can have frozen it. */
		if (why.sys == VIR_ERR_ARGUMENT_UNSUPPORTED)
			break;
		r = check_gone(dom, r, &why);
		if (r == 0) {
			*ret_n = 0;
			return 0;
		}
		if (clock_left_ms(deadline_ms) <= RETRY_MS)
			break;
		nap_ms(RETRY_MS);
	}
	if (err)
		*err = why;
	return r;
}
