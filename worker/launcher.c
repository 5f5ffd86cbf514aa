/* launcher.c - see launcher.h. */
#include "worker/launcher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define IDLE_MAX      64u /* threads kept for what is to come */
#define RETRY_THREADS 16u
#define THREAD_STACK  (256 * 1024) /* address space; a few pages of it are used */

struct launcher {
	pthread_mutex_t lock;
	pthread_cond_t to_start; /* starts is not empty, or is_closing */
	pthread_cond_t gone;	 /* a thread is */
	struct launch_list starts;
	unsigned n_starts;
	struct launch_list ended;
	unsigned n_threads, n_idle;
	int is_closing;
	int was_told; /* event_fd is readable, or about to be */
	int event_fd;
	struct watched told;
	launch_ended_fn fn;
	void *arg;
};

static void lock(struct launcher *l)
{
	pthread_mutex_lock(&l->lock);
}

static void unlock(struct launcher *l)
{
	pthread_mutex_unlock(&l->lock);
}

void lane_init(struct launch_lane *lane)
{
	*lane = (struct launch_lane){.n_busy = 0};
	TAILQ_INIT(&lane->followers);
}

void launch_init(struct launch *it)
{
	*it = (struct launch){.child = {.pid = -1, .pidfd = -1}};
}

void launch_close_fds(struct launch *it)
{
	for (size_t i = 0; i < it->request.n_fds; i++)
		if ((it->own_fds & 1u << i) != 0)
			close(it->request.fds[i]);
	it->own_fds = 0;
}

/* ---- in the threads ------------------------------------------------------------------------------------------- */

static void send_signal(struct launch *it, int signo)
{
	kill(-it->child.pid, signo);
}

/* From now on it can be sent signals; there may be one waiting. */
static void note_running(struct launcher *l, struct launch *it)
{
	lock(l);
	it->state = LAUNCH_RUNS;
	if (it->signo != 0)
		send_signal(it, it->signo);
	unlock(l);
}

/*
 * The number of the process and of its group belongs to it until it is waited for: until then nobody else can be hit,
 * and so signals end before.
 */
