/*
 * graphs_tables.c - the graphs that libraries of tables and arrays make: bag, numpy, groupby, join, xarray.
 *
 * How many tasks of which kind there are, and on what they depend, is deduced from the printed numbers of tasks and
 * edges; see the formula at each.
 */
#include "base/mem.h"
#include "bench/graphs.h"

#define JOIN_SMALL  24u /* partitions */
#define JOIN_LARGE  1440u
#define JOIN_WAYS   12u
#define JOIN_LANES  1728u /* JOIN_WAYS to the power of JOIN_STAGES */
#define JOIN_STAGES 3u

#define AIR_LAT	   25u /* points of the grid of xarray's example data */
#define AIR_LON	   53u
#define AIR_WEEKS  52u
#define AIR_STEPS  6u
#define AIR_COORDS 47u
#define AIR_FAN_IN 6u

/* n tasks, on one of `inputs` each; their numbers go where those were. */
static void map(struct graph *g, const char *name, uint32_t *inputs, size_t n)
{
	graph_group(g, name);
	for (size_t i = 0; i < n && g->err == SC_OK; i++)
		inputs[i] = graph_task_on(g, inputs[i]);
}

static uint32_t sources(struct graph *g, const char *name, size_t n)
{
	uint32_t first = (uint32_t)g->n_tasks;

	graph_group(g, name);
	for (size_t i = 0; i < n && g->err == SC_OK; i++)
		(void)graph_task(g);
	return first;
}

/* Every pair of p filtered sources: tasks 2p + 2p^2 + tree, edges p + (2p^2 - p) + p^2 + tree. */
void graph_bag(struct graph *g, uint32_t p)
{
	uint32_t *pairs = graph_numbers(g, (size_t)p * p), *filtered = graph_numbers(g, p);
	uint32_t first = sources(g, "source", p);
	size_t n = 0;

	for (uint32_t i = 0; i < p && filtered != NULL; i++)
		filtered[i] = first + i;
	if (pairs != NULL && filtered != NULL) {
		map(g, "filter", filtered, p);
		graph_group(g, "pair");
		for (uint32_t i = 0; i < p; i++) {
			for (uint32_t j = 0; j < p; j++) {
				pairs[n++] = graph_task_on(g, filtered[i]);
				if (i != j)
					graph_input(g, filtered[j]);
			}
		}
		map(g, "map", pairs, n);
		graph_reduce(g, "fold", pairs, 1, n, 8, GRAPH_SINGLE_FUSED);
	}
	mem_free(pairs);
	mem_free(filtered);
}

/*
 * (x + x.T)[:, half:].mean() over p by p blocks, of which only those needed are made: 3p^2/4 blocks, p^2/2 sums,
 * p^2/2 means, a tree of 4 for each row, which keeps its singles, and one over the rows.
 */
void graph_numpy(struct graph *g, uint32_t p)
{
	uint32_t half = p / 2, first = sources(g, "block", (size_t)p * half), below;
	uint32_t *v = graph_numbers(g, (size_t)p * half);

	below = (uint32_t)g->n_tasks; /* the lower left quarter; the right half came first */
	for (size_t i = 0; i < (size_t)half * half && g->err == SC_OK; i++)
		(void)graph_task(g);
	graph_group(g, "sum");
	for (uint32_t i = 0; i < p && v != NULL && g->err == SC_OK; i++) {
		for (uint32_t j = half; j < p; j++) {
			uint32_t it = first + i * half + (j - half);
			uint32_t mirror = i < half ? below + (j - half) * half + i : first + j * half + (i - half);

			v[i * half + (j - half)] = graph_task_on(g, it);
			if (mirror != it)
				graph_input(g, mirror);
		}
	}
	if (v != NULL && g->err == SC_OK) {
		map(g, "mean", v, (size_t)p * half);
		graph_reduce(g, "row", v, p, half, 4, GRAPH_SINGLE_KEPT);
		graph_reduce(g, "total", v, 1, p, 4, GRAPH_SINGLE_FUSED);
	}
	mem_free(v);
}

