/* watch.c - see watch.h. */
#include "worker/watch.h"

#include <event2/event.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"

#define BATCH 64

struct place {
	struct watched *item;
	uint32_t generation;
	uint32_t next_free;
};

struct watch {
	int epoll_fd;
	struct event *ev;
	struct place *places; /* [0] is never used */
	size_t n_places, cap_places;
	uint32_t first_free;
};

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct epoll_event batch[BATCH];
	struct watch *w = arg;
	int n = epoll_wait(fd, batch, BATCH, 0);

	(void)what;
	for (int i = 0; i < n; i++) {
		const struct place *p = &w->places[(uint32_t)batch[i].data.u64];

		if (p->item != NULL && p->generation == (uint32_t)(batch[i].data.u64 >> 32))
			p->item->fn(p->item, batch[i].events);
	}
}

sc_err watch_new(struct loop *l, struct watch **out)
{
	struct watch *w = mem_calloc(1, sizeof(*w));

	if (w == NULL)
		return SC_NOMEM;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd >= 0)
		w->ev = event_new(loop_base(l), w->epoll_fd, EV_READ | EV_PERSIST, on_ready, w);
	if (w->ev == NULL || event_add(w->ev, NULL) != 0) {
		watch_free(w);
		return SC_NOMEM;
	}
	*out = w;
	return SC_OK;
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	if (w->ev != NULL)
		event_free(w->ev);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	mem_free(w->places);
	mem_free(w);
}

/* A free place of the table, or 0. */
static uint32_t take_place(struct watch *w)
{
	uint32_t n = w->first_free;
	void *p;

	if (n != 0) {
		w->first_free = w->places[n].next_free;
		return n;
	}
	if (w->n_places == 0)
		w->n_places = 1;
	p = mem_grow(w->places, &w->cap_places, w->n_places + 1, sizeof(*w->places));
	if (p == NULL)
		return 0;
	w->places = p;
	n = (uint32_t)w->n_places++;
	w->places[n] = (struct place){0};
	return n;
}

static void leave_place(struct watch *w, struct watched *item)
{
	struct place *p = &w->places[item->place];

	p->item = NULL;
	p->generation++;
	p->next_free = w->first_free;
	w->first_free = item->place;
	item->place = 0;
}

static sc_err add(struct watch *w, struct watched *item, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events};

	item->place = take_place(w);
	if (item->place == 0)
		return SC_NOMEM;
	w->places[item->place].item = item;
	e.data.u64 = (uint64_t)w->places[item->place].generation << 32 | item->place;
	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0)
		return SC_OK;
	leave_place(w, item);
	return SC_IO;
}

sc_err watch_add(struct watch *w, struct watched *item, int fd)
{
	return add(w, item, fd, EPOLLIN);
}

sc_err watch_add_writable(struct watch *w, struct watched *item, int fd)
{
	return add(w, item, fd, EPOLLOUT);
}

void watch_forget(struct watch *w, struct watched *item)
{
	if (item->place != 0)
		leave_place(w, item);
}

void watch_remove(struct watch *w, struct watched *item, int fd)
{
	epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	watch_forget(w, item);
}
