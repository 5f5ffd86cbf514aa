/* plan.c - see plan.h. */
#include "worker/plan.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "worker/resource_env.h"
#include "worker/spawn.h"

/* Set for every child anew; never inherited from the agent, which may itself run inside a task, nor taken from a body.
 */
static int is_reserved(const char *entry, size_t name_len)
{
	static const char *const names[] = {"SCHED_JOB_ID",	 "SCHED_JOB_NAME", "SCHED_KEY",		 "SCHED_INDEX",
					    "SCHED_ITEM",	 "SCHED_ATTEMPT",  "SCHED_INPUTS",	 "SCHED_CPUS",
					    "SCHED_ACCESS_FILE", "SCHED_ROLE",	   "SCHED_WORKER_COOKIE"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == name_len && memcmp(entry, names[i], name_len) == 0)
			return 1;
	return name_len > 15 && memcmp(entry, "SCHED_RESOURCE_", 15) == 0;
}

static size_t name_length(const char *entry)
{
	return strcspn(entry, "=");
}

static int same_name(const char *a, const char *b)
{
	size_t n = name_length(a);

	return n == name_length(b) && memcmp(a, b, n) == 0;
}

sc_err base_env_init(struct base_env *e, char *const *env, const char *const *more)
{
	size_t n = 1;

	for (size_t i = 0; env[i] != NULL; i++)
		n++;
	for (size_t i = 0; more[i] != NULL; i++)
		n++;
	*e = (struct base_env){mem_calloc(n, sizeof(char *)), 0};
	if (e->v == NULL)
		return SC_NOMEM;
	for (size_t i = 0; env[i] != NULL; i++)
		if (!is_reserved(env[i], name_length(env[i])) && (e->v[e->n++] = mem_strdup(env[i])) == NULL)
			goto fail;
	for (size_t i = 0; more[i] != NULL; i++)
		if ((e->v[e->n++] = mem_strdup(more[i])) == NULL)
			goto fail;
	return SC_OK;
fail:
	base_env_fini(e);
	return SC_NOMEM;
}

void base_env_fini(struct base_env *e)
{
	for (size_t i = 0; i < e->n; i++)
		mem_free(e->v[i]);
	mem_free(e->v);
	*e = (struct base_env){NULL, 0};
}

/* ---- preparing ------------------------------------------------------------------------------------------------ */

static void plan_free(void *arg)
{
	struct exec_plan *p = arg;

	if (p->stdin_fd >= 0)
		close(p->stdin_fd);
	arena_fini(&p->memory);
	mem_free(p);
}

static int has_zero(struct slice s)
{
	return s.n > 0 && memchr(s.p, '\0', s.n) != NULL;
}

static sc_err check_texts(const struct msg_body_exec *b, struct buf *error)
{
	const struct slice singles[] = {b->cwd, b->stdin_path, b->stdout_path, b->stderr_path};

	if (b->argv.n == 0) {
		buf_printf(error, "the body has no program to run");
		return SC_INVALID;
	}
	for (size_t i = 0; i < b->argv.n; i++)
		if (has_zero(b->argv.v[i]))
			goto zero;
	for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++)
		if (has_zero(singles[i]))
			goto zero;
	for (size_t i = 0; i < b->env.n; i++) {
		if (has_zero(b->env.v[i]))
			goto zero;
		if (b->env.v[i].n == 0 || b->env.v[i].p[0] == '=' ||
		    memchr(b->env.v[i].p, '=', b->env.v[i].n) == NULL) {
			buf_printf(error, "environment: '%.*s' is not of the form NAME=VALUE",
				   b->env.v[i].n > 100 ? 100 : (int)b->env.v[i].n, b->env.v[i].p);
			return SC_INVALID;
		}
	}
	return SC_OK;
zero:
	buf_printf(error, "the body has a zero byte in a text");
	return SC_INVALID;
}

