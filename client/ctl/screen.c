/* screen.c - see screen.h.  A signal handler has no argument, hence the variables of this file. */
#include "client/ctl/screen.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\033[?1049h\033[?25l" /* another screen, no cursor */
#define LEAVE "\033[?25h\033[?1049l"

static struct termios before;
static volatile sig_atomic_t is_full;

static void put(const char *s, size_t n)
{
	while (n > 0) {
		ssize_t done = write(STDOUT_FILENO, s, n);

		if (done <= 0)
			return;
		s += done;
		n -= (size_t)done;
	}
}

/* Only so that poll() returns. */
static void on_resize(int signo)
{
	(void)signo;
}

static void keys_begin(void)
{
	struct termios now;
	struct sigaction sa;

	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return;
	now = before;
	now.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
	now.c_cc[VMIN] = 0;
	now.c_cc[VTIME] = 0;
	now.c_cc[VSUSP] = _POSIX_VDISABLE; /* stopped, we would leave the terminal as it is */
	is_full = 1;
	tcsetattr(STDIN_FILENO, TCSANOW, &now);
	put(ENTER, strlen(ENTER));
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_resize;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGWINCH, &sa, NULL);
}

void screen_begin(int full)
{
	fflush(stdout);
	if (full)
		keys_begin();
	put("\033[H\033[2J", 7);
}

void screen_restore(void)
{
	if (!is_full)
		return;
	is_full = 0;
	put(LEAVE, strlen(LEAVE));
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

void screen_end(void)
{
	screen_restore();
	signal(SIGWINCH, SIG_DFL);
}

struct screen_size screen_size(void)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_row == 0 || w.ws_col == 0)
		return (struct screen_size){24, 80};
	return (struct screen_size){w.ws_row, w.ws_col};
}

/* As much of a line as fits, escape sequences and the later bytes of a character counting nothing. */
static void put_line(struct buf *out, const char *p, size_t n, size_t columns)
{
	size_t width = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\033') {
			size_t start = i;

			while (i + 1 < n && !(p[i] >= '@' && p[i] <= '~' && p[i] != '['))
				i++;
			buf_append(out, p + start, i + 1 - start);
			continue;
		}
		width += ((unsigned char)p[i] & 0xc0) != 0x80;
		if (width <= columns)
			buf_append_byte(out, (uint8_t)p[i]);
	}
	buf_append_str(out, "\033[K");
}

void screen_draw(const struct buf *text)
{
	struct screen_size size = screen_size();
	const char *p = (const char *)text->data, *end = p + text->len;
	struct buf out;

	buf_init(&out, 0);
	buf_append_str(&out, "\033[H");
	for (size_t row = 0; row < size.rows && p < end; row++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t n = newline != NULL ? (size_t)(newline - p) : (size_t)(end - p);

		if (row > 0)
			buf_append_str(&out, "\r\n");
		put_line(&out, p, n, size.columns);
		p += n + 1;
	}
	buf_append_str(&out, "\033[J");
	if (buf_err(&out) == SC_OK)
		put((const char *)out.data, out.len);
	buf_fini(&out);
}

int screen_key(void)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
	unsigned char key;
	ssize_t n;

	if (poll(&fd, 1, 0) <= 0)
		return 0;
	n = read(STDIN_FILENO, &key, 1);
	return n == 1 ? key : n == 0 ? -1 : 0;
}
