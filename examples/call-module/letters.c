/*
 * letters.c - a module for `call` tasks: how often each letter occurs in many files.
 *
 * count_letters counts one file and gives back 26 numbers as they are in memory; sum_letters takes the results of any
 * number of these as inputs and writes a table.  Both run inside workers, in processes that live from call to call.
 */
#include <sched_task.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LETTERS 26

sc_task_fn count_letters, sum_letters;

/* One argument: the path of a file. */
int count_letters(sc_task *t)
{
	uint64_t counts[LETTERS] = {0};
	const char *path = sc_task_arg(t, 0, NULL);
	FILE *f;
	int c;

	if (path == NULL)
		return sc_task_fail(t, "the path of a file is expected as argument");
	f = fopen(path, "r");
	if (f == NULL)
		return sc_task_fail(t, "cannot read %s: %s", path, strerror(errno));
	while ((c = getc_unlocked(f)) != EOF)
		if (isascii(c) && isalpha(c))
			counts[tolower(c) - 'a']++;
	if (ferror(f)) {
		fclose(f);
		return sc_task_fail(t, "cannot read %s", path);
	}
	fclose(f);
	return sc_task_set_result(t, counts, sizeof(counts));
}

/* Inputs: results of count_letters. */
int sum_letters(sc_task *t)
{
	uint64_t sums[LETTERS] = {0}, one[LETTERS];
	char table[LETTERS * 32];
	size_t used = 0, n;

	for (size_t i = 0; i < sc_task_n_inputs(t); i++) {
		const void *p = sc_task_input(t, i, &n);

		if (p == NULL || n != sizeof(one))
			return sc_task_fail(t, "%s is not a result of count_letters", sc_task_input_key(t, i));
		memcpy(one, p, sizeof(one));
		for (int k = 0; k < LETTERS; k++)
			sums[k] += one[k];
	}
	for (int k = 0; k < LETTERS; k++)
		used += (size_t)snprintf(table + used, sizeof(table) - used, "%c %" PRIu64 "\n", 'a' + k, sums[k]);
	return sc_task_set_result(t, table, used);
}