/* A copy, or NULL for an empty text. */
static char *optional(struct exec_plan *p, struct slice s)
{
	return s.n == 0 ? NULL : arena_copy(&p->memory, s.p, s.n);
}

static void add_env(struct exec_plan *p, char *entry)
{
	p->env[p->n_env++] = entry;
}

/* When every task of the group takes the same, they are told so in the same words. */
static void add_resources(struct exec_plan *p, const struct request *q, const struct resources *r)
{
	char **lines = resource_env(&p->memory, r, q, NULL);

	for (size_t i = 0; lines != NULL && lines[i] != NULL; i++)
		add_env(p, lines[i]);
}

static void make_env(struct exec_plan *p, const struct group *g, const struct slices *body, const struct base_env *base,
		     const struct resources *r)
{
	size_t room = base->n + body->n + RESOURCE_ENV_MAX * g->requests[0].n + 3;
	char **own = arena_alloc(&p->memory, (body->n + 1) * sizeof(char *));
	size_t n_own = 0;

	p->env = arena_alloc(&p->memory, room * sizeof(char *));
	if (p->env == NULL || own == NULL)
		return;
	for (size_t i = 0; i < body->n; i++) {
		char *entry = arena_copy(&p->memory, body->v[i].p, body->v[i].n);
		size_t k = 0;

		if (entry == NULL)
			return;
		if (is_reserved(entry, name_length(entry)))
			continue;
		while (k < n_own && !same_name(own[k], entry))
			k++;
		own[k] = entry;
		n_own += k == n_own;
	}
	for (size_t i = 0; i < base->n; i++) {
		size_t k = 0;

		while (k < n_own && !same_name(own[k], base->v[i]))
			k++;
		if (k == n_own)
			add_env(p, base->v[i]);
	}
	add_env(p, arena_printf(&p->memory, "SCHED_JOB_ID=%" PRIu64, g->job->id));
	add_env(p, arena_printf(&p->memory, "SCHED_JOB_NAME=%s", g->job->name));
	p->own_resources = g->n_requests > 1 || g->requests[0].has_units;
	if (!p->own_resources)
		add_resources(p, &g->requests[0], r);
	for (size_t k = 0; k < n_own; k++)
		add_env(p, own[k]);
	p->n_templates = p->substitute ? n_own : 0;
	p->env[p->n_env] = NULL;
}

static void make_argv(struct exec_plan *p, const struct slices *argv)
{
	p->argv = arena_alloc(&p->memory, (argv->n + 1) * sizeof(char *));
	if (p->argv == NULL)
		return;
	p->argc = argv->n;
	for (size_t i = 0; i < argv->n; i++)
		p->argv[i] = arena_copy(&p->memory, argv->v[i].p, argv->v[i].n);
	p->argv[argv->n] = NULL;
}

static sc_err make_plan(struct group *g, const struct msg_body_exec *b, const struct base_env *base,
			const struct resources *r)
{
	struct exec_plan *p = mem_calloc(1, sizeof(*p));

	if (p == NULL)
		return SC_NOMEM;
	p->stdin_fd = -1;
	for (size_t i = 0; i < ALTERNATIVES_MAX; i++)
		lane_init(&p->lanes[i]);
	p->substitute = b->substitute != 0;
	p->stdin_group = b->stdin_group == 0 ? 0 : (uint32_t)b->stdin_group + g->first_group;
	make_argv(p, &b->argv);
	make_env(p, g, &b->env, base, r);
	p->cwd = optional(p, b->cwd);
	p->stdin_path = optional(p, b->stdin_path);
	p->stdin_bytes = (struct slice){optional(p, b->stdin_bytes), b->stdin_bytes.n};
	p->stdout_pattern = optional(p, b->stdout_path);
	p->stderr_pattern = optional(p, b->stderr_path);
	if (!p->memory.failed && !p->substitute)
		p->programs = spawn_candidates(&p->memory, p->argv[0], p->env);
	if (p->memory.failed) {
		plan_free(p);
		return SC_NOMEM;
	}
	g->plan = p;
	g->plan_free = plan_free;
	return SC_OK;
}

