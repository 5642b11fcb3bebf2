/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_tree.c - snaptree tree: the snapshots of a VM as a picture */
#include <stdlib.h>

#include "base/str.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/kinds.h"
#include "cli/verb.h"

/* Every tree is there before the first is printed. */
struct forest {
	struct vm_row *vms;
	struct reply *replies; /* replies[i]: the snapshots of vms[i] */
	size_t n;
};

static void forest_done(struct forest *forest)
{
	for (size_t i = 0; forest->replies && i < forest->n; i++)
		reply_done(&forest->replies[i]);
	free(forest->replies);
	free(forest->vms);
}

static int ask_tree(struct cli *cli, const char *vm, struct reply *ret,
		    struct err *err)
{
	cli->request.kind = REQUEST_TREE;
	str_copy(cli->request.vm, sizeof(cli->request.vm), vm);
	return ask(cli, &cli->request, ASK_QUERY_MS, ret, err);
}

/* What the answer itself says of the VM is of the same instant as the
 * snapshots; `known` is from before. */
static void take_vm(struct vm_row *ret, const struct vm_row *known,
		    const struct reply *reply)
{
	if (reply->n_vms > 0) {
		*ret = reply->vms[0];
	} else if (known) {
		*ret = *known;
	} else if (reply->n_snapshots > 0) {
		ret->domain = reply->snapshots[0].domain;
		str_copy(ret->name, sizeof(ret->name),
			 reply->snapshots[0].domain_name);
	}
}

static int get_one(struct cli *cli, struct forest *forest, const char *selector,
		   const struct vm_row *known, struct err *err)
{
	struct reply *reply = &forest->replies[forest->n];
	int r = ask_tree(cli, selector, reply, err);

	if (r < 0) {
		reply_done(reply);
		return r;
	}
	take_vm(&forest->vms[forest->n], known, reply);
	forest->n++;
	return 0;
}

static int forest_init(struct forest *forest, size_t n, struct err *err)
{
	forest->vms = calloc(n + 1, sizeof(*forest->vms));
	forest->replies = calloc(n + 1, sizeof(*forest->replies));
	if (!forest->vms || !forest->replies)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	return 0;
}

static int get_all(struct cli *cli, struct forest *forest, struct err *err)
{
	struct reply vms;
	char uuid[ID_TEXT];
	int r;

	cli->request.kind = REQUEST_VMS;
	r = ask(cli, &cli->request, ASK_QUERY_MS, &vms, err);
	if (r == 0)
		r = forest_init(forest, vms.n_vms, err);
	for (size_t i = 0; r == 0 && i < vms.n_vms; i++) {
		/* By UUID: VMs of two hosts may have one name. */
		r = get_one(cli, forest, id_format(&vms.vms[i].domain, uuid),
			    &vms.vms[i], err);
		/* It may have gone since it was listed. */
		if (r == -ERR_ABSENT && !cli->unreachable)
			r = 0;
	}
	reply_done(&vms);
	return r;
}

static void put_forest(struct cli *cli, const struct forest *forest)
{
	for (size_t i = 0; i < forest->n; i++)
		print_tree(cli->print, &forest->vms[i],
			   forest->replies[i].snapshots,
			   forest->replies[i].n_snapshots);
	if (forest->n == 0)
		print_tree(cli->print, NULL, NULL, 0);
}

static int run(struct cli *cli, struct err *err)
{
	struct forest forest = { 0 };
	int r;

	if (cli->n_operands > 0) {
		r = cli_take_vm(cli, 0, err);
		if (r == 0)
			r = forest_init(&forest, 1, err);
		if (r == 0)
			r = get_one(cli, &forest, cli->operands[0], NULL, err);
	} else {
		r = get_all(cli, &forest, err);
	}
	if (r == 0)
		put_forest(cli, &forest);
	else if (cli->n_operands > 0)
		err_wrap(err, r, "cannot show the tree of '%s'",
			 cli->request.vm);
	else
		err_wrap(err, r, "cannot show the trees");
	forest_done(&forest);
	return r;
}

const struct verb cmd_tree = {
	.name = "tree",
	.operands = "[VM]",
	.max_operands = 1,
	.summary = "show the snapshots of a VM, or of all VMs, as a tree",
	.text = "Shows which snapshot was taken on top of which, oldest first, and which one\n"
		"the VM's disks now derive from (the head):\n"
		"\n"
		"  * base                one snapshot\n"
		"  |-* try-1             a branch: the VM had gone back to 'base'\n"
		"  | * try-2             taken on top of try-1\n"
		"  * daily-1             taken on top of base\n"
		"  * daily-2 <- head     taken on top of daily-1; the next one comes here\n"
		"\n"
		"An empty line stands before another root, and a question mark for a parent\n"
		"that is not known here. Ids are as short as they can be; every command takes\n"
		"them so. A narrow terminal shows fewer columns; --output chooses them.\n",
	.examples = "  snaptree tree web-1\n"
		    "  snaptree --collector tcp://centre:7711 tree\n"
		    "  snaptree tree web-1 -o id,label,tags,description\n"
		    "  snaptree tree web-1 --json | jq '.trees[0].head'\n",
	.kind = &kind_tree,
	.run = run,
};
