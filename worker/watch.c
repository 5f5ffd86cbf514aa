/* watch.c - see watch.h. */
#include "worker/watch.h"

#include <event2/event.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"

#define BATCH 64

struct watch {
	int epoll_fd;
	struct event *ev;
	struct epoll_event batch[BATCH]; /* being worked off; forgotten items are NULL */
	int batch_at, batch_n;
};

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	(void)what;
	w->batch_n = epoll_wait(fd, w->batch, BATCH, 0);
	for (w->batch_at = 0; w->batch_at < w->batch_n; w->batch_at++) {
		struct epoll_event *e = &w->batch[w->batch_at];
		struct watched *item = e->data.ptr;

		if (item != NULL)
			item->fn(item, e->events);
	}
	w->batch_n = 0;
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
	mem_free(w);
}

sc_err watch_add(struct watch *w, struct watched *item, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = item};

	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0 ? SC_OK : SC_IO;
}

void watch_forget(struct watch *w, struct watched *item)
{
	for (int i = w->batch_at; i < w->batch_n; i++)
		if (w->batch[i].data.ptr == item)
			w->batch[i].data.ptr = NULL;
}

void watch_remove(struct watch *w, struct watched *item, int fd)
{
	epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	watch_forget(w, item);
}