sc_err plan_decode(struct msg_decoder *d, const struct group *g, msg_type wanted, struct msg *m, struct buf *error)
{
	const char *field;
	sc_err err = msg_decode_one(d, g->body, wanted, m, &field);

	if (err == SC_OK || err == SC_NOMEM)
		return err;
	buf_printf(error, "the body cannot be understood: %s%s%s", sc_err_text(err), field != NULL ? ": " : "",
		   field != NULL ? field : "");
	return SC_INVALID;
}

sc_err exec_plan_prepare(struct group *g, struct msg_decoder *d, const struct base_env *base, const struct resources *r,
			 struct buf *error)
{
	struct msg m;
	sc_err err;

	if (g->plan != NULL)
		return SC_OK;
	err = plan_decode(d, g, MSG_body_exec, &m, error);
	if (err != SC_OK)
		return err;
	err = check_texts(&m.u.body_exec, error);
	if (err == SC_OK)
		err = make_plan(g, &m.u.body_exec, base, r);
	if (err == SC_OK)
		group_drop_body(g);
	return err;
}

/* ---- one task ------------------------------------------------------------------------------------------------- */

#define TASK_VARIABLES 5

/* In the place of one of this name, or after all n. */
static size_t put_env(char **envp, size_t n, char *line)
{
	size_t i = 0;

	while (i < n && !same_name(envp[i], line))
		i++;
	envp[i] = line;
	return i < n ? n : n + 1;
}

static char **instantiate_env(const struct exec_plan *p, struct arena *a, const struct pattern_values *v,
			      const char *inputs_dir, int has_item, char **resources)
{
	char **envp;
	size_t n = p->n_env, n_resources = 0;

	while (resources != NULL && resources[n_resources] != NULL)
		n_resources++;
	envp = arena_alloc(a, (n + n_resources + TASK_VARIABLES + 1) * sizeof(char *));

	if (envp == NULL)
		return NULL;
	memcpy(envp, p->env, n * sizeof(char *));
	for (size_t i = n - p->n_templates; i < n; i++)
		envp[i] = pattern_expand(a, slice_of(p->env[i]), v, NULL);
	for (size_t i = 0; i < n_resources && !a->failed; i++)
		n = put_env(envp, n, resources[i]);
	envp[n++] = arena_printf(a, "SCHED_KEY=%.*s", (int)v->key.n, v->key.p);
	envp[n++] = arena_printf(a, "SCHED_INDEX=%" PRIu64, v->index);
	envp[n++] = arena_printf(a, "SCHED_ATTEMPT=%" PRIu64, v->attempt);
	if (has_item)
		envp[n++] = arena_printf(a, "SCHED_ITEM=%.*s", (int)v->item.n, v->item.p);
	if (inputs_dir != NULL)
		envp[n++] = arena_printf(a, "SCHED_INPUTS=%s", inputs_dir);
	envp[n] = NULL;
	return envp;
}

sc_err exec_plan_instantiate(const struct exec_plan *p, struct arena *a, const struct pattern_values *v,
			     const char *inputs_dir, int has_item, char **resources, struct exec_call *out)
{
	char **argv = arena_alloc(a, (p->argc + 2) * sizeof(char *));

	if (argv == NULL)
		return SC_NOMEM;
	out->argv = argv + 1;
	for (size_t i = 0; i < p->argc; i++)
		out->argv[i] = p->substitute ? pattern_expand(a, slice_of(p->argv[i]), v, NULL) : p->argv[i];
	out->argv[p->argc] = NULL;
	out->envp = instantiate_env(p, a, v, inputs_dir, has_item, resources);
	out->programs = p->programs;
	if (p->substitute && !a->failed)
		out->programs = spawn_candidates(a, out->argv[0], p->env);
	return a->failed ? SC_NOMEM : SC_OK;
}
