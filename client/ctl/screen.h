/*
 * screen.h - drawing on a terminal in place, with plain ANSI sequences and termios.
 *
 * The terminal is given back as it was: by screen_end(), and by screen_restore() from a signal handler.
 */
#ifndef CLIENT_CTL_SCREEN_H
#define CLIENT_CTL_SCREEN_H

#include <stddef.h>

#include "base/buf.h"

struct screen_size {
	size_t rows, columns;
};

/* full: a screen of its own, keys are read one by one and not shown; else the ordinary screen, cleared. */
void screen_begin(int full);
void screen_end(void);
void screen_restore(void); /* async-signal-safe */

/* Also after it has changed; 24 x 80 when it cannot be known. */
struct screen_size screen_size(void);

/* Show these lines instead of what is there: as many as there is room for, each cut to the width. */
void screen_draw(const struct buf *text);

/* The next key pressed, or 0: none.  -1: standard input has ended. */
int screen_key(void);

#endif
