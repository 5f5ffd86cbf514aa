/* replay.c - main of a fuzz target without libFuzzer: every file named, and every file of a directory named, once. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "tests/fuzz/fuzz.h"

static void replay_file(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t chunk[65536];
	struct buf b;
	size_t n;

	if (f == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	buf_init(&b, 0);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_append(&b, chunk, n);
	fclose(f);
	fprintf(stderr, "%s\n", path); /* the last one named is the culprit */
	LLVMFuzzerTestOneInput(b.data != NULL ? b.data : (const uint8_t *)"", b.len);
	buf_fini(&b);
}

int main(int argc, char **argv)
{
	unsigned n_files = 0;

	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		struct dirent *e;
		char path[4096];

		if (d == NULL) {
			replay_file(argv[i]);
			n_files++;
			continue;
		}
		while ((e = readdir(d)) != NULL) {
			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name);
			replay_file(path);
			n_files++;
		}
		closedir(d);
	}
	if (n_files == 0) {
		fprintf(stderr, "no corpus\n");
		return 1;
	}
	return 0;
}
