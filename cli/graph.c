/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* graph.c - order and lanes of a tree's picture; no recursion: a tree may be
 * a million deep */
#include "cli/graph.h"

#include <stdlib.h>
#include <string.h>

#include "model/snapshot.h"

#define NONE ((size_t)-1)

struct node {
	struct id id;
	int64_t taken_ms;
	size_t snap;        /* GRAPH_GHOST: only named by its children */
	size_t parent;      /* NONE: a root */
	size_t first, next; /* children, oldest first; next sibling */
	size_t main;        /* the child that goes on in the lane */
	size_t size;        /* snapshots in the subtree */
	size_t open;        /* children not yet counted */
	size_t walk;
	bool to_head;
};

struct plan {
	struct node *nodes;
	size_t n;
	size_t *order; /* oldest first; later a stack or queue */
	unsigned *lanes;
};

static int by_id(const void *a, const void *b)
{
	return id_compare(&((const struct node *)a)->id,
			  &((const struct node *)b)->id);
}

static int by_time(const void *a, const void *b, void *arg)
{
	const struct node *nodes = arg;
	const struct node *x = &nodes[*(const size_t *)a];
	const struct node *y = &nodes[*(const size_t *)b];

	if (x->taken_ms != y->taken_ms)
		return x->taken_ms < y->taken_ms ? -1 : 1;
	return id_compare(&x->id, &y->id);
}

static size_t find(const struct plan *plan, size_t n, const struct id *id)
{
	struct node key = { .id = *id };
	struct node *node = bsearch(&key, plan->nodes, n, sizeof(key), by_id);

	return node ? (size_t)(node - plan->nodes) : NONE;
}

/* Ghosts come after the real nodes, which stay sorted for find(). */
static size_t add_ghost(struct plan *plan, const struct node *child,
			const struct id *id)
{
	struct node *ghost = &plan->nodes[plan->n];

	*ghost = (struct node){ .id = *id,
				.taken_ms = child->taken_ms,
				.snap = GRAPH_GHOST };
	return plan->n++;
}

struct orphan {
	struct id parent;
	size_t node;
};

static int by_parent(const void *a, const void *b)
{
	return id_compare(&((const struct orphan *)a)->parent,
			  &((const struct orphan *)b)->parent);
}

static void adopt(struct plan *plan, struct orphan *orphans, size_t n)
{
	size_t ghost = NONE;

	qsort(orphans, n, sizeof(*orphans), by_parent);
	for (size_t i = 0; i < n; i++) {
		struct node *child = &plan->nodes[orphans[i].node];

		if (i == 0 || by_parent(&orphans[i - 1], &orphans[i]) != 0)
			ghost = add_ghost(plan, child, &orphans[i].parent);
		child->parent = ghost;
		if (child->taken_ms < plan->nodes[ghost].taken_ms)
			plan->nodes[ghost].taken_ms = child->taken_ms;
	}
}

static int link_parents(struct plan *plan, const struct snapshot *snaps,
			struct err *err)
{
	struct orphan *orphans = calloc(plan->n + 1, sizeof(*orphans));
	size_t n = plan->n, n_orphans = 0;

	if (!orphans)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	for (size_t i = 0; i < n; i++) {
		struct node *node = &plan->nodes[i];
		const struct id *parent = &snaps[node->snap].parent;

		node->parent = NONE;
		if (id_is_null(parent))
			continue;
		node->parent = find(plan, n, parent);
		if (node->parent == NONE)
			orphans[n_orphans++] = (struct orphan){ *parent, i };
	}
	adopt(plan, orphans, n_orphans);
	for (size_t i = n; i < plan->n; i++)
		plan->nodes[i].parent = NONE;
	free(orphans);
	return 0;
}

/* Follow each node up; whoever meets his own trail closes a loop. */
static void cut_loops(struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		size_t at = i;

		while (at != NONE && plan->nodes[at].walk == 0) {
			size_t up = plan->nodes[at].parent;

			plan->nodes[at].walk = i + 1;
			if (up != NONE && plan->nodes[up].walk == i + 1)
				up = plan->nodes[at].parent = NONE;
			at = up;
		}
	}
}

static void sort_children(struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		plan->order[i] = i;
		plan->nodes[i].first = plan->nodes[i].next = NONE;
		plan->nodes[i].main = NONE;
	}
	qsort_r(plan->order, plan->n, sizeof(*plan->order), by_time,
		plan->nodes);
	/* Each is put before its siblings, so the newest goes first. */
	for (size_t i = plan->n; i-- > 0;) {
		struct node *node = &plan->nodes[plan->order[i]];
		struct node *up;

		if (node->parent == NONE)
			continue;
		up = &plan->nodes[node->parent];
		node->next = up->first;
		up->first = plan->order[i];
		up->open++;
	}
}

