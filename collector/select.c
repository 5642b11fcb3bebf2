/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* select.c - what a person wrote -> the host, VM or snapshot that is meant */
#include "collector/select.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "proto/codec.h"

#define SHOWN 8
#define SHORT_MIN 8 /* characters of a UUID in a list of candidates */

struct fit {
	struct id id;
	char what[48]; /* tells it from the others */
};

/* What fits so far; `n` counts all, only the first SHOWN are kept. */
struct fits {
	unsigned n;
	struct fit list[SHOWN];
};

static void add_fit(struct fits *fits, const struct id *id, const char *what)
{
	unsigned n = fits->n++;

	if (n >= SHOWN)
		return;
	fits->list[n].id = *id;
	str_copy_cut(fits->list[n].what, sizeof(fits->list[n].what), what);
}

/* How many characters tell the candidates apart: version 7 UUIDs of one day
 * begin alike. */
static int short_length(const struct fits *fits, unsigned n)
{
	char a[ID_TEXT], b[ID_TEXT];
	int len = SHORT_MIN;

	for (unsigned i = 1; i < n; i++) {
		for (unsigned k = 0; k < i; k++) {
			id_format(&fits->list[i].id, a);
			id_format(&fits->list[k].id, b);
			while (len < ID_TEXT - 1 &&
			       strncmp(a, b, (size_t)len) == 0)
				len++;
		}
	}
	return len;
}

static void list_fits(const struct fits *fits, char *buf, size_t size)
{
	unsigned n = fits->n < SHOWN ? fits->n : SHOWN;
	int len = short_length(fits, n);
	char one[ID_TEXT + 64], text[ID_TEXT];
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		const char *what = fits->list[i].what;

		snprintf(one, sizeof(one), "%s%.*s%s%s", i ? ", " : "", len,
			 id_format(&fits->list[i].id, text), what[0] ? " " : "",
			 what);
		/* Whole ones only, with room for the dots. */
		if (used + strlen(one) + sizeof(", ...") > size)
			break;
		memcpy(buf + used, one, strlen(one) + 1);
		used += strlen(one);
		if (i + 1 == fits->n)
			return;
	}
	memcpy(buf + used, ", ...", sizeof(", ..."));
}

/* 0 when exactly one fits. */
static int judge(const struct fits *fits, const char *noun, const char *text,
		 struct err *err)
{
	char shown[64], list[176];

	str_show(shown, sizeof(shown), text);
	if (fits->n == 1)
		return 0;
	if (fits->n == 0)
		return err_set(err, ERR_ABSENT, 0,
			       "the collector knows no %s '%s'", noun, shown);
	list_fits(fits, list, sizeof(list));
	return err_set(err, ERR_INVALID, 0, "'%s' fits %u %ss: %s", shown,
		       fits->n, noun, list);
}

static unsigned digit_value(char c)
{
	return (unsigned)(isdigit((unsigned char)c) ? c - '0'
						    : (c | 0x20) - 'a' + 10);
}

/* All ids with this prefix are between the two. */
static bool prefix_range(const char *text, struct id *low, struct id *high)
{
	unsigned n = 0;

	if (!id_is_prefix_text(text))
		return false;
	memset(low->b, 0, sizeof(low->b));
	memset(high->b, 0xff, sizeof(high->b));
	for (const char *p = text; *p; p++) {
		unsigned shift = n % 2 ? 0 : 4;

		if (*p == '-')
			continue;
		low->b[n / 2] |= (uint8_t)(digit_value(*p) << shift);
		high->b[n / 2] &= (uint8_t) ~((0xf ^ digit_value(*p)) << shift);
		n++;
	}
	return true;
}

/* --- VMs ----------------------------------------------------------------- */

struct vm_pick {
	struct fits fits, gone;
	struct store_vm vm, gone_vm; /* the first of each */
};

static bool pick_vm(void *arg, const struct store_vm *vm)
{
	struct vm_pick *pick = arg;
	struct fits *fits = vm->gone ? &pick->gone : &pick->fits;
	char what[2 * DOMAIN_NAME + 8];

	if (fits->n == 0)
		*(vm->gone ? &pick->gone_vm : &pick->vm) = *vm;
	snprintf(what, sizeof(what), "%s on %s", vm->row.name,
		 vm->row.host_name);
	add_fit(fits, &vm->row.domain, what);
	return true;
}

int select_vm(struct store *store, const char *text, struct store_vm *ret,
	      struct err *err)
{
	struct vm_pick pick = { 0 };
	struct id low, high;
	int r = store_vms_named(store, text, pick_vm, &pick, err);

