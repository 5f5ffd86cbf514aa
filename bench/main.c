/* main.c - sched-bench SCENARIO [--parameter VALUE]... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "bench/bench.h"

#define EXIT_USAGE 2

static struct scenario *const scenarios[] = {&scenario_latency,	 &scenario_exec, &scenario_noop, &scenario_array,
					     &scenario_call,	 &scenario_info, &scenario_sim,	 &scenario_graph,
					     &scenario_transfer, &scenario_round};

#define N_SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

static void print_param(FILE *out, const struct param *p)
{
	fprintf(out, "    --%-14s %s", p->name, p->help);
	if (p->kind == PARAM_TEXT)
		fprintf(out, " [%s]\n", p->text);
	else if (p->kind == PARAM_FLAG)
		fprintf(out, "\n");
	else
		fprintf(out, " [%llu%s]\n", (unsigned long long)p->value, p->kind == PARAM_DURATION ? "ms" : "");
}

static void print_help(FILE *out)
{
	fprintf(out, "usage: sched-bench SCENARIO [--PARAMETER VALUE]...\n\n"
		     "Measures, against real processes it starts and stops itself.  Each result is a JSON object on a "
		     "line of\n"
		     "its own: bench, metric, value, unit, params.\n");
	for (size_t i = 0; i < N_SCENARIOS; i++) {
		fprintf(out, "\n  %-10s %s\n", scenarios[i]->name, scenarios[i]->help);
		for (const struct param *p = scenarios[i]->params; p->name != NULL; p++)
			print_param(out, p);
	}
}

static struct scenario *find_scenario(const char *name)
{
	for (size_t i = 0; i < N_SCENARIOS; i++)
		if (strcmp(scenarios[i]->name, name) == 0)
			return scenarios[i];
	return NULL;
}

static struct param *find_param(struct scenario *s, const char *name)
{
	for (struct param *p = s->params; p->name != NULL; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static const struct param *known_param(const struct scenario *s, const char *name)
{
	for (const struct param *p = s->params; p->name != NULL; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	abort(); /* our own misspelling */
}

uint64_t param(const struct scenario *s, const char *name)
{
	return known_param(s, name)->value;
}

const char *param_text(const struct scenario *s, const char *name)
{
	return known_param(s, name)->text;
}

static sc_err parse_value(struct param *p, const char *text)
{
	uint64_t us;

	if (p->kind == PARAM_COUNT)
		return text_u64(text, &p->value);
	if (p->kind == PARAM_TEXT) {
		p->text = text;
		return SC_OK;
	}
	if (text_duration_us(text, &us) != SC_OK || us == UINT64_MAX || us < US_PER_MS)
		return SC_INVALID;
	p->value = us / US_PER_MS;
	return SC_OK;
}

static const char *const expected[] = {
	[PARAM_COUNT] = "a whole number",
	[PARAM_DURATION] = "a duration of at least 1ms, like 2s or 500ms",
	[PARAM_TEXT] = "a text",
};

static int parse_params(struct scenario *s, int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		struct param *p = strncmp(argv[i], "--", 2) == 0 ? find_param(s, argv[i] + 2) : NULL;

		if (p == NULL) {
			fprintf(stderr, "sched-bench: %s has no parameter '%s'; see 'sched-bench --help'\n", s->name,
				argv[i]);
			return EXIT_USAGE;
		}
		if (p->kind == PARAM_FLAG) {
			p->value = 1;
			continue;
		}
		if (++i == argc || parse_value(p, argv[i]) != SC_OK) {
			fprintf(stderr, "sched-bench: --%s needs %s\n", p->name, expected[p->kind]);
			return EXIT_USAGE;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct scenario *s;
	int status;

	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_USAGE : 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("sched-bench %s\n", SC_CLIENT_VERSION);
		return 0;
	}
	s = find_scenario(argv[1]);
	if (s == NULL) {
		fprintf(stderr, "sched-bench: no scenario '%s'; there are:", argv[1]);
		for (size_t i = 0; i < N_SCENARIOS; i++)
			fprintf(stderr, " %s", scenarios[i]->name);
		fprintf(stderr, "\n");
		return EXIT_USAGE;
	}
	status = parse_params(s, argc, argv);
	return status != 0 ? status : s->run(s);
}
