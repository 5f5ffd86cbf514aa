/* text.c - see text.h. */
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

sc_err text_u64(const char *s, uint64_t *out)
{
	char *end;
	unsigned long long v;

	if (s[0] < '0' || s[0] > '9')
		return SC_INVALID;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno != 0 || *end != '\0')
		return SC_INVALID;
	*out = v;
	return SC_OK;
}

sc_err text_i64(const char *s, int64_t *out)
{
	char *end;
	long long v;

	if ((s[0] < '0' || s[0] > '9') && !(s[0] == '-' && s[1] >= '0' && s[1] <= '9'))
		return SC_INVALID;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno != 0 || *end != '\0')
		return SC_INVALID;
	*out = v;
	return SC_OK;
}

#define DECIMAL_MAX 40 /* characters */

struct unit {
	const char *name;
	double factor;
};

/* Digits, perhaps with a point among them; strtod() would expect the program's locale to write it so. */
static sc_err decimal(const char *s, size_t n, double *out)
{
	double v = 0.0, unit = 1.0;
	int after_point = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.') {
			if (after_point++)
				return SC_INVALID;
			continue;
		}
		v = v * 10.0 + (s[i] - '0');
		if (after_point)
			unit *= 10.0;
	}
	*out = v / unit;
	return SC_OK;
}

/* A plain decimal number (no sign, exponent, hex) followed by one of the units. */
static sc_err number_with_unit(const char *s, const struct unit *units, uint64_t *out)
{
	size_t digits = strspn(s, "0123456789.");
	double v;

	if (digits == 0 || digits >= DECIMAL_MAX || s[0] == '.' || decimal(s, digits, &v) != SC_OK)
		return SC_INVALID;
	s += digits;
	s += strspn(s, " ");
	for (; units->name != NULL; units++) {
		if (strcmp(units->name, s) != 0)
			continue;
		v = v * units->factor + 0.5;
		if (!(v < 9.2e18))
			return SC_INVALID;
		*out = (uint64_t)v;
		return SC_OK;
	}
	return SC_INVALID;
}

sc_err text_duration_us(const char *s, uint64_t *out)
{
	static const struct unit units[] = {{"us", 1},	   {"ms", 1e3},	  {"s", 1e6},	  {"", 1e6}, {"m", 60e6},
					    {"min", 60e6}, {"h", 3600e6}, {"d", 86400e6}, {NULL, 0}};

	if (strcmp(s, "off") == 0) {
		*out = UINT64_MAX;
		return SC_OK;
	}
	return number_with_unit(s, units, out);
}

sc_err text_bytes(const char *s, uint64_t *out)
{
	static const struct unit units[] = {{"", 1},
					    {"B", 1},
					    {"k", 1e3},
					    {"kB", 1e3},
					    {"K", 1e3},
					    {"KB", 1e3},
					    {"M", 1e6},
					    {"MB", 1e6},
					    {"G", 1e9},
					    {"GB", 1e9},
					    {"T", 1e12},
					    {"TB", 1e12},
					    {"Ki", 1024.0},
					    {"KiB", 1024.0},
					    {"Mi", 1048576.0},
					    {"MiB", 1048576.0},
					    {"Gi", 1073741824.0},
					    {"GiB", 1073741824.0},
					    {"Ti", 1099511627776.0},
					    {"TiB", 1099511627776.0},
					    {NULL, 0}};

	return number_with_unit(s, units, out);
}

sc_err text_share(const char *s, uint64_t *out)
{
	static const struct unit units[] = {{"%", 1e4}, {NULL, 0}};

	return number_with_unit(s, units, out);
}

sc_err text_amount(const char *s, uint64_t *out)
{
	static const struct unit units[] = {{"", TEXT_AMOUNT_ONE}, {NULL, 0}};
	uint64_t v;
	const char *dot = strchr(s, '.');

	if (dot != NULL && strlen(dot + 1) > 4)
		return SC_INVALID;
	if (number_with_unit(s, units, &v) != SC_OK || v > (uint64_t)UINT32_MAX * TEXT_AMOUNT_ONE)
		return SC_INVALID;
	*out = v;
	return SC_OK;
}

const char *text_show_us(uint64_t us, char *buf, size_t cap)
{
	uint64_t s = us / 1000000u;

	if (us < 1000u)
		snprintf(buf, cap, "%" PRIu64 " us", us);
	else if (us < 1000000u)
		snprintf(buf, cap, "%.1f ms", (double)us / 1e3);
	else if (s < 60)
		snprintf(buf, cap, "%.1f s", (double)us / 1e6);
	else if (s < 3600)
		snprintf(buf, cap, "%" PRIu64 "m %02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, cap, "%" PRIu64 "h %02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(buf, cap, "%" PRIu64 "d %02" PRIu64 "h", s / 86400, s / 3600 % 24);
	return buf;
}

const char *text_show_bytes(uint64_t bytes, char *buf, size_t cap)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)bytes;
	size_t i = 0;

	while (v >= 1024.0 && i + 1 < sizeof(names) / sizeof(names[0])) {
		v /= 1024.0;
		i++;
	}
	snprintf(buf, cap, i == 0 ? "%.0f %s" : "%.1f %s", v, names[i]);
	return buf;
}

const char *text_show_amount(uint64_t amount, char *buf, size_t cap)
{
	int n = snprintf(buf, cap, "%" PRIu64 ".%04" PRIu64, amount / TEXT_AMOUNT_ONE, amount % TEXT_AMOUNT_ONE);

	if (n > 0 && (size_t)n < cap) {
		while (buf[n - 1] == '0')
			buf[--n] = '\0';
		if (buf[n - 1] == '.')
			buf[--n] = '\0';
	}
	return buf;
}

void text_random_hex(char *out, size_t n_bytes)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n_bytes; i++) {
		unsigned char byte;

		while (getrandom(&byte, 1, 0) != 1)
			;
		out[2 * i] = digits[byte >> 4];
		out[2 * i + 1] = digits[byte & 15];
	}
	out[2 * n_bytes] = '\0';
}

int text_equal_secret(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	unsigned diff = na != nb;

	for (size_t i = 0; i < na; i++)
		diff |= (unsigned)((unsigned char)a[i] ^ (unsigned char)(i < nb ? b[i] : 0));
	return diff == 0;
}

#define SLIP_MAX 3u

unsigned text_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned row[64]; /* of the usual table, one row at a time */

	if (n > 60 || m > 60)
		return UINT_MAX / 2;
	for (size_t j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned up = row[j];
			unsigned d = corner + (a[i - 1] != b[j - 1]);

			if (up + 1 < d)
				d = up + 1;
			if (row[j - 1] + 1 < d)
				d = row[j - 1] + 1;
			corner = up;
			row[j] = d;
		}
	}
	return row[m];
}

unsigned text_slip(const char *word, const char *known)
{
	unsigned distance = text_distance(word, known);
	size_t len = strlen(known);

	return distance <= SLIP_MAX && distance <= (len + 1) / 2 && distance < len ? distance : UINT_MAX;
}

int text_is_name(const char *s, size_t len)
{
	if (len == 0 || len > 200 || s[0] == '.')
		return 0;
	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c != '\0' && strchr("_.-+:@", c) != NULL)))
			return 0;
	}
	return 1;
}