static bool is_better(const struct node *a, const struct node *b)
{
	if (a->to_head != b->to_head)
		return a->to_head;
	return a->size >= b->size;
}

/* Leaves first, so that a node is weighed after all its children. */
static void weigh(struct plan *plan, size_t *queue)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n; i++)
		if (plan->nodes[i].open == 0)
			queue[n++] = i;
	for (size_t i = 0; i < n; i++) {
		struct node *node = &plan->nodes[queue[i]];

		node->size++;
		for (size_t c = node->first; c != NONE;
		     c = plan->nodes[c].next) {
			node->size += plan->nodes[c].size;
			if (node->main == NONE ||
			    is_better(&plan->nodes[c],
				      &plan->nodes[node->main]))
				node->main = c;
		}
		if (node->parent != NONE &&
		    --plan->nodes[node->parent].open == 0)
			queue[n++] = node->parent;
	}
}

static void mark_head(struct plan *plan, size_t n, const struct id *head)
{
	size_t at = id_is_null(head) ? NONE : find(plan, n, head);

	for (; at != NONE; at = plan->nodes[at].parent)
		plan->nodes[at].to_head = true;
}

static void push(struct plan *plan, size_t *n, size_t node, unsigned lane)
{
	plan->order[(*n)++] = node;
	plan->nodes[node].walk = lane;
}

/* Branches above the main line's next, the oldest first. */
static void push_children(struct plan *plan, size_t *n, const struct node *node)
{
	size_t start, end;

	if (node->main == NONE)
		return;
	push(plan, n, node->main, (unsigned)node->walk);
	start = *n;
	for (size_t c = node->first; c != NONE; c = plan->nodes[c].next)
		if (c != node->main)
			push(plan, n, c, (unsigned)node->walk + 1);
	for (end = *n; start + 1 < end; start++) {
		size_t swap = plan->order[start];

		plan->order[start] = plan->order[--end];
		plan->order[end] = swap;
	}
}

static void emit(struct plan *plan, struct graph *graph, size_t root)
{
	size_t n = 0;

	push(plan, &n, root, 0);
	while (n > 0) {
		const struct node *node = &plan->nodes[plan->order[--n]];
		size_t at = (size_t)(node - plan->nodes);

		graph->rows[graph->n_rows++] = (struct graph_row){
			.node = node->snap,
			.id = node->id,
			.lane = (unsigned)node->walk,
			.branch = node->parent != NONE &&
				  plan->nodes[node->parent].main != at,
			.root = node->parent == NONE,
		};
		push_children(plan, &n, node);
	}
}

static int draw(struct plan *plan, struct graph *graph,
		const struct snapshot *snaps, const struct id *head,
		struct err *err)
{
	size_t n = plan->n, *roots = plan->order + 2 * n + 1, n_roots = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		plan->nodes[i] = (struct node){ .id = snaps[i].id,
						.taken_ms = snaps[i].taken_ms,
						.snap = i };
	qsort(plan->nodes, n, sizeof(*plan->nodes), by_id);
	r = link_parents(plan, snaps, err);
	if (r < 0)
		return r;
	cut_loops(plan);
	mark_head(plan, n, head);
	sort_children(plan);
	for (size_t i = 0; i < plan->n; i++)
		if (plan->nodes[plan->order[i]].parent == NONE)
			roots[n_roots++] = plan->order[i];
	weigh(plan, plan->order);
	for (size_t i = 0; i < n_roots; i++)
		emit(plan, graph, roots[i]);
	return 0;
}

int graph_draw(struct graph *ret, const struct snapshot *snaps, size_t n,
	       const struct id *head, struct err *err)
{
	/* At worst each snapshot has an unknown parent of its own. */
	size_t most = 2 * n + 1;
	struct graph graph = { calloc(most, sizeof(*graph.rows)), 0 };
	struct plan plan = {
		.nodes = calloc(most, sizeof(*plan.nodes)),
		.order = calloc(2 * most, sizeof(*plan.order)),
		.n = n,
	};
	int r;

	if (graph.rows && plan.nodes && plan.order)
		r = draw(&plan, &graph, snaps, head, err);
	else
		r = err_set(err, ERR_NOMEM, 0, "out of memory");
	free(plan.nodes);
	free(plan.order);
	if (r < 0)
		graph_done(&graph);
	else
		*ret = graph;
	return r;
}

void graph_done(struct graph *graph)
{
	free(graph->rows);
	memset(graph, 0, sizeof(*graph));
}
