/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * graph.h - a tree of snapshots as lines of a picture
 *
 *	* base                   a snapshot
 *	|-* try-1                a branch off the snapshot above its lane
 *	| * try-2                goes on in the same lane: taken after try-1
 *	|-* other                a second branch off base
 *	* daily-1                goes on from base
 *	* daily-2 <- head
 *
 * The straight line is the one that leads to the head; elsewhere the one with
 * more snapshots.  So a long history costs no width, and n snapshots never
 * take more than log2(n) + 2 lanes.  Pure functions, O(n log n); whatever an
 * untrusted sender made of the parent links (loops included), each snapshot
 * is in the picture once.
 */
#ifndef CLI_GRAPH_H
#define CLI_GRAPH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/id.h"

struct snapshot;

#define GRAPH_GHOST ((size_t)-1)

struct graph_row {
	size_t node; /* index of the snapshot; GHOST: a parent not here */
	struct id id;
	unsigned lane; /* 0: leftmost */
	bool branch;   /* leaves the lane to its left */
	bool root;     /* nothing above it belongs to it */
};

struct graph {
	struct graph_row *rows;
	size_t n_rows;
};

int graph_draw(struct graph *ret, const struct snapshot *snaps, size_t n,
	       const struct id *head, struct err *err);
void graph_done(struct graph *graph);

#endif
