/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_create.c - snaptree create: ask the agent for a snapshot */
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/kinds.h"
#include "cli/option.h"
#include "cli/text.h"
#include "cli/verb.h"
#include "cli/when.h"

/* The agent tells of each step; between two of them it may copy no data, so
 * this much silence means that it hangs. */
#define SILENCE_MS (5 * 60 * 1000)

#define WORD(name, wire, word) " " word

static int set_label(struct cli *cli, const char *value, struct err *err)
{
	int r = snapshot_check_label(value, err);

	if (r < 0)
		return r;
	return option_take_text(cli->request.label, sizeof(cli->request.label),
				value, err);
}

static int set_description(struct cli *cli, const char *value, struct err *err)
{
	int r = snapshot_check_description(value, err);

	if (r < 0)
		return r;
	return option_take_text(cli->request.description,
				sizeof(cli->request.description), value, err);
}

/* One more word of a list with single spaces between. */
static int append(char *list, size_t size, const char *word, struct err *err)
{
	size_t n = strlen(list);

	if (!word[0] || strchr(word, ' ') || !str_is_clean(word))
		return err_set(err, ERR_INVALID, 0,
			       "the value is not one word");
	if (n + 1 + strlen(word) + 1 > size)
		return err_set(err, ERR_INVALID, 0,
			       "together they are longer than %zu bytes",
			       size - 1);
	if (n > 0)
		list[n++] = ' ';
	strcpy(list + n, word);
	return 0;
}

static int add_tag(struct cli *cli, const char *value, struct err *err)
{
	int r = snapshot_check_tags(value, err);

	if (r < 0)
		return r;
	return append(cli->request.tags, sizeof(cli->request.tags), value, err);
}

static int add_disk(struct cli *cli, const char *value, struct err *err)
{
	if (strlen(value) >= DISK_TARGET)
		return err_set(err, ERR_INVALID, 0,
			       "no disk's target is that long");
	return append(cli->request.disks, sizeof(cli->request.disks), value,
		      err);
}

static int set_freeze(struct cli *cli, const char *value, struct err *err)
{
	cli->request.freeze = freeze_from_word(value);
	if (cli->request.freeze)
		return 0;
	return option_refuse_word(value, &FREEZES(WORD)[1], err);
}

static int set_max_frozen(struct cli *cli, const char *value, struct err *err)
{
	return when_parse_span(value, &cli->request.max_frozen_ms, err);
}

static const struct verb_option options[] = {
	{ "label", 'l', "LABEL", "a name to find it by: VM@LABEL", set_label },
	{ "description", 'd', "TEXT", "what it is for", set_description },
	{ "tag", 't', "TAG", "a word to group by; may be repeated", add_tag },
	{ "disk", 0, "TARGET", "only this disk (vda); may be repeated",
	  add_disk },
	{ "freeze", 0, "HOW", "require, prefer or never", set_freeze },
	{ "max-frozen", 0, "SPAN", "longest time the guest may stand still",
	  set_max_frozen },
	{ 0 },
};

static void put_line(struct cli *cli, const struct snapshot *snap)
{
	bool frozen = snap->consistency == CONSISTENCY_FROZEN;
	char text[ID_TEXT], span[WHEN_TEXT];
	struct id id = snap->id;

	id_format(&snap->id, text);
	text[text_id_length(&id, 1)] = '\0';
	if (snap->frozen_ms < 0)
		print_line(cli->print, "%s%s%s  %s", text,
			   snap->label[0] ? "  " : "", snap->label,
			   consistency_word(snap->consistency));
	else
		print_line(cli->print, "%s%s%s  %s%s for %s", text,
			   snap->label[0] ? "  " : "", snap->label,
			   consistency_word(snap->consistency),
			   frozen ? "" : ", guest stood still",
			   when_span(snap->frozen_ms, span));
}

static int show_made(struct cli *cli, const struct reply *reply,
		     struct err *err)
{
	const struct snapshot *snap = reply->snapshots;

	if (reply->n_snapshots != 1)
		return err_set(err, ERR_PROTO, 0,
			       "the agent's answer has no snapshot");
	if (cli->config.json)
		print_record(cli->print, &kind_snapshots, snap);
	else
		put_line(cli, snap);
	ask_note(snap->note);
	if (strcmp(reply->text, snap->note) != 0)
		ask_note(reply->text);
	return 0;
}

static int run(struct cli *cli, struct err *err)
{
	struct reply reply;
	char op[ID_TEXT];
	int r = cli_take_vm(cli, 0, err);

	if (r < 0)
		return r;
	cli->request.kind = REQUEST_CREATE;
	cli->request.op = id_new_v7(clock_wall_ms());
	interrupt_say("operation %s goes on in the agent "
		      "(see 'snaptree events --vm %s')",
		      id_format(&cli->request.op, op), cli->request.vm);
	r = ask(cli, &cli->request, SILENCE_MS, &reply, err);
	if (r == 0)
		r = show_made(cli, &reply, err);
	if (r < 0)
		err_wrap(err, r, "cannot snapshot '%s'", cli->request.vm);
	reply_done(&reply);
	return r;
}

const struct verb cmd_create = {
	.name = "create",
	.operands = "VM",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "take a snapshot of a VM on this host",
	.text = "Takes a snapshot of all writable disks of the VM at one instant. It becomes\n"
		"a child of the head of the VM's tree, and the new head.\n"
		"\n"
		"While the VM runs, its file systems are frozen through the guest agent for\n"
		"the moment of the cut, so that the snapshot is clean. --freeze says what to\n"
		"do when that cannot be: with 'require' there is no snapshot, with 'prefer'\n"
		"one as after a power cut, and a note that says why; with 'never' the guest\n"
		"is not asked. Without the option the agent's configuration decides.\n"
		"\n"
		"Prints the snapshot's id, label, consistency and how long the guest stood\n"
		"still. Ctrl-C only stops the waiting: the operation goes on in the agent.\n",
	.examples =
		"  snaptree create web-1\n"
		"  snaptree create web-1 --label before-upgrade --tag release --freeze require\n"
		"  snaptree create db-1 --disk vdb --max-frozen 2s --json\n",
	.options = options,
	.agent_only = true,
	.run = run,
};
