/*
 * unmet.c - requests that no worker can meet, or that a quota never lets out: their tasks wait until that has changed.
 *
 * That is no mistake of who submits them, as workers may come later; but it is said.  Whether a request can be met is
 * remembered with its class until a worker comes, goes, takes tasks or does not, or a quota changes, and so is why it
 * cannot: a list of a thousand jobs costs some looks at the workers for each class, not for each job.  Workers that
 * drain or stop do not count.
 */
#include <inttypes.h>

#include "base/mem.h"
#include "base/text.h"
#include "scheduler/core/core_internal.h"

#define SHOWN_MAX   5u	/* requests */
#define MISSING_MAX 3u	/* things that nobody has, of one */
#define TEXT_SHOWN  200 /* bytes of a request or label */

static unsigned takes_tasks(const struct worker *w)
{
	return w != NULL && (w->status == WORKER_ACTIVE || w->status == WORKER_PAUSED);
}

/* How many workers could run a task of the class in this way, up to `enough`. */
static uint64_t count_able(const struct core *c, const struct request_class *cl, uint32_t k, uint64_t enough,
			   uint64_t *looks)
{
	uint64_t n = 0;

	for (uint32_t i = 1; i < c->workers_end && n<enough && * looks> 0; i++, --*looks)
		n += takes_tasks(c->workers[i]) && worker_can_meet(c->workers[i], cl, k);
	return n;
}

static uint64_t n_wanted(const struct request_class *cl)
{
	return cl->gang_size > 0 ? cl->gang_size : 1;
}

/* What cannot be found out with so many looks counts as met: nothing is said that is not known. */
static int is_met(const struct core *c, struct request_class *cl, uint64_t *looks)
{
	int met = 0;

	if (cl->met_stamp == c->workers_stamp)
		return cl->is_met;
	for (uint32_t k = 0; k < cl->request->n && !met && namespace_allows(cl, n_wanted(cl)); k++)
		met = count_able(c, cl, k, n_wanted(cl), looks) >= n_wanted(cl);
	if (*looks == 0)
		return 1;
	cl->is_met = met != 0;
	cl->met_stamp = c->workers_stamp;
	mem_free(cl->unmet_why);
	cl->unmet_why = NULL;
	return met;
}

/* ---- in words --------------------------------------------------------------------------------------------------- */

/* How the workers there are stand to the class. */
struct standing {
	uint32_t taking, serving; /* take tasks; and those of its namespace */
	uint32_t able, going;	  /* could run one, in the way most can; could, but drain or stop */
};

static struct standing look_around(const struct core *c, const struct request_class *cl)
{
	struct standing s = {0};
	uint32_t able[ALTERNATIVES_MAX] = {0};

	for (uint32_t i = 1; i < c->workers_end; i++) {
		const struct worker *w = c->workers[i];

		if (w == NULL)
			continue;
		s.taking += takes_tasks(w);
		s.serving += takes_tasks(w) && worker_serves(w, cl);
		s.going += !takes_tasks(w) && worker_can(w, cl);
		for (uint32_t k = 0; k < cl->request->n; k++)
			able[k] += takes_tasks(w) && worker_can_meet(w, cl, k);
	}
	for (uint32_t k = 0; k < cl->request->n; k++)
		s.able = able[k] > s.able ? able[k] : s.able;
	return s;
}

static int anybody_has_label(const struct core *c, const struct request_class *cl, const struct label *l)
{
	for (uint32_t i = 1; i < c->workers_end; i++)
		if (takes_tasks(c->workers[i]) && worker_serves(c->workers[i], cl) &&
		    worker_has_label(c->workers[i], l))
			return 1;
	return 0;
}

static uint64_t most_of(const struct core *c, const struct request_class *cl, uint32_t resource)
{
	uint64_t most = 0;

	for (uint32_t i = 1; i < c->workers_end; i++)
		if (takes_tasks(c->workers[i]) && worker_serves(c->workers[i], cl) &&
		    c->workers[i]->capacity[resource] > most)
			most = c->workers[i]->capacity[resource];
	return most;
}

/* "label zone=a or cpus=8 (the most is 4)": what nobody has of it, the first few things.  How many there are. */
static uint32_t write_missing(const struct core *c, const struct request_class *cl, struct buf *out)
{
	const struct alternative *a = &cl->request->v[0];
	char need[32], most[32];
	uint32_t n = 0;

	for (uint32_t i = 0; i < a->n_required && n < MISSING_MAX; i++)
		if (!anybody_has_label(c, cl, a->labels[i]))
			buf_printf(out, "%slabel %.*s", n++ > 0 ? " or " : "", TEXT_SHOWN, a->labels[i]->text);
	for (size_t i = 0; i < a->needs.n && n < MISSING_MAX; i++) {
		uint32_t r = a->needs.v[i].resource;
		uint64_t has = most_of(c, cl, r);

		if (has >= a->needs.v[i].amount)
			continue;
		buf_printf(out, "%s%s", n++ > 0 ? " or " : "", c->requests.names[r]);
		if (has > 0)
			buf_printf(out, "=%s (the most is %s)",
				   amount_show(r, a->needs.v[i].amount, need, sizeof(need)),
				   amount_show(r, has, most, sizeof(most)));
	}
	return n;
}

