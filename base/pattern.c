/* pattern.c - see pattern.h. */
#include "base/pattern.h"

#include <inttypes.h>

enum place { P_NONE, P_ITEM, P_INDEX, P_KEY, P_JOB, P_ATTEMPT };

/* Which placeholder begins at p, and its length. */
static enum place placeholder(const char *p, size_t n, size_t *len)
{
	static const struct {
		const char *text;
		enum place place;
	} all[] = {
		{"{item}", P_ITEM}, {"{index}", P_INDEX}, {"{key}", P_KEY}, {"{job}", P_JOB}, {"{attempt}", P_ATTEMPT}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		*len = strlen(all[i].text);
		if (*len <= n && memcmp(p, all[i].text, *len) == 0)
			return all[i].place;
	}
	return P_NONE;
}

static void write_value(struct buf *out, enum place place, const struct pattern_values *v)
{
	switch (place) {
	case P_ITEM:
		buf_append(out, v->item.p, v->item.n);
		break;
	case P_INDEX:
		buf_printf(out, "%" PRIu64, v->index);
		break;
	case P_KEY:
		buf_append(out, v->key.p, v->key.n);
		break;
	case P_JOB:
		buf_printf(out, "%" PRIu64, v->job);
		break;
	case P_ATTEMPT:
		if (v->no_attempt)
			buf_append_str(out, "{attempt}");
		else
			buf_printf(out, "%" PRIu64, v->attempt);
		break;
	case P_NONE:
		break;
	}
}

void pattern_write(struct buf *out, struct slice text, const struct pattern_values *v)
{
	while (text.n > 0) {
		const char *brace = memchr(text.p, '{', text.n);
		size_t used = brace == NULL ? text.n : (size_t)(brace - text.p);
		enum place place;

		buf_append(out, text.p, used);
		if (brace != NULL) {
			place = placeholder(brace, text.n - used, &used);
			if (place == P_NONE) {
				buf_append_byte(out, '{');
				used = 1;
			}
			write_value(out, place, v);
			used += (size_t)(brace - text.p);
		}
		text.p += used;
		text.n -= used;
	}
}

static int has(const char *text, enum place from, enum place to)
{
	size_t len;

	for (; (text = strchr(text, '{')) != NULL; text++) {
		enum place p = placeholder(text, strlen(text), &len);

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
