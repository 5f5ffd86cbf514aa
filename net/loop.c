/* loop.c - see loop.h. */
#include "net/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proto/message.h"

struct loop_signal {
	struct event *ev;
	loop_fn fn;
	void *arg;
	struct loop_signal *next;
};

struct loop {
	struct event_base *base;
	struct frame_codec codec;
	struct msg_decoder *decoder;
	struct buf spare_input;
	struct loop_traffic traffic;
	uint64_t now_us; /* 0: not read in this turn yet */
	int stop;
	int wake_fd;
	struct event *wake_ev;
	loop_fn wake_hook;
	void *wake_arg;
	loop_fn turn_hook;
	void *turn_arg;
	struct loop_signal *signals;
	TAILQ_HEAD(, loop_member) all;
	TAILQ_HEAD(, loop_member) dirty;
	TAILQ_HEAD(, loop_member) patient;
	struct loop_timer *patience;
};

struct loop_timer {
	struct event *ev;
	loop_fn fn;
	void *arg;
};

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	if (l->wake_hook != NULL)
		l->wake_hook(l->wake_arg);
}

/* Those that can wait have waited long enough. */
static void on_patience(void *arg)
{
	struct loop *l = arg;
	struct loop_member *m;

	TAILQ_FOREACH (m, &l->patient, patient)
		loop_dirty(l, m);
}

sc_err loop_new(struct loop **out)
{
	struct loop *l = mem_calloc(1, sizeof(*l));
	struct event_config *config = NULL;

	if (l == NULL)
		return SC_NOMEM;
	TAILQ_INIT(&l->all);
	TAILQ_INIT(&l->dirty);
	TAILQ_INIT(&l->patient);
	buf_init(&l->spare_input, 0);
	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	config = event_config_new();
	if (config == NULL || l->wake_fd < 0 || msg_decoder_new(&l->decoder) != SC_OK)
		goto fail;
	/* Several changes to one descriptor in a turn become one system call. */
	event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST | EVENT_BASE_FLAG_NOLOCK);
	l->base = event_base_new_with_config(config);
	event_config_free(config);
	config = NULL;
	if (l->base == NULL)
		goto fail;
	l->wake_ev = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, on_wake, l);
	if (l->wake_ev == NULL || event_add(l->wake_ev, NULL) != 0 ||
	    loop_timer_new(l, on_patience, l, &l->patience) != SC_OK)
		goto fail;
	*out = l;
	return SC_OK;
fail:
	if (config != NULL)
		event_config_free(config);
	loop_free(l);
	return SC_NOMEM;
}

void loop_free(struct loop *l)
{
	struct loop_member *m;
	struct loop_signal *s;

	if (l == NULL)
		return;
	while ((m = TAILQ_FIRST(&l->all)) != NULL)
		m->destroy(m);
	while ((s = l->signals) != NULL) {
		l->signals = s->next;
		event_free(s->ev);
		mem_free(s);
	}
	loop_timer_free(l->patience);
	if (l->wake_ev != NULL)
		event_free(l->wake_ev);
	if (l->base != NULL)
		event_base_free(l->base);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	frame_codec_fini(&l->codec);
	msg_decoder_free(l->decoder);
	buf_fini(&l->spare_input);
	mem_free(l);
}

void loop_set_turn_hook(struct loop *l, loop_fn hook, void *arg)
{
	l->turn_hook = hook;
	l->turn_arg = arg;
}

void loop_set_wake_hook(struct loop *l, loop_fn hook, void *arg)
{
	l->wake_hook = hook;
	l->wake_arg = arg;
}

static void stop_waiting(struct loop *l, struct loop_member *m)
{
	if (m->is_patient)
		TAILQ_REMOVE(&l->patient, m, patient);
	m->is_patient = 0;
}

/* Including those that become dirty meanwhile: on_close of one may send on another. */
static void end_turn(struct loop *l)
{
	struct loop_member *m;

	while ((m = TAILQ_FIRST(&l->dirty)) != NULL) {
		TAILQ_REMOVE(&l->dirty, m, dirty);
		m->is_dirty = 0;
		stop_waiting(l, m);
		m->turn_end(m);
	}
}

