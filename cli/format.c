/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* format.c - values as text for people */
#include "cli/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/text.h"
#include "cli/when.h"

bool format_draws_utf8(const struct print *print)
{
	return print->utf8 && !print->config.ascii;
}

char *format_text(const struct print *print, const char *text)
{
	char *clean = text_clean(text, print->utf8);
	char *roomy = NULL;

	if (clean)
		roomy = realloc(clean, strlen(clean) + 1 + FORMAT_SPARE);
	if (!roomy)
		free(clean);
	return roomy;
}

static char *format_size(int64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes;
	size_t unit = 0;

	if (bytes < 0)
		return strdup("-");
	while (n >= 1024 && unit + 1 < sizeof(units) / sizeof(*units)) {
		n /= 1024;
		unit++;
	}
	return str_printf("%.*f %s", unit && n < 10 ? 1 : 0, n, units[unit]);
}

static char *format_id(const struct id *id, size_t length)
{
	char text[ID_TEXT];

	if (id_is_null(id))
		return strdup("-");
	id_format(id, text);
	return strndup(text, length);
}

/* "vda,vdb": the first field of each row. */
static char *format_rows(const struct value *value)
{
	char *all = strdup("");

	for (size_t i = 0; all && i < value->n_rows; i++) {
		const char *row = (const char *)value->rows +
				  i * value->kind->row_size;
		struct value first = { 0 };
		char *longer;

		value->kind->fields[0].get(row, &first);
		longer = str_printf("%s%s%s", all, i ? "," : "", first.text);
		free(all);
		all = longer;
	}
	return all;
}

static const char *bool_text(const struct field *field, int64_t number)
{
	if (number)
		return "yes";
	return field->flags & FIELD_RARE ? "" : "no";
}

char *format_field(const struct print *print, const struct field *field,
		   const void *row, size_t id_length)
{
	bool full = id_length >= ID_TEXT;
	struct value v = { 0 };
	char buf[WHEN_TEXT];
	char *text = NULL, *roomy;

	field->get(row, &v);
	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_WORDS:
		text = strdup(v.text);
		break;
	case FIELD_ID:
		text = format_id(&v.id, id_length);
		break;
	case FIELD_TIME:
		text = strdup(full ? when_full(v.number, buf)
				   : when_short(v.number, buf));
		break;
	case FIELD_AGE:
		text = strdup(when_age(v.number, print->now_ms, buf));
		break;
	case FIELD_SPAN:
		text = strdup(when_span(v.number, buf));
		break;
	case FIELD_SIZE:
		text = format_size(v.number);
		break;
	case FIELD_COUNT:
		text = str_printf("%" PRId64, v.number);
		break;
	case FIELD_BOOL:
		text = strdup(bool_text(field, v.number));
		break;
	case FIELD_ROWS:
		text = format_rows(&v);
		break;
	}
	roomy = text ? format_text(print, text) : NULL;
	free(text);
	return roomy;
}
