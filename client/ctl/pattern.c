/* pattern.c - see pattern.h. */
#include "client/ctl/pattern.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

#define COUNT_MAX ((uint64_t)UINT32_MAX - 1)

static sc_err read_part(const char *p, size_t n, uint64_t *out)
{
	char text[24];

	if (n == 0 || n >= sizeof(text))
		return SC_INVALID;
	memcpy(text, p, n);
	text[n] = '\0';
	return text_u64(text, out);
}

sc_err range_parse(const char *text, struct range *out)
{
	size_t first = strcspn(text, "-:"), last = 0;
	struct range r = {.step = 1};
	uint64_t end;

	if (read_part(text, first, &r.first) != SC_OK)
		return SC_INVALID;
	end = r.first;
	text += first;
	if (*text == '-') {
		text++;
		last = strcspn(text, ":");
		if (read_part(text, last, &end) != SC_OK)
			return SC_INVALID;
		text += last;
		if (*text == ':' && (text_u64(text + 1, &r.step) != SC_OK || r.step == 0))
			return SC_INVALID;
	} else if (*text != '\0') {
		return SC_INVALID;
	}
	if (end < r.first || (end - r.first) / r.step >= COUNT_MAX)
		return SC_INVALID;
	r.count = (end - r.first) / r.step + 1;
	*out = r;
	return SC_OK;
}

enum place { P_NONE, P_ITEM, P_INDEX, P_KEY, P_JOB, P_ATTEMPT };

/* Which placeholder begins at p, and its length. */
static enum place placeholder(const char *p, size_t *len)
{
	static const struct {
		const char *text;
		enum place place;
	} all[] = {
		{"{item}", P_ITEM}, {"{index}", P_INDEX}, {"{key}", P_KEY}, {"{job}", P_JOB}, {"{attempt}", P_ATTEMPT}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		*len = strlen(all[i].text);
		if (strncmp(p, all[i].text, *len) == 0)
			return all[i].place;
	}
	return P_NONE;
}

void pattern_write(struct buf *out, const char *text, const struct pattern_values *v)
{
	size_t len;

	while (*text != '\0') {
		switch (*text == '{' ? placeholder(text, &len) : P_NONE) {
		case P_ITEM:
			buf_append(out, v->item, v->item_bytes);
			break;
		case P_INDEX:
			buf_printf(out, "%" PRIu64, v->index);
			break;
		case P_KEY:
			buf_append_str(out, v->key);
			break;
		case P_JOB:
			buf_printf(out, "%" PRIu64, v->job);
			break;
		case P_ATTEMPT: /* means something only where the task runs */
		case P_NONE:
			len = 1;
			buf_append_byte(out, (uint8_t)*text);
			break;
		}
		text += len;
	}
}

static int has(const char *text, enum place from, enum place to)
{
	size_t len;

	for (; (text = strchr(text, '{')) != NULL; text++) {
		enum place p = placeholder(text, &len);

		if (p >= from && p <= to)
			return 1;
	}
	return 0;
}

int pattern_varies(const char *text)
{
	return has(text, P_ITEM, P_KEY);
}

int pattern_is(const char *text)
{
	return has(text, P_ITEM, P_ATTEMPT);
}
