/* call_plan.c - see call_plan.h. */
#include "worker/call_plan.h"

#include <string.h>

#include "base/mem.h"
#include "worker/plan.h"
#include "worker/resource_env.h"

static void plan_free(void *arg)
{
	struct call_plan *p = arg;

	arena_fini(&p->memory);
	mem_free(p);
}

static sc_err check(const struct msg_body_call *b, struct buf *error)
{
	if (b->module.n == 0 || b->function.n == 0) {
		buf_printf(error, "the body names no %s", b->module.n == 0 ? "module" : "function");
		return SC_INVALID;
	}
	if (memchr(b->module.p, '\0', b->module.n) != NULL || memchr(b->function.p, '\0', b->function.n) != NULL) {
		buf_printf(error, "the body has a zero byte in a name");
		return SC_INVALID;
	}
	return SC_OK;
}

static struct slice keep(struct call_plan *p, struct slice s)
{
	return (struct slice){arena_copy(&p->memory, s.p, s.n), s.n};
}

static void look_at_file(struct call_plan *p)
{
	struct stat st;

	if (strchr(p->module.p, '/') != NULL && stat(p->module.p, &st) == 0)
		p->file = (struct module_file){st.st_dev, st.st_ino, st.st_mtim};
}

sc_err call_plan_prepare(struct group *g, struct msg_decoder *d, const struct resources *r, struct buf *error)
{
	const struct msg_body_call *b;
	struct call_plan *p;
	struct msg m;
	sc_err err;

	if (g->plan != NULL)
		return SC_OK;
	err = plan_decode(d, g, MSG_body_call, &m, error);
	if (err != SC_OK)
		return err;
	b = &m.u.body_call;
	err = check(b, error);
	if (err != SC_OK)
		return err;
	p = mem_calloc(1, sizeof(*p));
	if (p == NULL)
		return SC_NOMEM;
	p->module = keep(p, b->module);
	p->function = keep(p, b->function);
	p->args = arena_alloc(&p->memory, (b->args.n + 1) * sizeof(*p->args));
	for (; p->args != NULL && p->n_args < b->args.n; p->n_args++)
		p->args[p->n_args] = keep(p, b->args.v[p->n_args]);
	p->substitute = b->substitute != 0;
	for (unsigned i = 0; i < g->n_requests; i++)
		resource_words(&p->memory, r, &g->requests[i], NULL, &p->granted[i]);
	if (p->memory.failed) {
		plan_free(p);
		return SC_NOMEM;
	}
	look_at_file(p);
	g->plan = p;
	g->plan_free = plan_free;
	group_drop_body(g);
	return SC_OK;
}

const struct slice *call_plan_args(const struct call_plan *p, struct arena *a, const struct pattern_values *v)
{
	struct slice *out;

	if (!p->substitute)
		return p->args;
	out = arena_alloc(a, (p->n_args + 1) * sizeof(*out));
	for (size_t i = 0; out != NULL && i < p->n_args; i++)
		out[i].p = pattern_expand(a, p->args[i], v, &out[i].n);
	return a->failed ? NULL : out;
}

int module_file_equal(const struct module_file *a, const struct module_file *b)
{
	return a->device == b->device && a->inode == b->inode && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}
