/* install.c - make install into a directory of its own, then a stranger's program built against what is there. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

#define MINUTES_MS 240000u
#define PREFIX	   "/opt/sched"

static const char program[] =
	"#include <sched_client.h>\n"
	"#include <sched_task.h>\n"
	"#include <stdio.h>\n"
	"int main(void)\n"
	"{\n"
	"	struct sc_group_spec noop = {.name = \"hello\", .kind = SC_KIND_NOOP, .count = 3};\n"
	"	struct sc_client *client;\n"
	"	struct sc_job *job;\n"
	"	uint64_t id;\n"
	"	if (sc_client_open(NULL, &client) != SC_OK) {\n"
	"		fprintf(stderr, \"%s\\n\", sc_client_error_text(NULL));\n"
	"		return 3;\n"
	"	}\n"
	"	if (sc_job_new(\"hello\", &job) != SC_OK || sc_job_add_group(job, &noop, NULL) != SC_OK ||\n"
	"	    sc_client_submit(client, job, &id) != SC_OK ||\n"
	"	    sc_client_wait(client, id, 0, 20000000, NULL, NULL, NULL) != SC_OK) {\n"
	"		fprintf(stderr, \"%s\\n\", sc_client_error_text(client));\n"
	"		return 1;\n"
	"	}\n"
	"	printf(\"job done\\n\");\n"
	"	sc_job_free(job);\n"
	"	sc_client_close(client);\n"
	"	return 0;\n"
	"}\n";

/* A shell line in c->dir with $STAGE set; it has to succeed.  Returns its output, owned by the caller. */
static char *shell(struct cluster *c, const char *line, const char *access)
{
	char stage[4200], pc[4300], access_env[4300];
	const char *env[] = {stage, pc, access_env, "MAKEFLAGS", "MFLAGS", "MAKELEVEL", NULL};
	struct run r;

	snprintf(stage, sizeof(stage), "STAGE=%s/stage", c->dir);
	snprintf(pc, sizeof(pc), "PKG_CONFIG_PATH=%s/stage" PREFIX "/lib/pkgconfig", c->dir);
	snprintf(access_env, sizeof(access_env), "SCHED_ACCESS_FILE=%s", access);
	r = run_program(
		&(struct proc_spec){
			.program = "sh", .args = (const char *const[]){"-euc", line, NULL}, .env = env, .cwd = c->dir},
		MINUTES_MS);
	cr_assert_eq(r.status, 0, "%s\n%s%s", line, r.out, r.err);
	mem_free(r.err);
	return r.out;
}

static void run_line(struct cluster *c, const char *line)
{
	mem_free(shell(c, line, c->access_file));
}

static void is_there(struct cluster *c, const char *path)
{
	char full[4400];
	struct stat st;

	snprintf(full, sizeof(full), "%s/stage" PREFIX "/%s", c->dir, path);
	cr_expect(stat(full, &st) == 0 && st.st_size > 0, "%s is not installed", path);
}

Test(install, a_program_builds_and_runs_against_it, .timeout = 240)
{
	static const char *const files[] = {"bin/sched",
					    "bin/sched-worker",
					    "bin/schedctl",
					    "bin/sched-bench",
					    "lib/libsched-client.a",
					    "lib/libsched-client.so",
					    "lib/libsched-client.so.0",
					    "lib/pkgconfig/sched-client.pc",
					    "include/sched_client.h",
					    "include/sched_error.h",
					    "include/sched_task.h",
					    "share/man/man1/schedctl.1",
					    "share/man/man5/sched.yaml.5",
					    "share/doc/sched/sched.yaml.sample",
					    "share/bash-completion/completions/schedctl",
					    "share/zsh/site-functions/_schedctl"};
	char install[9000], uninstall[9000], *out;
	struct cluster *c;

	/* The programs of other modes need their sanitizer's runtime, which a stranger's program does not have. */
	if (strcmp(getenv("SCHED_BUILD") != NULL ? getenv("SCHED_BUILD") : "release", "release") != 0)
		cr_skip_test("release only");
	c = cluster_start(&(struct cluster_spec){.n_workers = 1});
	mem_free(cluster_file(c, "hello.c", program));
	snprintf(install, sizeof(install), "make -s -C %s install DESTDIR=$STAGE PREFIX=" PREFIX, source_dir());
	snprintf(uninstall, sizeof(uninstall), "make -s -C %s uninstall DESTDIR=$STAGE PREFIX=" PREFIX, source_dir());
	run_line(c, install);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		is_there(c, files[i]);
	run_line(c, "test $(stat -c %a $STAGE" PREFIX "/bin/sched) = 755");
	run_line(c, "PKG_CONFIG_SYSROOT_DIR=$STAGE; export PKG_CONFIG_SYSROOT_DIR\n"
		    "cc -Wall -Werror -o hello hello.c $(pkg-config --cflags --libs sched-client)");
	out = shell(c, "LD_LIBRARY_PATH=$STAGE" PREFIX "/lib ./hello", c->access_file);
	cr_assert_str_eq(out, "job done\n");
	mem_free(out);
	/* The static library with what pkg-config says it needs, found where it is, not below the stage. */
	run_line(c, "cc -o hello-static hello.c -I$STAGE" PREFIX "/include $STAGE" PREFIX "/lib/libsched-client.a "
		    "$(pkg-config --static --libs sched-client | sed 's/-lsched-client//')");
	out = shell(c, "./hello-static", c->access_file);
	cr_assert_str_eq(out, "job done\n");
	mem_free(out);
	/* What is installed finds its own parts: the private scheduler of run --local lies beside schedctl. */
	run_line(c, "printf 'name: x\\ntasks: {a: {run: \"echo hi\", output: a.txt}}\\n' >x.yaml\n"
		    "$STAGE" PREFIX "/bin/schedctl run --local x.yaml && test \"$(cat a.txt)\" = hi");
	run_line(c, uninstall);
	run_line(c, "test -z \"$(find $STAGE -type f -o -type l)\"");
	cluster_stop(c);
}