/* A time series, grouped and resampled: tasks 5P + 2 trees of 8 + 4, edges 5P - 1 + trees + 6. */
void graph_groupby(struct graph *g, uint32_t n_partitions)
{
	uint32_t *a = graph_numbers(g, n_partitions), *b = graph_numbers(g, n_partitions);
	uint32_t first = sources(g, "source", n_partitions), by_name, spread;

	for (uint32_t i = 0; i < n_partitions && a != NULL && b != NULL; i++)
		a[i] = b[i] = first + i;
	if (a != NULL && b != NULL && g->err == SC_OK) {
		map(g, "group", a, n_partitions);
		map(g, "filter", b, n_partitions);
		graph_group(g, "resample");
		for (uint32_t i = 0; i < n_partitions; i++) {
			uint32_t next = i + 1 < n_partitions ? b[i + 1] : b[i];
			uint32_t task = graph_task_on(g, b[i]);

			if (next != b[i])
				graph_input(g, next);
			b[i] = task;
		}
		map(g, "part", b, n_partitions);
		graph_reduce(g, "group", a, 1, n_partitions, 8, GRAPH_SINGLE_FUSED);
		graph_reduce(g, "part", b, 1, n_partitions, 8, GRAPH_SINGLE_FUSED);
		graph_group(g, "close");
		by_name = graph_task_on(g, a[0]);
		spread = graph_task_on(g, b[0]);
		(void)graph_task_on(g, by_name);
		graph_input(g, b[0]);
		(void)graph_task_on(g, spread);
		graph_input(g, (uint32_t)g->n_tasks - 2);
	}
	mem_free(a);
	mem_free(b);
}

/* 24 partitions, each cut into 24 pieces, of which each 24 are merged: tasks 3 * 24 + 24^2 + 24 + 1. */
void graph_join(struct graph *g)
{
	const uint32_t n = JOIN_SMALL;
	uint32_t first = sources(g, "source", n), groups = first + n, splits = groups + n, merges = splits + n * n;

	graph_group(g, "shuffle");
	for (uint32_t i = 0; i < n; i++)
		(void)graph_task_on(g, first + i);
	graph_group(g, "split");
	for (uint32_t i = 0; i < n * n; i++)
		(void)graph_task_on(g, groups + i / n);
	graph_group(g, "merge");
	for (uint32_t i = 0; i < n; i++) {
		(void)graph_task(g);
		for (uint32_t k = 0; k < n; k++)
			graph_input(g, splits + k * n + i);
	}
	graph_group(g, "sum");
	for (uint32_t i = 0; i < n; i++)
		(void)graph_task_on(g, merges + i);
	graph_group(g, "total");
	(void)graph_task(g);
	for (uint32_t i = 0; i < n; i++)
		graph_input(g, merges + n + i);
}

/* The lane whose piece `way` of 12 goes to `lane` in a stage: they differ in that stage's digit to the base of 12. */
static uint32_t lane_of(uint32_t lane, uint32_t stage, uint32_t way)
{
	uint32_t unit = stage == 0 ? 1 : stage == 1 ? JOIN_WAYS : JOIN_WAYS * JOIN_WAYS;

	return lane - lane / unit % JOIN_WAYS * unit + way * unit;
}

/* Take the 12 pieces of the stage before that are for this lane. */
static void take_pieces(struct graph *g, uint32_t splits, uint32_t lane, uint32_t stage)
{
	uint32_t unit = stage == 0 ? 1 : stage == 1 ? JOIN_WAYS : JOIN_WAYS * JOIN_WAYS;

	(void)graph_task(g);
	for (uint32_t way = 0; way < JOIN_WAYS; way++)
		graph_input(g, splits + lane_of(lane, stage, way) * JOIN_WAYS + lane / unit % JOIN_WAYS);
}

/*
 * 1440 partitions, shuffled in three stages of 12 ways over 12^3 lanes: tasks 1728 + 3 * 13 * 1728 + 1440 * 2 + 1; the
 * first stage has one input a lane, the others and the merges 12.
 */
void graph_join_shuffled(struct graph *g)
{
	uint32_t at = sources(g, "source", JOIN_LANES), splits = 0;
	char name[GRAPH_NAME_MAX] = "shuffle0";

	for (uint32_t stage = 0; stage < JOIN_STAGES; stage++) {
		name[7] = (char)('0' + stage);
		graph_group(g, name);
		for (uint32_t i = 0; i < JOIN_LANES; i++) {
			if (stage == 0)
				(void)graph_task_on(g, at + i);
			else
				take_pieces(g, splits, i, stage - 1);
		}
		at = (uint32_t)g->n_tasks - JOIN_LANES;
		splits = (uint32_t)g->n_tasks;
		graph_group(g, stage == 0 ? "split0" : stage == 1 ? "split1" : "split2");
		for (uint32_t i = 0; i < JOIN_LANES * JOIN_WAYS; i++)
			(void)graph_task_on(g, at + i / JOIN_WAYS);
	}
	graph_group(g, "merge");
	for (uint32_t i = 0; i < JOIN_LARGE; i++)
		take_pieces(g, splits, i, JOIN_STAGES - 1);
	at = (uint32_t)g->n_tasks;
	graph_group(g, "sum");
	for (uint32_t i = 0; i < JOIN_LARGE; i++)
		(void)graph_task_on(g, at - JOIN_LARGE + i);
	graph_group(g, "total");
	(void)graph_task(g);
	for (uint32_t i = 0; i < JOIN_LARGE; i++)
		graph_input(g, at + i);
}

