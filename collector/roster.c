/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* roster.c - the agents that said HELLO, by host and by route */
#include "collector/roster.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a.  Ids and routes are random or counted, and chains are bounded by
 * ROSTER_MAX / ROSTER_SLOTS for all but a liar. */
static size_t slot_of(const uint8_t *data, size_t size)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < size; i++)
		h = (h ^ data[i]) * 16777619u;
	return h % ROSTER_SLOTS;
}

static size_t host_slot(const struct id *host)
{
	return slot_of(host->b, sizeof(host->b));
}

static size_t route_slot(const struct link_peer *peer)
{
	return slot_of(peer->route, peer->size);
}

static bool same_route(const struct link_peer *a, const struct link_peer *b)
{
	return a->size == b->size && memcmp(a->route, b->route, a->size) == 0;
}

void roster_done(struct roster *roster)
{
	struct agent *agent;

	while ((agent = roster->all)) {
		roster->all = agent->next;
		free(agent);
	}
	memset(roster, 0, sizeof(*roster));
}

struct agent *roster_by_host(const struct roster *roster, const struct id *host)
{
	struct agent *agent = roster->by_host[host_slot(host)];

	while (agent && !id_equal(&agent->hello.host, host))
		agent = agent->next_by_host;
	return agent;
}

struct agent *roster_by_route(const struct roster *roster,
			      const struct link_peer *peer)
{
	struct agent *agent = roster->by_route[route_slot(peer)];

	while (agent && !same_route(&agent->peer, peer))
		agent = agent->next_by_route;
	return agent;
}

struct agent *roster_add(struct roster *roster, const struct id *host)
{
	struct agent *agent = roster_by_host(roster, host);
	size_t slot = host_slot(host);

	if (agent || roster->n == ROSTER_MAX)
		return agent;
	agent = calloc(1, sizeof(*agent));
	if (!agent)
		return NULL;
	agent->hello.host = *host;
	agent->next_by_host = roster->by_host[slot];
	roster->by_host[slot] = agent;
	agent->next = roster->all;
	roster->all = agent;
	roster->n++;
	return agent;
}

static void drop_route(struct roster *roster, struct agent *agent)
{
	struct agent **at = &roster->by_route[route_slot(&agent->peer)];

	if (agent->peer.size == 0)
		return;
	while (*at && *at != agent)
		at = &(*at)->next_by_route;
	if (*at)
		*at = agent->next_by_route;
	agent->next_by_route = NULL;
	agent->peer.size = 0;
}

void roster_set_route(struct roster *roster, struct agent *agent,
		      const struct link_peer *peer)
{
	struct link_peer to = { 0 };
	struct agent *other;
	size_t slot;

	if (peer)
		to = *peer; /* it may be the agent's own */
	drop_route(roster, agent);
	if (to.size == 0)
		return;
	other = roster_by_route(roster, &to);
	if (other)
		drop_route(roster, other);
	slot = route_slot(&to);
	agent->peer = to;
	agent->next_by_route = roster->by_route[slot];
	roster->by_route[slot] = agent;
}