void loop_run(struct loop *l)
{
	l->stop = 0;
	while (!l->stop) {
		if (event_base_loop(l->base, EVLOOP_ONCE) < 0)
			break;
		if (l->turn_hook != NULL)
			l->turn_hook(l->turn_arg);
		end_turn(l);
		l->now_us = 0;
	}
	end_turn(l);
}

void loop_end_turn(struct loop *l)
{
	end_turn(l);
}

void loop_stop(struct loop *l)
{
	l->stop = 1;
}

void loop_wake(struct loop *l)
{
	uint64_t one = 1;
	ssize_t n = write(l->wake_fd, &one, sizeof(one));

	(void)n; /* full means that it is awake already */
}

uint64_t loop_now_us(struct loop *l)
{
	if (l->now_us == 0)
		l->now_us = clock_monotonic_us();
	return l->now_us;
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}

struct msg_decoder *loop_decoder(struct loop *l)
{
	return l->decoder;
}

struct buf *loop_spare_input(struct loop *l)
{
	return &l->spare_input;
}

struct loop_traffic *loop_traffic(struct loop *l)
{
	return &l->traffic;
}

struct frame_codec *loop_codec(struct loop *l)
{
	return &l->codec;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

sc_err loop_timer_new(struct loop *l, loop_fn fn, void *arg, struct loop_timer **out)
{
	struct loop_timer *t = mem_calloc(1, sizeof(*t));

	if (t == NULL)
		return SC_NOMEM;
	t->fn = fn;
	t->arg = arg;
	t->ev = evtimer_new(l->base, on_timer, t);
	if (t->ev == NULL) {
		mem_free(t);
		return SC_NOMEM;
	}
	*out = t;
	return SC_OK;
}

void loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return;
	event_free(t->ev);
	mem_free(t);
}

void loop_timer_set(struct loop_timer *t, uint64_t after_us)
{
	struct timeval tv = {(time_t)(after_us / US_PER_S), (suseconds_t)(after_us % US_PER_S)};

	evtimer_add(t->ev, &tv);
}

void loop_timer_clear(struct loop_timer *t)
{
	evtimer_del(t->ev);
}

int loop_timer_is_set(const struct loop_timer *t)
{
	return evtimer_pending(t->ev, NULL);
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct loop_signal *s = arg;

	(void)signo;
	(void)what;
	s->fn(s->arg);
}

sc_err loop_on_signal(struct loop *l, int signo, loop_fn fn, void *arg)
{
	struct loop_signal *s = mem_calloc(1, sizeof(*s));

	if (s == NULL)
		return SC_NOMEM;
	s->fn = fn;
	s->arg = arg;
	s->ev = evsignal_new(l->base, signo, on_signal, s);
	if (s->ev == NULL || evsignal_add(s->ev, NULL) != 0) {
		if (s->ev != NULL)
			event_free(s->ev);
		mem_free(s);
		return SC_NOMEM;
	}
	s->next = l->signals;
	l->signals = s;
	return SC_OK;
}

void loop_join(struct loop *l, struct loop_member *m)
{
	TAILQ_INSERT_TAIL(&l->all, m, all);
	m->is_dirty = m->is_patient = 0;
}

void loop_leave(struct loop *l, struct loop_member *m)
{
	TAILQ_REMOVE(&l->all, m, all);
	if (m->is_dirty)
		TAILQ_REMOVE(&l->dirty, m, dirty);
	m->is_dirty = 0;
	stop_waiting(l, m);
}

void loop_dirty(struct loop *l, struct loop_member *m)
{
	if (m->is_dirty)
		return;
	m->is_dirty = 1;
	TAILQ_INSERT_TAIL(&l->dirty, m, dirty);
}

void loop_dirty_later(struct loop *l, struct loop_member *m)
{
	if (m->is_dirty || m->is_patient)
		return;
	m->is_patient = 1;
	TAILQ_INSERT_TAIL(&l->patient, m, patient);
	if (!loop_timer_is_set(l->patience))
		loop_timer_set(l->patience, LOOP_PATIENCE_US);
}
