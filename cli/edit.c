/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* edit.c - what pin, unpin, label, tag and describe have in common */
#include "cli/edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/kinds.h"
#include "cli/option.h"
#include "cli/text.h"
#include "cli/verb.h"

#define SILENCE_MS (60 * 1000)

/* Of all that were asked for. */
struct edits {
	struct snapshot *snaps; /* as found, then as changed */
	bool *changed;
	int n;
};

static int refuse(struct cli *cli, int i, int r, struct err *err)
{
	char shown[128];

	return err_wrap(err, r, "cannot %s '%s'", cli->verb->name,
			str_show(shown, sizeof(shown), cli->operands[i]));
}

/* One question about `selector`, which is answered with one snapshot. */
static int ask_one(struct cli *cli, struct request *request,
		   const char *selector, struct snapshot *ret, char *ret_text,
		   size_t text_size, struct err *err)
{
	struct reply reply;
	int r;

	str_copy(request->snapshot, sizeof(request->snapshot), selector);
	r = ask(cli, request, SILENCE_MS, &reply, err);
	if (r == 0 && reply.n_snapshots != 1)
		r = err_set(err, ERR_PROTO, 0, "the answer has %zu snapshots",
			    reply.n_snapshots);
	if (r == 0) {
		snapshot_done(ret);
		*ret = reply.snapshots[0];
		reply.n_snapshots = 0;
		str_copy_cut(ret_text, text_size, reply.text);
	}
	reply_done(&reply);
	return r;
}

static int find(struct cli *cli, struct edits *edits, struct err *err)
{
	struct request request = { .kind = REQUEST_SHOW };
	char text[8];

	for (int i = 0; i < edits->n; i++) {
		int r;

		request.id = cli->request.id;
		r = ask_one(cli, &request, cli->operands[i], &edits->snaps[i],
			    text, sizeof(text), err);
		cli->request.id = request.id;
		if (r < 0)
			return refuse(cli, i, r, err);
	}
	return 0;
}

static const char *what_was_done(const struct request *request)
{
	switch (request->edit) {
	case EDIT_PIN:
		return "pinned";
	case EDIT_UNPIN:
		return "unpinned";
	case EDIT_LABEL:
		return request->label[0] ? "labelled" : "label removed";
	case EDIT_DESCRIPTION:
		return request->description[0] ? "described"
					       : "description removed";
	default:
		return "tags: ";
	}
}

static void put_line(struct cli *cli, const struct snapshot *snap, bool changed)
{
	bool is_tags = cli->request.edit & (EDIT_TAGS_ADD | EDIT_TAGS_REMOVE);
	const char *tags = snap->tags[0] ? snap->tags : "none";
	struct id id = snap->id;
	char text[ID_TEXT];

	id_format(&snap->id, text);
	text[text_id_length(&id, 1)] = '\0';
	print_line(cli->print, "%s  %s%s%s  %s%s", text, snap->domain_name,
		   snap->label[0] ? "@" : "", snap->label,
		   changed ? what_was_done(&cli->request) : "nothing to change",
		   changed && is_tags ? tags : "");
}

static int change(struct cli *cli, struct edits *edits, int i, struct err *err)
{
	char text[64], id[ID_TEXT];
	const char *selector = cli->operands[i];
	int r;

	/* Found before, it is called by the name that stays. */
	if (edits->n > 1)
		selector = id_format(&edits->snaps[i].id, id);
	r = ask_one(cli, &cli->request, selector, &edits->snaps[i], text,
		    sizeof(text), err);
	if (r < 0)
		return refuse(cli, i, r, err);
	edits->changed[i] = text[0] == '\0';
	put_line(cli, &edits->snaps[i], edits->changed[i]);
	return 0;
}

static int change_all(struct cli *cli, struct edits *edits, struct err *err)
{
	uint64_t n_changed = 0;
	int r = 0;

	cli->request.kind = REQUEST_EDIT;
	if (edits->n > 1)
		r = find(cli, edits, err);
	for (int i = 0; i < edits->n && r == 0; i++) {
		r = change(cli, edits, i, err);
		n_changed += edits->changed[i];
	}
	if (r == 0 && cli->config.json)
		print_table(cli->print, &kind_snapshots, edits->snaps,
			    (size_t)edits->n);
	if (r == 0)
		print_number(cli->print, "changed", n_changed);
	return r;
}

int edit_snapshots(struct cli *cli, int n, struct err *err)
{
	struct edits edits = { .n = n };
	char *to = cli->request.snapshot;
	int r;

	for (int i = 0; i < n; i++) {
		r = option_take_text(to, sizeof(cli->request.snapshot),
				     cli->operands[i], err);
		if (r < 0)
			return refuse(cli, i, r, err);
	}
	edits.snaps = calloc((size_t)n, sizeof(*edits.snaps));
	edits.changed = calloc((size_t)n, sizeof(*edits.changed));
	if (edits.snaps && edits.changed)
		r = change_all(cli, &edits, err);
	else
		r = err_set(err, ERR_NOMEM, 0, "out of memory");
	for (int i = 0; edits.snaps && i < n; i++)
		snapshot_done(&edits.snaps[i]);
	free(edits.snaps);
	free(edits.changed);
	return r;
}

int edit_take_text(struct cli *cli, char *dst, size_t size, const char *what,
		   struct err *err)
{
	const bool is_removed = cli->request.edit != 0;

	if (is_removed && cli->n_operands == 1)
		return 0;
	if (is_removed)
		return err_set(err, ERR_INVALID, 0,
			       "--remove and a new %s exclude each other",
			       what);
	if (cli->n_operands < 2)
		return err_set(err, ERR_INVALID, 0,
			       "'%s' needs the %s, or --remove "
			       "(see 'snaptree %s --help')",
			       cli->verb->name, what, cli->verb->name);
	return option_take_text(dst, size, cli->operands[1], err);
}