static void write_quota(const struct request_class *cl, struct buf *out)
{
	const struct namespace_limits *l = &cl->namespace->limits;
	char limit[32];

	buf_printf(out, "the quota of namespace '%s', ", cl->namespace->name);
	if (l->max_tasks < n_wanted(cl))
		buf_printf(out, "max-tasks %" PRIu64, l->max_tasks);
	else
		buf_printf(out, "max-cpus %s", text_show_amount(l->max_cpus, limit, sizeof(limit)));
	buf_printf(out, ", never lets %s out", cl->gang_size > 0 ? "its gang" : "it");
}

/* Why a class that is not met is not.  What has to come is returned. */
static const char *find_why(const struct core *c, const struct request_class *cl, struct buf *out)
{
	struct standing s = look_around(c, cl);

	if (!namespace_allows(cl, n_wanted(cl))) {
		write_quota(cl, out);
		return "it is raised";
	}
	if (c->n_workers == 0) {
		buf_append_str(out, "no worker is connected");
		return "one comes";
	}
	if (s.able > 0) {
		buf_printf(out, "its gang needs %" PRIu64 " workers, and %u that %s connected could take a task of it",
			   cl->gang_size, s.able, s.able == 1 ? "is" : "are");
		return "there are enough";
	}
	if (s.going > 0) {
		buf_append_str(out, "the workers that could run it drain or stop");
		return "another comes";
	}
	if (s.taking == 0) {
		buf_append_str(out, "all workers that are connected drain or stop");
		return "another comes";
	}
	if (s.serving == 0) {
		buf_printf(out, "no worker that is connected serves namespace '%s'", cl->namespace->name);
		return "one comes";
	}
	buf_append_str(out, "no worker that is connected ");
	if (s.serving < s.taking)
		buf_printf(out, "and serves namespace '%s' ", cl->namespace->name);
	buf_append_str(out, "has ");
	if (cl->request->n > 1)
		buf_printf(out, "what any alternative asks for (%.*s)", TEXT_SHOWN, cl->request->text);
	else if (write_missing(c, cl, out) == 0)
		buf_printf(out, "all of %.*s", TEXT_SHOWN, cl->request->text);
	return "one comes";
}

/* The looks find_why() takes, at most. */
static uint64_t n_looks(const struct core *c, const struct request_class *cl)
{
	const struct alternative *a = &cl->request->v[0];

	return (uint64_t)c->workers_end * (1 + a->n_required + a->needs.n);
}

/* The same, if need be in as many looks as are left, and known from then on. */
static const char *write_why(const struct core *c, struct request_class *cl, uint64_t *looks, struct buf *out)
{
	struct buf why;

	if (cl->unmet_why == NULL) {
		uint64_t n = n_looks(c, cl);

		*looks -= n < *looks ? n : *looks;
		buf_init(&why, 0);
		cl->unmet_until = find_why(c, cl, &why);
		cl->unmet_why = buf_err(&why) == SC_OK ? mem_strdup(buf_str(&why)) : NULL;
		buf_fini(&why);
	}
	buf_append_str(out, cl->unmet_why != NULL ? cl->unmet_why : "no worker can meet it");
	return cl->unmet_until;
}

/* Classes that were told of. */
struct told {
	const struct request_class *v[SHOWN_MAX];
	uint32_t n;
	int are_more;
};

/* 1: this one is new, and there is room to tell of it. */
static int tell(struct told *t, const struct request_class *cl)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->v[i] == cl)
			return 0;
	t->are_more |= t->n == SHOWN_MAX;
	if (t->n == SHOWN_MAX)
		return 0;
	t->v[t->n++] = cl;
	return 1;
}

void core_job_unmet(struct core *c, const struct job *j, uint32_t first_group, uint64_t *looks, struct buf *out)
{
	int is_only = first_group == 0 && j->n_groups == 1;
	struct told told = {.n = 0};

	for (uint32_t i = first_group; i < j->n_groups && !told.are_more; i++) {
		struct group *g = &j->groups[i];
		const char *what;

		if (is_met(c, g->class, looks) || !tell(&told, g->class))
			continue;
		if (told.n > 1)
			buf_append_byte(out, '\n');
		if (!is_only)
			buf_printf(out, "%s: ", g->name);
		what = write_why(c, g->class, looks, out);
		buf_printf(out, "; %s until %s", is_only ? "the job waits" : "its tasks wait", what);
	}
	if (told.are_more)
		buf_append_str(out, "\nother groups as well ask for what no worker that is connected has");
}

int core_job_waits(struct core *c, const struct job *j, uint64_t *looks, struct buf *out)
{
	uint64_t n_out = j->counts[TASK_ASSIGNED] + j->counts[TASK_RUNNING];
	struct told told = {.n = 0};
	uint32_t n_met = 0;

	if (j->state != JOB_RUNNING || j->counts[TASK_READY] == 0)
		return 0;
	for (struct run_queue *q = j->queues; q != NULL && *looks > 0; q = q->next, --*looks) {
		if (!ready_has_any(q))
			continue;
		if (is_met(c, q->class, looks)) {
			n_met++;
			continue;
		}
		if (!tell(&told, q->class))
			continue;
		if (told.n > 1)
			buf_append_str(out, "; ");
		if (j->n_groups > 1)
			buf_printf(out, "%s: ", j->groups[j->tasks[ready_peek(q)].group].name);
		write_why(c, q->class, looks, out);
	}
	return told.n > 0 && n_met == 0 && n_out == 0 && *looks > 0;
}