static void wait_for(struct launcher *l, struct launch *it)
{
	siginfo_t info;

	while (waitid(P_PID, (id_t)it->child.pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
		;
	it->ended_us = clock_monotonic_us();
	lock(l);
	it->state = LAUNCH_ENDED;
	unlock(l);
	send_signal(it, SIGKILL);
	while (wait4(it->child.pid, &it->status, 0, &it->used) < 0 && errno == EINTR)
		;
}

/* There is no thread for it yet. */
static void queue_start(struct launcher *l, struct launch *it, int is_first)
{
	it->state = LAUNCH_WAITS;
	if (is_first)
		TAILQ_INSERT_HEAD(&l->starts, it, link);
	else
		TAILQ_INSERT_TAIL(&l->starts, it, link);
	l->n_starts++;
}

static struct launch *take_queued(struct launcher *l, struct launch *it)
{
	TAILQ_REMOVE(&l->starts, it, link);
	l->n_starts--;
	return it;
}

static void set_out(struct launch *it)
{
	it->state = LAUNCH_STARTING;
	it->started_us = it->lane->last_started_us = clock_monotonic_us();
}

/* Without the lock. */
static void carry_out(struct launcher *l, struct launch *it)
{
	if (spawn_start(&it->request, &it->child) != 0)
		return;
	launch_close_fds(it);
	note_running(l, it);
	wait_for(l, it);
}

/* There are as many processes as the system allows. */
static int is_refused(const struct launch *it)
{
	return it->child.error == EAGAIN && it->child.step == SPAWN_SETUP;
}

static struct launch *take_follower(struct launch_lane *lane)
{
	struct launch *it = TAILQ_FIRST(&lane->followers);

	if (it == NULL)
		return NULL;
	TAILQ_REMOVE(&lane->followers, it, link);
	lane->n_followers--;
	set_out(it);
	return it;
}

/* Put it where the loop finds it.  What goes on in its place, or NULL; *tell: the loop has to be woken. */
static struct launch *note_end(struct launcher *l, struct launch *it, int *tell)
{
	struct launch *next = take_follower(it->lane);

	launch_close_fds(it);
	it->state = LAUNCH_ENDED;
	it->successor = next;
	if (next == NULL)
		it->lane->n_busy--;
	TAILQ_INSERT_TAIL(&l->ended, it, link);
	*tell = next == NULL && !l->was_told;
	l->was_told |= *tell;
	return next;
}

static void wake_loop(struct launcher *l)
{
	static const uint64_t one = 1;

	while (write(l->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* What a thread does next; NULL: it goes. */
static struct launch *take_start(struct launcher *l)
{
	struct launch *it;

	while ((it = TAILQ_FIRST(&l->starts)) == NULL && !l->is_closing && l->n_idle < IDLE_MAX) {
		l->n_idle++;
		pthread_cond_wait(&l->to_start, &l->lock);
		l->n_idle--;
	}
	if (it == NULL)
		return NULL;
	set_out(take_queued(l, it));
	return it;
}

/* Where threads are short, a follower does not overtake those that have been waiting for one. */
static struct launch *in_order(struct launcher *l, struct launch *next)
{
	if (next == NULL || l->n_idle > 0 || TAILQ_EMPTY(&l->starts))
		return next;
	queue_start(l, next, 0);
	return take_start(l);
}

/* One process after the other, until none follows.  0: there is one thread too many. */
static int run_lane(struct launcher *l, struct launch *it)
{
	int tell;

	while (it != NULL) {
		unlock(l);
		carry_out(l, it);
		lock(l);
		if (is_refused(it) && l->n_threads > 1) { /* the others will end theirs, or try */
			queue_start(l, it, 1);
			pthread_cond_signal(&l->to_start);
			return 0;
		}
		it = in_order(l, note_end(l, it, &tell));
		if (tell) { /* it would have to wait for the lock */
			unlock(l);
			wake_loop(l);
			lock(l);
		}
	}
	return 1;
}

static void *serve(void *arg)
{
	struct launcher *l = arg;
	struct launch *it;

	lock(l);
	do
		it = take_start(l);
	while (it != NULL && run_lane(l, it));
	l->n_threads--;
	pthread_cond_signal(&l->gone);
	unlock(l);
	return NULL;
}

/* ---- in the loop ---------------------------------------------------------------------------------------------- */

static void on_told(struct watched *item, uint32_t events)
{
	(void)events;
	launcher_collect((struct launcher *)((char *)item - offsetof(struct launcher, told)));
}

sc_err launcher_new(struct watch *w, launch_ended_fn ended, void *arg, struct launcher **out)
{
	struct launcher *l = mem_calloc(1, sizeof(*l));

	if (l == NULL)
		return SC_NOMEM;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->to_start, NULL);
	pthread_cond_init(&l->gone, NULL);
	TAILQ_INIT(&l->starts);
	TAILQ_INIT(&l->ended);
	l->fn = ended;
	l->arg = arg;
	l->told.fn = on_told;
	l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->event_fd < 0 || watch_add(w, &l->told, l->event_fd) != SC_OK) {
		launcher_free(l);
		return SC_NOMEM;
	}
	*out = l;
	return SC_OK;
}

void launcher_free(struct launcher *l)
{
	if (l == NULL)
		return;
	lock(l);
	l->is_closing = 1;
	pthread_cond_broadcast(&l->to_start);
	while (l->n_threads > 0)
		pthread_cond_wait(&l->gone, &l->lock);
	unlock(l);
	if (l->event_fd >= 0)
		close(l->event_fd);
	pthread_cond_destroy(&l->gone);
	pthread_cond_destroy(&l->to_start);
	pthread_mutex_destroy(&l->lock);
	mem_free(l);
}

/*
 * Signals are for the loop's thread.  But SIGCHLD, which nobody handles, is thrown away only if the thread whose child
 * has ended does not block it, and would interrupt the loop if it did.  0, or errno.
 */
static int add_thread(struct launcher *l)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, mask;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	sigfillset(&all);
	sigdelset(&all, SIGCHLD);
	pthread_sigmask(SIG_SETMASK, &all, &mask);
	error = pthread_create(&thread, &attr, serve, l);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	pthread_attr_destroy(&attr);
	l->n_threads += error == 0;
	return error;
}

int launcher_start(struct launcher *l, struct launch *it, struct launch_lane *lane)
{
	int error = 0;

	lock(l);
	if (l->n_idle > l->n_starts)
		pthread_cond_signal(&l->to_start);
	else
		error = add_thread(l);
	if (l->n_threads > 0) { /* one of them will have time for it */
		error = 0;
		it->lane = lane;
		it->started_us = clock_monotonic_us();
		lane->n_busy++;
		queue_start(l, it, 0);
	}
	unlock(l);
	return error;
}

int launcher_retry(struct launcher *l)
{
	unsigned n;
	int waits;

	lock(l);
	waits = l->n_starts > l->n_idle;
	for (n = 0; n < RETRY_THREADS && l->n_starts > l->n_idle + n && add_thread(l) == 0; n++)
		;
	unlock(l);
	return waits;
}

int launcher_has_room(struct launcher *l, struct launch_lane *lane, uint64_t since_us, uint64_t each)
{
	int has;

	lock(l);
	has = lane->last_started_us > since_us && lane->n_followers < lane->n_busy * each;
	unlock(l);
	return has;
}

int launcher_follow(struct launcher *l, struct launch *it, struct launch_lane *lane)
{
	int is_busy;

	lock(l);
	is_busy = lane->n_busy > 0;
	if (is_busy) {
		it->state = LAUNCH_FOLLOWS;
		it->lane = lane;
		TAILQ_INSERT_TAIL(&lane->followers, it, link);
		lane->n_followers++;
	}
	unlock(l);
	return is_busy;
}

int launcher_withdraw(struct launcher *l, struct launch *it, uint64_t since_us)
{
	int done;

	lock(l);
	done = it->state == LAUNCH_FOLLOWS && it->lane->last_started_us <= since_us;
	if (done) {
		TAILQ_REMOVE(&it->lane->followers, it, link);
		it->lane->n_followers--;
		it->state = LAUNCH_IDLE;
	}
	unlock(l);
	return done;
}

/* As if it had just begun.  Whoever would have followed has to wait for a thread in its stead. */
static void end_waiting(struct launcher *l, struct launch *it, int signo)
{
	struct launch *next;
	int tell;

	set_out(take_queued(l, it));
	it->ended_us = it->started_us;
	it->status = signo;
	next = note_end(l, it, &tell);
	if (next != NULL)
		queue_start(l, next, 1);
	if (tell)
		wake_loop(l);
}

void launcher_signal(struct launcher *l, struct launch *it, int signo)
{
	lock(l);
	if (it->state == LAUNCH_RUNS) {
		send_signal(it, signo);
		if (getpgid(it->child.pid) != it->child.pid) /* it has left its group */
			kill(it->child.pid, signo);
	} else if (it->state == LAUNCH_WAITS && signo != SIGCONT) {
		end_waiting(l, it, signo);
	} else if (it->state == LAUNCH_STARTING && it->signo != SIGKILL && signo != SIGCONT) {
		it->signo = signo;
	}
	unlock(l);
}

pid_t launcher_pid(struct launcher *l, const struct launch *it)
{
	pid_t pid;

	lock(l);
	pid = it->state == LAUNCH_RUNS ? it->child.pid : 0;
	unlock(l);
	return pid;
}

enum launch_state launcher_state(struct launcher *l, const struct launch *it, uint64_t *started_us)
{
	enum launch_state state;

	lock(l);
	state = it->state;
	*started_us = it->started_us;
	unlock(l);
	return state;
}

void launcher_collect(struct launcher *l)
{
	struct launch_list ended = TAILQ_HEAD_INITIALIZER(ended);
	struct launch *it;
	uint64_t n;

	lock(l);
	TAILQ_CONCAT(&ended, &l->ended, link);
	if (l->was_told && read(l->event_fd, &n, sizeof(n)) > 0)
		l->was_told = 0;
	unlock(l);
	while ((it = TAILQ_FIRST(&ended)) != NULL) {
		TAILQ_REMOVE(&ended, it, link);
		l->fn(it, it->successor, l->arg);
	}
}