/* Each of the n chunks is cut into weeks; what is left of each when its mean is taken off is one piece again. */
static void anomalies(struct graph *g, uint32_t *chunks, size_t n)
{
	uint32_t slices, means, differences;

	slices = (uint32_t)g->n_tasks;
	graph_group(g, "slice");
	for (size_t i = 0; i < n * AIR_WEEKS && g->err == SC_OK; i++)
		(void)graph_task_on(g, chunks[i / AIR_WEEKS]);
	means = (uint32_t)g->n_tasks;
	graph_group(g, "mean");
	for (uint32_t i = 0; i < n * AIR_WEEKS && g->err == SC_OK; i++)
		(void)graph_task_on(g, slices + i);
	differences = (uint32_t)g->n_tasks;
	graph_group(g, "subtract");
	for (uint32_t i = 0; i < n * AIR_WEEKS && g->err == SC_OK; i++) {
		(void)graph_task_on(g, slices + i);
		graph_input(g, means + i);
	}
	graph_group(g, "concat");
	for (size_t i = 0; i < n && g->err == SC_OK; i++) {
		chunks[i] = graph_task(g);
		for (uint32_t k = 0; k < AIR_WEEKS; k++)
			graph_input(g, differences + (uint32_t)i * AIR_WEEKS + k);
	}
}

/*
 * A stand-in: it has the printed numbers of tasks and edges and the printed longest path (10), but it is not the
 * original graph, which is printed nowhere.  Air temperatures on a grid of 25 by 53 points, in chunks of `side` by
 * `side`, so 3 of 25 and 55 of 5; of each point what is left when the mean of its week is taken off, and how much that
 * varies over all.
 *
 * Of C chunks each has 167 tasks and 269 edges: it is loaded, 52 slices, 52 means, 52 differences (two inputs), put
 * together (52 inputs), its sum, its squares, their sum, and 6 steps after each other that end with it.  Two trees of 6
 * reduce the two sums to one each.  Shared by all are 49 tasks with 49 edges: what closes takes both trees (2), and an
 * index has 47 pieces.  Tasks 167C + 2 trees + 49, edges 269C + trees + 49.
 */
void graph_xarray(struct graph *g, uint32_t side)
{
	size_t n = (size_t)((AIR_LAT + side - 1) / side) * ((AIR_LON + side - 1) / side);
	uint32_t *kept = graph_numbers(g, n), *sums = graph_numbers(g, n), *squares = graph_numbers(g, n), first, index;

	if (kept == NULL || sums == NULL || squares == NULL)
		goto out;
	index = sources(g, "index", 1);
	graph_group(g, "coord");
	for (uint32_t i = 0; i < AIR_COORDS && g->err == SC_OK; i++)
		(void)graph_task_on(g, index);
	first = sources(g, "load", n);
	for (uint32_t i = 0; i < n; i++)
		kept[i] = first + i;
	anomalies(g, kept, n);
	for (size_t i = 0; i < n; i++)
		sums[i] = squares[i] = kept[i];
	map(g, "sum", sums, n);
	map(g, "square", squares, n);
	map(g, "square_sum", squares, n);
	for (uint32_t k = 0; k < AIR_STEPS; k++) {
		char name[GRAPH_NAME_MAX] = "step0";

		name[4] = (char)('0' + k);
		map(g, name, kept, n);
	}
	graph_reduce(g, "sum_of", sums, 1, n, AIR_FAN_IN, GRAPH_SINGLE_FUSED);
	graph_reduce(g, "square_of", squares, 1, n, AIR_FAN_IN, GRAPH_SINGLE_FUSED);
	graph_group(g, "close");
	(void)graph_task_on(g, sums[0]);
	graph_input(g, squares[0]);
out:
	mem_free(kept);
	mem_free(sums);
	mem_free(squares);
}
