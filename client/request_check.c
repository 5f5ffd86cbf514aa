/* request_check.c - see request_check.h. */
#include "client/request_check.h"

#include <string.h>

#include "base/slice.h"
#include "base/text.h"
#include "client/client.h"

#define RESOURCES_IN_ONE 32u
#define ALTERNATIVES_MAX 4u
#define EXPECTED	 "NAME=AMOUNT, label:KEY=VALUE or prefer:KEY=VALUE is expected"

/* The resources an alternative has named so far. */
struct seen {
	struct slice v[RESOURCES_IN_ONE];
	size_t n;
};

static sc_err check_amount(const char *group, struct slice name, struct slice amount)
{
	int is_memory = slice_is(name, "memory");
	char text[32];
	uint64_t value;

	if (amount.n < sizeof(text)) {
		memcpy(text, amount.p, amount.n);
		text[amount.n] = '\0';
		if ((is_memory ? text_bytes(text, &value) : text_amount(text, &value)) == SC_OK)
			return SC_OK;
	}
	return client_error(SC_INVALID, "group %s: '%.*s' is not an amount of %.*s; %s", group, (int)amount.n, amount.p,
			    (int)name.n, name.p,
			    is_memory ? "a size is expected, like 512MiB or 2GiB"
				      : "a number with at most four decimals is expected, like 1 or 0.5");
}

static sc_err check_part(const char *group, struct slice part, struct seen *seen)
{
	size_t skip = part.n > 6 && memcmp(part.p, "label:", 6) == 0	? 6
		      : part.n > 7 && memcmp(part.p, "prefer:", 7) == 0 ? 7
									: 0;
	const char *eq = part.n > 0 ? memchr(part.p, '=', part.n) : NULL;
	struct slice name;

	if (eq == NULL || !text_is_name(part.p + skip, (size_t)(eq - part.p) - skip))
		return client_error(SC_INVALID, "group %s: resources '%.*s': " EXPECTED, group, (int)part.n, part.p);
	if (skip > 0)
		return SC_OK;
	name = (struct slice){part.p, (size_t)(eq - part.p)};
	for (size_t i = 0; i < seen->n; i++)
		if (slice_equal(seen->v[i], name))
			return client_error(SC_INVALID, "group %s: resource %.*s is named twice", group, (int)name.n,
					    name.p);
	if (seen->n == RESOURCES_IN_ONE)
		return client_error(SC_LIMIT, "group %s: at most %u resources", group, RESOURCES_IN_ONE);
	seen->v[seen->n++] = name;
	return check_amount(group, name, (struct slice){eq + 1, part.n - name.n - 1});
}

sc_err request_check(const char *group, const char *text)
{
	struct seen seen = {.n = 0};
	unsigned n = 1;
	sc_err err = SC_OK;

	while (err == SC_OK && *text != '\0') {
		size_t len = strcspn(text, ",|");

		err = check_part(group, (struct slice){text, len}, &seen);
		text += len;
		if (*text == '|') {
			seen.n = 0;
			n++;
			if (text[1] == '\0' && err == SC_OK)
				err = client_error(SC_INVALID, "group %s: the last alternative is empty", group);
		}
		text += *text != '\0';
	}
	if (err == SC_OK && n > ALTERNATIVES_MAX)
		return client_error(SC_LIMIT, "group %s: at most %u alternatives, not %u", group, ALTERNATIVES_MAX, n);
	return err;
}
