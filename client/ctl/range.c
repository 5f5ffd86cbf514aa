/* range.c - see range.h. */
#include "client/ctl/range.h"

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