	if (r == 0 && pick.fits.n + pick.gone.n == 0 &&
	    prefix_range(text, &low, &high))
		r = store_vms_between(store, &low, &high, pick_vm, &pick, err);
	if (r < 0)
		return r;
	if (pick.fits.n == 0) {
		pick.fits = pick.gone;
		pick.vm = pick.gone_vm;
	}
	r = judge(&pick.fits, "VM", text, err);
	if (r == 0)
		*ret = pick.vm;
	return r;
}

/* --- hosts ---------------------------------------------------------------- */

struct host_pick {
	const char *text;
	struct fits named, fits;
	struct store_host by_name, by_id;
};

static bool pick_host(void *arg, const struct store_host *host)
{
	struct host_pick *pick = arg;

	if (strcmp(host->row.name, pick->text) == 0) {
		if (pick->named.n == 0)
			pick->by_name = *host;
		add_fit(&pick->named, &host->row.host, host->row.name);
	} else if (id_has_prefix(&host->row.host, pick->text)) {
		if (pick->fits.n == 0)
			pick->by_id = *host;
		add_fit(&pick->fits, &host->row.host, host->row.name);
	}
	return true;
}

int select_host(struct store *store, const char *text, struct store_host *ret,
		struct err *err)
{
	struct host_pick pick = { .text = text };
	int r = store_all_hosts(store, pick_host, &pick, err);

	if (r < 0)
		return r;
	if (pick.named.n > 0) {
		pick.fits = pick.named;
		pick.by_id = pick.by_name;
	}
	r = judge(&pick.fits, "host", text, err);
	if (r == 0)
		*ret = pick.by_id;
	return r;
}

/* --- snapshots ------------------------------------------------------------ */

struct snapshot_pick {
	const char *label; /* NULL: all */
	struct fits fits;
	int64_t record; /* row of the first */
	int64_t vm;
};

static bool pick_record(void *arg, const struct store_record *record)
{
	struct snapshot_pick *pick = arg;
	struct snapshot snap = { 0 };

	if (codec_unpack_snapshot(record->body, record->size, &snap, NULL) < 0)
		return true;
	if (!pick->label || strcmp(snap.label, pick->label) == 0) {
		if (pick->fits.n == 0) {
			pick->record = record->record;
			pick->vm = record->vm;
		}
		add_fit(&pick->fits, &snap.id,
			pick->label ? "" : snap.domain_name);
	}
	snapshot_done(&snap);
	/* A short prefix may fit millions. */
	return pick->label || pick->fits.n <= SHOWN;
}

static int find_head(struct store *store, const struct store_vm *vm,
		     struct snapshot_pick *pick, struct err *err)
{
	const struct id *head = &vm->row.head;
	int r;

	if (id_is_null(head))
		return err_set(err, ERR_ABSENT, 0,
			       "VM '%.60s' has no snapshot yet", vm->row.name);
	r = store_records_between(store, head, head, pick_record, pick, err);
	if (r == 0 && pick->fits.n == 0)
		return err_set(
			err, ERR_ABSENT, 0,
			"the head of VM '%.60s' is not known to the collector",
			vm->row.name);
	return r;
}

static int find_at(struct store *store, const char *text, const char *at,
		   struct snapshot_pick *pick, struct err *err)
{
	char name[MESSAGE_SELECTOR];
	struct store_vm vm;
	int r;

	str_copy(name, sizeof(name), text);
	name[at - text] = '\0';
	r = select_vm(store, name, &vm, err);
	if (r < 0)
		return r;
	if (strcmp(at + 1, "head") == 0)
		return find_head(store, &vm, pick, err);
	pick->label = at + 1;
	r = store_tree(store, vm.vm, pick_record, pick, err);
	return r < 0 ? r : judge(&pick->fits, "snapshot", text, err);
}

static int find_id(struct store *store, const char *text,
		   struct snapshot_pick *pick, struct err *err)
{
	char shown[64];
	struct id low, high;
	int r;

	if (!prefix_range(text, &low, &high))
		return err_set(
			err, ERR_INVALID, 0,
			"'%s' is neither VM@LABEL nor a UUID or at least 4 digits of one",
			str_show(shown, sizeof(shown), text));
	r = store_records_between(store, &low, &high, pick_record, pick, err);
	return r < 0 ? r : judge(&pick->fits, "snapshot", text, err);
}

int select_snapshot(struct store *store, const char *text, struct snapshot *ret,
		    struct store_vm *ret_vm, struct err *err)
{
	struct snapshot_pick pick = { 0 };
	/* A VM's name may have an '@', a label not. */
	const char *at = strrchr(text, '@');
	int r = at && at[1] ? find_at(store, text, at, &pick, err)
			    : find_id(store, text, &pick, err);

	if (r == 0)
		r = store_get_vm(store, pick.vm, ret_vm, err);
	if (r == 0)
		r = store_get_snapshot(store, pick.record, ret, NULL, err);
	return r;
}
