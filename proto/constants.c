/* constants.c - see constants.h. */
#include "proto/constants.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *family;
	uint64_t value;
	const char *shown;
} constants[] = {
#define CONST(family, name, value, shown, text) {#family, value, shown},
#include "proto/constants.def"
#undef CONST
};

static const char *find(const char *family, uint64_t value)
{
	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
		if (constants[i].value == value && strcmp(constants[i].family, family) == 0)
			return constants[i].shown;
	return "?";
}

const char *const_name_TASK(uint64_t value)
{
	return find("TASK", value);
}

const char *const_name_JOB(uint64_t value)
{
	return find("JOB", value);
}

const char *const_name_WORKER(uint64_t value)
{
	return find("WORKER", value);
}

const char *const_name_KIND(uint64_t value)
{
	return find("KIND", value);
}

const char *const_name_FAIL(uint64_t value)
{
	return find("FAIL", value);
}
