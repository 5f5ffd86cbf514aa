/* info_read.c - reading a pinned version of cluster info; see sched_client.h.  struct sc_info is a view_version. */
#include <assert.h>
#include <string.h>

#include "client/sched_client.h"
#include "client/view.h"

#define MIB 1048576u
#define KIB 1024u

static const struct view_version *version_of(const struct sc_info *info)
{
	return (const struct view_version *)info;
}

void sc_info_unpin(const struct sc_info *info)
{
	if (info != NULL)
		view_unpin(version_of(info));
}

static void fill(const struct view_record *r, struct sc_info_worker *out)
{
	static const struct view_identity nobody = {
		.name = "", .pool = "", .address = "", .host = "", .resources = "", .labels = "", .namespace = ""};
	const struct view_identity *d = r->identity != NULL ? r->identity : &nobody;

	*out = (struct sc_info_worker){
		.worker = r->worker,
		.name = d->name,
		.pool = d->pool,
		.name_space = d->namespace,
		.address = d->address,
		.host = d->host,
		.resources = d->resources,
		.labels = d->labels,
		.pid = d->pid,
		.slots = d->slots,
		.memory_limit_bytes = d->memory_limit_bytes,
		.status = (enum sc_worker_status)d->status,
		.cpu_percent = r->cpu_percent,
		.memory_bytes = r->memory_mib * MIB,
		.spilled_bytes = r->spilled_mib * MIB,
		.running = r->running,
		.queued = r->queued,
		.held = r->held,
		.sent_bytes_s = r->sent_kib_s * KIB,
		.received_bytes_s = r->received_kib_s * KIB,
	};
}

size_t sc_info_n_workers(const struct sc_info *info)
{
	return version_of(info)->n;
}

void sc_info_worker_at(const struct sc_info *info, size_t i, struct sc_info_worker *out)
{
	assert(i < version_of(info)->n && "there are not so many workers");
	fill(version_of(info)->records[i], out);
}

int sc_info_find_name(const struct sc_info *info, const char *name, struct sc_info_worker *out)
{
	const struct view_record *r = view_by_name(version_of(info), name);

	if (r != NULL)
		fill(r, out);
	return r != NULL;
}

int sc_info_find_address(const struct sc_info *info, const char *address, struct sc_info_worker *out)
{
	const struct view_record *r = view_by_address(version_of(info), address);

	if (r != NULL)
		fill(r, out);
	return r != NULL;
}

void sc_info_totals_of(const struct sc_info *info, struct sc_info_totals *out)
{
	const struct view_totals *t = &version_of(info)->totals;

	*out = (struct sc_info_totals){
		.workers = t->workers,
		.slots = t->slots,
		.memory_limit_bytes = t->memory_limit_bytes,
		.cpu_percent = t->cpu_percent,
		.memory_bytes = t->memory_mib * MIB,
		.spilled_bytes = t->spilled_mib * MIB,
		.running = t->running,
		.queued = t->queued,
		.held = t->held,
	};
}

const char *sc_info_incarnation(const struct sc_info *info)
{
	return version_of(info)->incarnation;
}

uint64_t sc_info_epoch(const struct sc_info *info)
{
	return version_of(info)->epoch;
}

uint64_t sc_info_granted_us(const struct sc_info *info)
{
	return version_of(info)->granted_us;
}

int sc_info_is_complete(const struct sc_info *info)
{
	return version_of(info)->incarnation[0] != '\0';
}
