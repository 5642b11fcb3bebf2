/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * watch.c - libvirt's events of one connection, in our words
 *
 * What the callbacks are given is reference-counted by libvirt through its
 * free callback, since libvirt may still be in one of them when it was taken
 * back.
 */
#include "agent/virt/watch.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "agent/virt/virt_private.h"
#include "base/str.h"

#define N_CALLBACKS 3

struct watch {
	virConnectPtr conn;
	void (*tell)(void *owner, const struct virt_event *event);
	void *owner;
	int ids[N_CALLBACKS]; /* -1: not registered */
	bool hears_close;
	atomic_uint refs; /* ours, and one for each callback */
};

static void unref(void *arg)
{
	struct watch *watch = arg;

	if (atomic_fetch_sub(&watch->refs, 1) == 1)
		free(watch);
}

static void tell(const struct watch *watch, virDomainPtr dom,
		 enum virt_event_kind kind, enum domain_state state)
{
	struct virt_event event = { .kind = kind, .state = state };

	if (virDomainGetUUID(dom, event.domain.b) < 0)
		return;
	str_copy(event.name, sizeof(event.name), virDomainGetName(dom));
	watch->tell(watch->owner, &event);
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event,
			int detail, void *arg)
{
	static const struct {
		enum virt_event_kind kind;
		enum domain_state state;
	} means[] = {
		[VIR_DOMAIN_EVENT_DEFINED] = { VIRT_EVENT_DEFINED, 0 },
		[VIR_DOMAIN_EVENT_UNDEFINED] = { VIRT_EVENT_UNDEFINED, 0 },
		[VIR_DOMAIN_EVENT_STARTED] = { VIRT_EVENT_STATE,
					       DOMAIN_RUNNING },
		[VIR_DOMAIN_EVENT_SUSPENDED] = { VIRT_EVENT_STATE,
						 DOMAIN_PAUSED },
		[VIR_DOMAIN_EVENT_RESUMED] = { VIRT_EVENT_STATE,
					       DOMAIN_RUNNING },
		[VIR_DOMAIN_EVENT_STOPPED] = { VIRT_EVENT_STATE, DOMAIN_OFF },
		[VIR_DOMAIN_EVENT_PMSUSPENDED] = { VIRT_EVENT_STATE,
						   DOMAIN_PAUSED },
		[VIR_DOMAIN_EVENT_CRASHED] = { VIRT_EVENT_STATE,
					       DOMAIN_PAUSED },
	};

	(void)conn;
	(void)detail;
	/* The guest has shut down and QEMU is about to end: STOPPED follows. */
	if (event == VIR_DOMAIN_EVENT_SHUTDOWN)
		return 0;
	if (event >= 0 && (size_t)event < sizeof(means) / sizeof(means[0]))
		tell(arg, dom, means[event].kind, means[event].state);
	return 0;
}

static void on_reboot(virConnectPtr conn, virDomainPtr dom, void *arg)
{
	(void)conn;
	tell(arg, dom, VIRT_EVENT_REBOOT, 0);
}

static void on_agent(virConnectPtr conn, virDomainPtr dom, int state,
		     int reason, void *arg)
{
	(void)conn;
	(void)reason;
	if (state == VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED)
		tell(arg, dom, VIRT_EVENT_AGENT, 0);
}

static void on_close(virConnectPtr conn, int reason, void *arg)
{
	const struct watch *watch = arg;

	(void)conn;
	(void)reason;
	watch->tell(watch->owner, NULL);
}

/* Takes a reference, which libvirt gives back when it is done. */
static bool listen_to(struct watch *watch, size_t i, int event,
		      virConnectDomainEventGenericCallback callback)
{
	atomic_fetch_add(&watch->refs, 1);
	watch->ids[i] = virConnectDomainEventRegisterAny(
		watch->conn, NULL, event, callback, watch, unref);
	if (watch->ids[i] < 0)
		atomic_fetch_sub(&watch->refs, 1);
	return watch->ids[i] >= 0;
}

static bool listen_to_close(struct watch *watch)
{
	atomic_fetch_add(&watch->refs, 1);
	watch->hears_close = virConnectRegisterCloseCallback(
				     watch->conn, on_close, watch, unref) == 0;
	if (!watch->hears_close)
		atomic_fetch_sub(&watch->refs, 1);
	return watch->hears_close;
}

int watch_open(struct watch **ret, virConnectPtr conn,
	       void (*tell_owner)(void *owner, const struct virt_event *event),
	       void *owner, struct err *err)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch) {
		virConnectClose(conn);
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	}
	watch->conn = conn;
	watch->tell = tell_owner;
	watch->owner = owner;
	watch->refs = 1;
	for (size_t i = 0; i < N_CALLBACKS; i++)
		watch->ids[i] = -1;

	if (listen_to_close(watch) &&
	    listen_to(watch, 0, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
		      VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle)) &&
	    listen_to(watch, 1, VIR_DOMAIN_EVENT_ID_REBOOT,
		      VIR_DOMAIN_EVENT_CALLBACK(on_reboot)) &&
	    listen_to(watch, 2, VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
		      VIR_DOMAIN_EVENT_CALLBACK(on_agent))) {
		*ret = watch;
		return 0;
	}
	r = virt_fail(err, "cannot listen to libvirt's events");
	watch_close(watch);
	return r;
}

bool watch_is_alive(const struct watch *watch)
{
	return virConnectIsAlive(watch->conn) == 1;
}

void watch_close(struct watch *watch)
{
	if (!watch)
		return;
	for (size_t i = 0; i < N_CALLBACKS; i++)
		if (watch->ids[i] >= 0)
			virConnectDomainEventDeregisterAny(watch->conn,
							   watch->ids[i]);
	if (watch->hears_close)
		virConnectUnregisterCloseCallback(watch->conn, on_close);
	virConnectClose(watch->conn);
	unref(watch);
}
