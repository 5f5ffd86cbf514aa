/* pattern.c - see pattern.h.  Two passes over the text: measure, then write. */
#include "worker/pattern.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct numbers {
	char index[24], job[24], attempt[24];
};

/* Whether a placeholder begins at p; *value is then what it stands for. */
static size_t placeholder(const char *p, size_t n, const struct pattern_values *v, const struct numbers *numbers,
			  struct slice *value)
{
	const struct {
		const char *name;
		struct slice value;
	} known[] = {
		{"{item}", v->item},
		{"{index}", slice_of(numbers->index)},
		{"{key}", v->key},
		{"{job}", slice_of(numbers->job)},
		{"{attempt}", slice_of(numbers->attempt)},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t len = strlen(known[i].name);

		if (len <= n && memcmp(p, known[i].name, len) == 0) {
			*value = known[i].value;
			return len;
		}
	}
	return 0;
}

static size_t expand_to(char *out, struct slice text, const struct pattern_values *v, const struct numbers *numbers)
{
	size_t at = 0, n = 0;

	while (at < text.n) {
		struct slice piece = {text.p + at, 1};
		const char *brace = memchr(text.p + at, '{', text.n - at);
		size_t used = 1;

		if (brace == NULL) {
			piece.n = used = text.n - at;
		} else if (brace > text.p + at) {
			piece.n = used = (size_t)(brace - (text.p + at));
		} else {
			used = placeholder(brace, text.n - at, v, numbers, &piece);
			if (used == 0)
				used = 1;
		}
		if (out != NULL && piece.n > 0)
			memcpy(out + n, piece.p, piece.n);
		n += piece.n;
		at += used;
		if (n > PATTERN_MAX_BYTES)
			return n;
	}
	return n;
}

char *pattern_expand(struct arena *a, struct slice text, const struct pattern_values *v, size_t *n_bytes)
{
	struct numbers numbers;
	size_t n;
	char *out;

	if (n_bytes != NULL)
		*n_bytes = text.n;
	if (text.n == 0 || memchr(text.p, '{', text.n) == NULL)
		return arena_copy(a, text.p, text.n);
	snprintf(numbers.index, sizeof(numbers.index), "%" PRIu64, v->index);
	snprintf(numbers.job, sizeof(numbers.job), "%" PRIu64, v->job);
	snprintf(numbers.attempt, sizeof(numbers.attempt), "%" PRIu64, v->attempt);
	n = expand_to(NULL, text, v, &numbers);
	if (n > PATTERN_MAX_BYTES) {
		a->failed = 1;
		return NULL;
	}
	out = arena_alloc(a, n + 1);
	if (out == NULL)
		return NULL;
	expand_to(out, text, v, &numbers);
	out[n] = '\0';
	if (n_bytes != NULL)
		*n_bytes = n;
	return out;
}
