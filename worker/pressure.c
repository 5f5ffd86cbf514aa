/* pressure.c - see pressure.h. */
#include "worker/pressure.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define CHECK_US    (200u * US_PER_MS)
#define SPILL_BYTES ((uint64_t)64 * 1024 * 1024) /* at a time, so that the connection is not left alone for long */

struct pressure {
	struct loop *loop;
	struct deadlines *deadlines;
	struct store *store;
	struct pressure_config config;
	uint64_t spill_bytes, pause_bytes, resume_bytes;
	struct deadline next;
	int is_paused;	       /* for either reason */
	int is_over;	       /* memory: above the line */
	uint64_t disk_full_us; /* when the disk was found full; 0: it is not known to be */
};

static void on_time(void *arg)
{
	struct pressure *p = arg;

	pressure_check(p);
	if (p->config.limit_bytes > 0 || p->disk_full_us != 0)
		deadline_set(p->deadlines, &p->next, loop_now_us(p->loop) + CHECK_US);
}

static uint64_t share(uint64_t bytes, uint64_t millionths)
{
	return (uint64_t)((double)bytes * (double)millionths / 1e6);
}

sc_err pressure_new(struct loop *l, struct deadlines *d, struct store *s, const struct pressure_config *config,
		    struct pressure **out)
{
	struct pressure *p = mem_calloc(1, sizeof(*p));

	if (p == NULL)
		return SC_NOMEM;
	*p = (struct pressure){.loop = l, .deadlines = d, .store = s, .config = *config};
	p->spill_bytes = share(config->limit_bytes, config->spill_millionths);
	p->pause_bytes = share(config->limit_bytes, config->pause_millionths);
	p->resume_bytes = p->pause_bytes - p->pause_bytes / 16;
	p->next.fn = on_time;
	p->next.arg = p;
	if (config->limit_bytes > 0 && deadline_set(d, &p->next, loop_now_us(l) + CHECK_US) != SC_OK) {
		mem_free(p);
		return SC_NOMEM;
	}
	*out = p;
	return SC_OK;
}

void pressure_free(struct pressure *p)
{
	if (p == NULL)
		return;
	deadline_clear(p->deadlines, &p->next);
	mem_free(p);
}

int pressure_is_paused(const struct pressure *p)
{
	return p->is_paused;
}

/* Results in memory go to disk until enough is free; what it takes then. */
static uint64_t spill(struct pressure *p, uint64_t bytes)
{
	uint64_t over = bytes - p->spill_bytes, spilled;

	spilled = store_spill(p->store, over < SPILL_BYTES ? over : SPILL_BYTES);
	mem_release_unused();
	if (spilled > 0)
		log_info("memory", "spilled", "bytes=%" PRIu64 " memory_bytes=%" PRIu64, spilled, bytes);
	return p->config.memory_bytes(p->config.arg);
}

/* Whether too much memory is taken, after what can go to disk has. */
static int is_short_of_memory(struct pressure *p)
{
	uint64_t bytes;
	int is_stuck, is_over;

	if (p->config.limit_bytes == 0)
		return 0;
	bytes = p->config.memory_bytes(p->config.arg);
	if (bytes > p->spill_bytes)
		bytes = spill(p, bytes);
	/* What is left then is the agent itself: waiting would not make it less. */
	is_stuck = p->config.running(p->config.arg) == 0 && store_totals(p->store)->memory_bytes == 0;
	is_over = !is_stuck && bytes > (p->is_over ? p->resume_bytes : p->pause_bytes);
	if (is_over != p->is_over)
		log_info("memory", is_over ? "paused" : "resumed", "memory_bytes=%" PRIu64 " limit_bytes=%" PRIu64,
			 bytes, p->config.limit_bytes);
	return is_over;
}

void pressure_check(struct pressure *p)
{
	int pause;

	if (p->disk_full_us != 0 && loop_now_us(p->loop) - p->disk_full_us >= p->config.disk_pause_us) {
		p->disk_full_us = 0;
		log_info("disk", "resumed", "reason=\"perhaps there is room now\"");
	}
	p->is_over = is_short_of_memory(p);
	pause = p->is_over || p->disk_full_us != 0;
	if (pause == p->is_paused)
		return;
	p->is_paused = pause;
	p->config.paused(pause, p->config.arg);
}

void pressure_disk_full(struct pressure *p)
{
	if (p->disk_full_us == 0)
		log_warn("disk", "paused", "reason=\"it is full: nothing is started for %" PRIu64 " ms\"",
			 p->config.disk_pause_us / US_PER_MS);
	p->disk_full_us = loop_now_us(p->loop);
	if (!deadline_is_set(&p->next))
		deadline_set(p->deadlines, &p->next, p->disk_full_us + CHECK_US);
	pressure_check(p);
}
